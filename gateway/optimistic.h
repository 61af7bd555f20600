/* Optimistic rooms, the gateway's part: messages that clients here were shown as pending, until it is known
 * what became of them.
 *
 *     accepted ──► OPEN ── logged (live, or by the refill after a crash) ──► the clients get room:confirmed
 *                  │  ▲
 *      new epoch   ▼  │ accepted again: the publisher repeated its command
 *                 ORPHAN ── a lease after the broker's return, the log read up to then ──► room:failed
 *
 * Each client that was shown a message gets one of three, never two, while it is in the room: room:confirmed
 * in the message's place; room:failed; or, when it was not LIVE at that place, the message itself by the log.
 * What a client was shown ends with its connection: after a reconnect the log alone speaks.
 *
 * A message is known again by its room, its sender and its id, since its pos does not outlive the epoch.
 * Pure: no clients, no I/O; fanout.c shows and tells.
 */
#ifndef RJ_OPTIMISTIC_H
#define RJ_OPTIMISTIC_H

#include <uthash.h>

#include "proto/base/buf.h"
#include "rejoin.pb-c.h"

enum { RJ_SHOWN_MAX = 1 << 20 /* open messages, each counted once for every client that was shown it */ };

/* One that was shown. */
struct rj_shown {
    uint64_t pos, epoch; /* of its latest acceptance */
    uint64_t *clients;   /* handles */
    size_t n;
    const char *nsp, *room, *sid, *source, *id, *user; /* in `texts`; all but the user are the key */
    UT_hash_handle hh;
    size_t key_len;
    char texts[];
};

/* Zero-initialise. */
struct rj_optimistic {
    struct rj_shown *open; /* in the order in which they were shown */
    size_t n_shown;        /* clients, over all of them */
    uint64_t epoch;        /* of the present stream */
    uint64_t head;         /* the log's, when that epoch was first heard of */
    uint64_t settle_ms;    /* from when on ORPHANs have failed */
};

/* A fresh stream: in another epoch than before, all that is open becomes ORPHAN, to fail not before
 * `settle_ms` (monotonic). `head` as the Welcome says it. */
void rj_optimistic_begin(struct rj_optimistic *table, uint64_t epoch, uint64_t head, uint64_t settle_ms);

/* The message was accepted at `pos`. False: it is open already, and its latest acceptance is this one. True:
 * it is to be shown, to so many clients at most, and then added. */
bool rj_optimistic_accept(struct rj_optimistic *table, const Rejoin__Message *message, uint64_t pos,
                          size_t *most);

/* It was shown to these. Shown to nobody it is not remembered. */
void rj_optimistic_add(struct rj_optimistic *table, const Rejoin__Message *message, uint64_t pos,
                       const uint64_t *clients, size_t n);

/* It is logged: takes it out; NULL when it is not open. The caller frees it. */
struct rj_shown *rj_optimistic_logged(struct rj_optimistic *table, const Rejoin__Message *message);

/* Takes out one that has failed: an ORPHAN whose time is over, when everything up to `stream_pos` was worked
 * off. NULL: there is no further one. The caller frees it. */
struct rj_shown *rj_optimistic_failed(struct rj_optimistic *table, uint64_t stream_pos, uint64_t now_ms);

/* Drops what is logged up to `stream_pos`, but not told to this gateway: all that were shown it have left the
 * room. */
void rj_optimistic_sweep(struct rj_optimistic *table, uint64_t stream_pos);

void rj_shown_free(struct rj_shown *shown);

/* Forgets all: everybody who was shown something is gone. */
void rj_optimistic_clear(struct rj_optimistic *table);

#endif
