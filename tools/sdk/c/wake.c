#include "wake.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum rejoin_status rj_sdk_wake_open(struct rj_sdk_wake *wake)
{
    wake->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (wake->epoll_fd < 0)
        goto no_epoll;
    wake->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (wake->timer_fd < 0)
        goto no_timer;
    if (rj_sdk_wake_add(wake, wake->timer_fd) != REJOIN_OK)
        goto no_set;
    wake->armed_ms = UINT64_MAX;
    return REJOIN_OK;

no_set:
    close(wake->timer_fd);
no_timer:
    close(wake->epoll_fd);
no_epoll:
    return REJOIN_IO;
}

void rj_sdk_wake_close(struct rj_sdk_wake *wake)
{
    close(wake->timer_fd);
    close(wake->epoll_fd);
}

enum rejoin_status rj_sdk_wake_add(struct rj_sdk_wake *wake, int fd)
{
    struct epoll_event interest = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(wake->epoll_fd, EPOLL_CTL_ADD, fd, &interest) == 0 ? REJOIN_OK : REJOIN_IO;
}

void rj_sdk_wake_remove(struct rj_sdk_wake *wake, int fd)
{
    epoll_ctl(wake->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* Setting the timer also takes back an expiry that nobody has read. */
static void set_timer(struct rj_sdk_wake *wake, uint64_t when_ms)
{
    struct itimerspec at = {.it_value.tv_sec = (time_t)(when_ms / 1000),
                            .it_value.tv_nsec =
                                (long)(when_ms % 1000) * 1000000 + 1}; /* all 0 would disarm */
    timerfd_settime(wake->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

void rj_sdk_wake_now(struct rj_sdk_wake *wake)
{
    if (wake->armed_ms == 0)
        return;
    wake->armed_ms = 0;
    set_timer(wake, 0);
}

void rj_sdk_wake_at(struct rj_sdk_wake *wake, uint64_t when_ms, uint64_t now_ms)
{
    /* Armed earlier than needed costs one idle turn, less than setting the timer anew in every turn. */
    if (wake->armed_ms > now_ms && wake->armed_ms <= when_ms)
        return;
    wake->armed_ms = when_ms;
    set_timer(wake, when_ms);
}
