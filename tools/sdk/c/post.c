#include "post.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

#include "handle.h"
#include "proto/base/mem.h"

struct rj_sdk_posted {
    struct rj_sdk_posted *prev, *next;
    void (*function)(struct rejoin *handle, void *arg);
    void *arg;
};

enum rejoin_status rj_sdk_posts_open(struct rj_sdk_posts *posts, struct rj_sdk_wake *wake)
{
    posts->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (posts->event_fd < 0)
        return REJOIN_IO;
    if (rj_sdk_wake_add(wake, posts->event_fd) != REJOIN_OK) {
        close(posts->event_fd);
        return REJOIN_IO;
    }
    pthread_mutex_init(&posts->lock, NULL);
    return REJOIN_OK;
}

void rj_sdk_posts_close(struct rj_sdk_posts *posts)
{
    pthread_mutex_destroy(&posts->lock);
    close(posts->event_fd);
}

void rejoin_post(struct rejoin *handle, void (*function)(struct rejoin *handle, void *arg), void *arg)
{
    struct rj_sdk_posts *posts = &handle->posts;
    struct rj_sdk_posted *posted = rj_alloc(sizeof *posted);
    *posted = (struct rj_sdk_posted){.function = function, .arg = arg};
    pthread_mutex_lock(&posts->lock);
    bool was_empty = !posts->waiting;
    DL_APPEND(posts->waiting, posted);
    if (was_empty) /* an eventfd that counts to 1 never blocks nor fails */
        eventfd_write(posts->event_fd, 1);
    pthread_mutex_unlock(&posts->lock);
}

/* Takes the whole list; the descriptor is not readable any more. */
static struct rj_sdk_posted *take(struct rj_sdk_posts *posts)
{
    eventfd_t count;
    pthread_mutex_lock(&posts->lock);
    struct rj_sdk_posted *list = posts->waiting;
    posts->waiting = NULL;
    if (list)
        eventfd_read(posts->event_fd, &count);
    pthread_mutex_unlock(&posts->lock);
    return list;
}

bool rj_sdk_posts_run(struct rejoin *handle)
{
    struct rj_sdk_posted *list = take(&handle->posts), *posted, *following;
    DL_FOREACH_SAFE (list, posted, following) {
        posted->function(handle, posted->arg);
        free(posted);
    }
    return list != NULL;
}
