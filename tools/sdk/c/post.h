/* What other threads have posted: the only part of a handle that they touch. */
#ifndef RJ_SDK_POST_H
#define RJ_SDK_POST_H

#include <pthread.h>

#include "rejoin.h"
#include "wake.h"

struct rj_sdk_posted;

struct rj_sdk_posts {
    pthread_mutex_t lock;          /* guards the list, and writes to event_fd */
    struct rj_sdk_posted *waiting; /* in the order of posting */
    int event_fd;                  /* readable while something waits */
};

enum rejoin_status rj_sdk_posts_open(struct rj_sdk_posts *posts, struct rj_sdk_wake *wake);
void rj_sdk_posts_close(struct rj_sdk_posts *posts);

/* Runs what waits now; what is posted meanwhile waits for the next turn. False: nothing did. */
bool rj_sdk_posts_run(struct rejoin *handle);

#endif
