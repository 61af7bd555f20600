/* Where the body of an HTTP request ends, by its length or in chunks (RFC 9112 §6, §7.1): bytes in, those of
 * the content out. Strict, as head.h. Pure: it keeps no bytes.
 */
#ifndef RJ_BODY_H
#define RJ_BODY_H

#include "proto/base/span.h"

enum rj_body_kind {
    RJ_BODY_MORE, /* all bytes are used, and the body has not ended */
    RJ_BODY_DATA, /* some of the content */
    RJ_BODY_END,  /* what follows belongs to the next request */
    RJ_BODY_BAD,  /* chunks that are none; nobody knows where it ends */
};

/* Opaque; start it for each body. */
struct rj_body {
    int state;
    uint64_t left;      /* of the body or the chunk; of the size, what was read of it */
    unsigned digits;    /* of the size */
    unsigned trappings; /* bytes of extensions and trailers so far */
};

/* Chunk extensions and trailers say nothing to us, and are passed over up to so many bytes a body. */
enum { RJ_BODY_MAX_TRAPPINGS = 4096 };

void rj_body_start(struct rj_body *body, bool is_chunked, uint64_t length);

/* Takes the next piece off the front of `bytes`. Call it until it answers RJ_BODY_MORE or RJ_BODY_END; after
 * RJ_BODY_BAD not again. `data` borrows from `bytes`. */
enum rj_body_kind rj_body_next(struct rj_body *body, struct rj_span *bytes, struct rj_span *data);

/* How much may be taken out of the socket, up to `most`; 0: nothing is to come. */
size_t rj_body_wants(const struct rj_body *body, size_t most);

/* Whether not all of that may belong to the body, so that one has to look first. */
bool rj_body_may_end_early(const struct rj_body *body);

#endif
