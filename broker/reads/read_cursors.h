/* Read cursors: up to which seq a user has read a room, on whichever device.
 *
 *   table    key                                              value
 *   cursor   0x01, u8 length, namespace, u8 length, user,     seq u64 LE, the room's name
 *            room id u32 BE
 *
 * (A pid, which is what the table's other keys are, begins with a letter, a digit, - or _.) So a user's rooms
 * are one range, in the order of their ids. A cursor only moves forward, but for being forgotten.
 *
 * RAM runs ahead of the store, as everywhere: it holds the cursors whose writes are on their way, so that the
 * next move is compared with what was accepted last, and how many cursors the latest users have.
 */
#ifndef RJ_READ_CURSORS_H
#define RJ_READ_CURSORS_H

#include "broker/rooms/room.h"
#include "broker/sessions/session.h"

enum { RJ_READ_PREFIX_MAX = 3 + RJ_NAMESPACE_MAX + RJ_USER_MAX };

/* A user in a namespace; borrowed. */
struct rj_reader_name {
    const char *nsp, *user;
};

/* Zero-initialise. */
struct rj_read_cursors {
    struct rj_read_cursor *moving; /* by key: with writes on their way */
    struct rj_read_count *counts;  /* by user, the one that was asked for longest ago first; bounded */
};

/* A room and its key, of which the name is stored. */
struct rj_read_room {
    rj_room_id id;
    struct rj_span name;
};

/* Where the cursor stands as far as was accepted; 0 = nowhere. RJ_IO, RJ_CORRUPT. */
enum rj_status rj_read_cursor_get(const struct rj_read_cursors *cursors, struct rj_store *store,
                                  struct rj_reader_name reader, rj_room_id room, uint64_t *seq);

/* Queues the move to `seq`, which lies above where it stands. RJ_TOO_MANY: the user has `most` cursors,
 * about, and this is a new one. Otherwise `done` will be told RJ_OK, or RJ_CONFLICT when another writer was
 * faster. */
enum rj_status rj_read_cursor_move(struct rj_read_cursors *cursors, struct rj_store *store,
                                   struct rj_reader_name reader, struct rj_read_room room, uint64_t seq,
                                   uint64_t most, rj_store_written *done, void *ctx);

/* Queues its deletion; fine when there is none. */
enum rj_status rj_read_cursor_forget(struct rj_read_cursors *cursors, struct rj_store *store,
                                     struct rj_reader_name reader, rj_room_id room, rj_store_written *done,
                                     void *ctx);

/* Visits the user's committed cursors, ascending by the room's id; false from the visitor ends it. The name
 * is valid for the call. */
typedef bool rj_read_visit(void *ctx, struct rj_read_room room, uint64_t seq);
enum rj_status rj_read_cursors_each(struct rj_store *store, struct rj_reader_name reader, size_t limit,
                                    rj_read_visit *visit, void *ctx);

/* What the keys of a user's cursors begin with: the number of bytes is at most RJ_READ_PREFIX_MAX. */
struct rj_span rj_read_cursors_prefix(uint8_t out[static RJ_READ_PREFIX_MAX], struct rj_reader_name reader);

/* Whether somebody has asked for this user's cursors lately; and that somebody has, and found `n` of them. */
bool rj_read_cursors_are_known(const struct rj_read_cursors *cursors, struct rj_reader_name reader);
void rj_read_cursors_note(struct rj_read_cursors *cursors, struct rj_reader_name reader, uint64_t n);

/* The store is closed. */
void rj_read_cursors_fini(struct rj_read_cursors *cursors);

#endif
