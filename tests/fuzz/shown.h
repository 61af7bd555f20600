/* What one connection was shown as pending (gateway/optimistic.h): nothing is confirmed to it or has failed
 * that it was not shown, and nothing twice.
 */
#ifndef RJ_FUZZ_SHOWN_H
#define RJ_FUZZ_SHOWN_H

#include <stdbool.h>

#include "proto/base/span.h"

enum { SHOWN_MAX = 64 };

/* Zero-initialise. */
struct fuzz_shown {
    struct {
        uint64_t nsp, message; /* hashes */
    } open[SHOWN_MAX];
    size_t n;
    bool is_blind; /* there were more than it can remember: it proves nothing any more */
};

/* An event of the gateway's, by its namespace and its packet's array. */
void fuzz_shown_event(struct fuzz_shown *shown, struct rj_span nsp, struct rj_span array);

/* A new client, in that namespace, who was shown nothing. */
void fuzz_shown_forget(struct fuzz_shown *shown, struct rj_span nsp);

#endif
