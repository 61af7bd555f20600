/* A reading: what is to be found, as a plan that any thread can carry out on a snapshot of its own, and how
 * far it came. Positions come from the index and records from the log.
 *
 * The owner makes the plan: it has checked the floors, and the rooms that the plan points to are either its
 * own (and it runs the plan at once) or copies that nobody changes (history.c). Running it touches nothing
 * but the plan, the reader and what the visitor touches; it logs nothing and counts nothing.
 */
#ifndef RJ_READING_H
#define RJ_READING_H

#include "storage/layout.h"
#include "storage/rooms.h"

enum rj_reading_kind {
    RJ_READING_ROOMS,    /* of `reaches`, sorted by the room's id: (after, upto], each above its after_pos */
    RJ_READING_LOG,      /* everything in (after, upto] */
    RJ_READING_FORWARD,  /* of one room: `seq` and those above it */
    RJ_READING_BACKWARD, /* of one room: those below `seq`, the newest first */
};

struct rj_reading_reach {
    const struct rj_store_room *room;
    uint64_t after_pos;
};

enum rj_damage {
    RJ_DAMAGE_NONE,
    RJ_DAMAGE_RECORD,  /* it fails its checksum */
    RJ_DAMAGE_MISSING, /* the index names a pos that the log does not have */
    RJ_DAMAGE_INDEX,   /* it makes no sense, or names a record of another room */
};

/* `bytes` is the record as it stands in the log. Both are valid for the call. False ends the reading. */
typedef bool rj_reading_visit(void *ctx, const struct rj_record *record, struct rj_span bytes);

struct rj_reading {
    enum rj_reading_kind kind;
    struct rj_reading_reach *reaches; /* ROOMS; a page has one */
    size_t n_reaches;
    uint64_t after, upto;
    uint64_t seq;
    size_t records, bytes; /* what the budget still allows; at least 1 */
    rj_reading_visit *visit;
    void *ctx;
    /* Where to rest a snapshot that has become old; NULL: never. Called with no memory of it in use. */
    void (*rest)(void *ctx, struct rj_reader *reader);

    enum rj_status status;
    uint64_t reached;
    enum rj_damage damage; /* with RJ_CORRUPT: what was found … */
    uint64_t damaged_pos;  /* … and at which pos; 0 = the index has a hole */
    bool is_over;          /* the visitor or the budget has ended it */
};

/* Sets what stands behind `rest`. The status is RJ_OK, RJ_CORRUPT, or RJ_IO. */
void rj_reading_run(struct rj_reading *reading, struct rj_reader *reader);

#endif
