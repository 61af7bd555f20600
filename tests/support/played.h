/* A peer that says to a librejoin handle exactly what the test wants, and hears what that says: a bare ROUTER
 * in the thread of the handle, which gets its turns while the test waits. Everything asserts.
 */
#ifndef RJ_TEST_PLAYED_H
#define RJ_TEST_PLAYED_H

#include <rejoin.h>

#include "proto/wire.h"
#include "tests/support/test.h"

enum { PATIENCE_MS = 20000, EPOCH = 40 };

struct played {
    void *context, *router;
    char folder[64], endpoint[96];
    uint8_t route[32]; /* of whom was heard last */
    size_t route_len;
    struct rj_arena arena;      /* what was heard last */
    const Rejoin__Batch *batch; /* and how far it was looked at by played_hear_kind */
    size_t looked_at;
    struct rejoin *handle;
    uint32_t lease_ms, max_frame_bytes; /* for the next Welcome; 0 = its default */
};

/* Binds, and opens a handle named "test". */
void played_open(struct played *peer);
void played_close(struct played *peer);

/* The next batch that the handle sends; valid until the next one is heard. */
const Rejoin__Batch *played_hear(struct played *peer);

/* The next item of that kind; heartbeats and others before it are passed over. */
const Rejoin__Item *played_hear_kind(struct played *peer, Rejoin__Item__KindCase kind);

/* The next command of that kind; everything before it is passed over. */
const Rejoin__Command *played_hear_command(struct played *peer, Rejoin__Command__KindCase kind);

void played_say_bytes(struct played *peer, const void *data, size_t len);
void played_say_numbered(struct played *peer, Rejoin__Item__KindCase kind, void *body, uint64_t number);
void played_say(struct played *peer, Rejoin__Item__KindCase kind, void *body);

/* A reply to command `id` with this result (NULL with the case NOT_SET: none). */
void played_reply(struct played *peer, uint64_t id, Rejoin__Reply__ResultCase result, void *body);
void played_refuse(struct played *peer, uint64_t id, const char *code);

/* An Error item, about a frame of the handle's. */
void played_say_error(struct played *peer, const char *code);

void played_welcome(struct played *peer);

/* Hears Hello and answers it. */
void played_greet(struct played *peer, char id[64]);

/* Ends the stream, and greets the next one. */
void played_break(struct played *peer);

/* Gives the handle turns until `*count` has reached `wanted`. */
void played_run_until(struct played *peer, const unsigned *count, unsigned wanted);

#endif
