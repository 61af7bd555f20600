/* The commands that the broker has not answered, in their order: repeated under the same id on a fresh
 * stream, failed when they take too long, bounded in number and size by those who add them.
 */
#ifndef RJ_PENDING_H
#define RJ_PENDING_H

#include <uthash.h>

#include "proto/base/buf.h"
#include "rejoin.pb-c.h"

struct rj_pending_command {
    uint64_t id;
    uint64_t client; /* handle */
    Rejoin__Command__KindCase kind;
    char *room; /* of a Leave or History; else NULL */
    bool has_ack;
    uint64_t ack_id;
    size_t bytes;         /* what it counts for among `bytes` of all */
    bool was_said;        /* it has been put on some stream: the broker may know it */
    bool is_answered;     /* its sender was told that it failed; the broker's answer is still of use */
    uint64_t deadline_ms; /* UINT64_MAX: waits as long as it takes */
    struct rj_buf item;   /* packed, to be repeated */
    struct rj_buf attach; /* of a Disconnect: the Attach that has to be said before it on a fresh stream,
                             which does not know the client; empty: none */
    struct rj_pending_command *prev, *next; /* in the order of their ids */
    UT_hash_handle hh;
};

/* Zero-initialise. */
struct rj_pending {
    uint64_t last_id;
    struct rj_pending_command *by_id;
    struct rj_pending_command *list; /* utlist: list->prev is the newest */
    size_t n;
    size_t n_asked; /* of them, what clients have asked for: all but Attach, CatchUp and Disconnect … */
    size_t bytes;   /* … and how large that is, packed */
};

/* Gives the command its id, packs it and remembers it. Owned by the table until taken. */
struct rj_pending_command *rj_pending_add(struct rj_pending *pending, Rejoin__Command *command);

/* Gives the Attach an id, packs it and remembers it with that Disconnect of the same client: the broker may
 * have restarted when it is repeated. Its answer is of no interest. */
void rj_pending_introduce(struct rj_pending *pending, struct rj_pending_command *disconnect,
                          Rejoin__Command *attach);

/* The command that a reply answers, removed from the table (free it with rj_pending_free_command); NULL when
 * it is not known. */
struct rj_pending_command *rj_pending_take(struct rj_pending *pending, uint64_t id);

void rj_pending_free_command(struct rj_pending_command *command);

/* Before a command is said again: an Event that may have been handled already carries that from now on. */
void rj_pending_mark_repeated(struct rj_pending_command *command);

/* Drops what a fresh stream states anew: Attach and CatchUp. */
void rj_pending_drop_stream(struct rj_pending *pending);

void rj_pending_free(struct rj_pending *pending);

#endif
