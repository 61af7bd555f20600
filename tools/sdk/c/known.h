/* The sockets that a service's caller has been told of: a set of (namespace, id), each with the number of the
 * stream that told of it last. */
#ifndef RJ_SDK_KNOWN_H
#define RJ_SDK_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

struct rj_sdk_known_socket;

struct rj_sdk_known {
    struct rj_sdk_known_socket *all;
};

/* Puts the socket in, or its `stream` up to date. Whether it was there. */
bool rj_sdk_known_note(struct rj_sdk_known *known, const char *nsp, const char *sid, uint64_t stream);

/* Takes it out. Whether it was there. */
bool rj_sdk_known_drop(struct rj_sdk_known *known, const char *nsp, const char *sid);

/* Takes out all that no stream since `stream` has told of, with a call for each when it is out. */
void rj_sdk_known_drop_older(struct rj_sdk_known *known, uint64_t stream,
                             void (*on_dropped)(void *arg, const char *nsp, const char *sid), void *arg);

void rj_sdk_known_free(struct rj_sdk_known *known);

#endif
