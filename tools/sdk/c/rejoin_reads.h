/* librejoin: what users have read.
 *
 * Of each room a user has one read cursor: the seq up to which it has read, on whichever of its devices. It
 * never goes back, and never past the room's highest seq. Clients move it with room:read; a backend may on
 * their behalf. The rules of rejoin.h hold: turns, threads, callbacks, ownership, units, bounds.
 */
#ifndef REJOIN_READS_H
#define REJOIN_READS_H

#include "rejoin.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rejoin_read {
    const char *nsp; /* NULL = "/" */
    const char *user;
    const char *room;
    uint64_t seq; /* read up to here; more than there is counts as all there is … */
    bool all;     /* … and this says so, whatever `seq` is */
    bool forget;  /* instead: as if the user had never read in the room */
};

struct rejoin_read_state {
    uint64_t seq;    /* where the cursor stands now; 0 = there is none */
    uint64_t unread; /* messages above it that are kept */
};

/* `state` is valid for the call; NULL unless `status` is REJOIN_OK. */
typedef void rejoin_on_read(void *arg, enum rejoin_status status, const struct rejoin_read_state *state);

/* Moves a cursor; answered when that is on disk. `callback` may be NULL. To it: REJOIN_NOT_FOUND (there is no
 * such room), REJOIN_TOO_MANY (the user has a cursor in too many rooms), REJOIN_BAD_NAME. */
enum rejoin_status rejoin_read(struct rejoin *handle, const struct rejoin_read *read,
                               rejoin_on_read *callback, void *arg);
/* `out` may be NULL. */
enum rejoin_status rejoin_read_wait(struct rejoin *handle, const struct rejoin_read *read, int timeout_ms,
                                    struct rejoin_read_state *out);

struct rejoin_unread_room {
    const char *name;
    uint64_t unread;
    uint64_t seq; /* the cursor; 0 = none */
};

/* Owned by whoever received it; valid also after the handle is closed. */
struct rejoin_unread {
    const struct rejoin_unread_room *rooms; /* in no particular order */
    size_t count;
    bool is_partial; /* there are more than fit into one answer (10,000) */
};

/* `unread` belongs to the callback, which frees it; NULL unless `status` is REJOIN_OK. */
typedef void rejoin_on_unread(void *arg, enum rejoin_status status, struct rejoin_unread *unread);

/* Asks for the rooms in which the user has a cursor or one of its sockets is. `nsp` NULL = "/". */
enum rejoin_status rejoin_unread(struct rejoin *handle, const char *nsp, const char *user,
                                 rejoin_on_unread *callback, void *arg);
enum rejoin_status rejoin_unread_wait(struct rejoin *handle, const char *nsp, const char *user,
                                      int timeout_ms, struct rejoin_unread **out);

/* Frees it and sets `*unread` to NULL; NULL inside is fine. */
void rejoin_unread_free(struct rejoin_unread **unread);

#ifdef __cplusplus
}
#endif

#endif
