/* One descriptor that stays the same while sockets come and go: an epoll set that holds the current socket's
 * ZMQ_FD and a timer. Level-triggered outside, whatever the edges inside.
 */
#ifndef RJ_SDK_WAKE_H
#define RJ_SDK_WAKE_H

#include <stdint.h>

#include "rejoin.h"

struct rj_sdk_wake {
    int epoll_fd;
    int timer_fd;
    uint64_t armed_ms; /* monotonic time the timer is set to; 0: at once */
};

enum rejoin_status rj_sdk_wake_open(struct rj_sdk_wake *wake);
void rj_sdk_wake_close(struct rj_sdk_wake *wake);

/* Adds or removes a socket's ZMQ_FD. Remove it before the socket is closed. */
enum rejoin_status rj_sdk_wake_add(struct rj_sdk_wake *wake, int fd);
void rj_sdk_wake_remove(struct rj_sdk_wake *wake, int fd);

/* Makes the descriptor readable at once, until the next rj_sdk_wake_at. Cheap when it is already. */
void rj_sdk_wake_now(struct rj_sdk_wake *wake);

/* Makes it readable at `when_ms` of the monotonic clock at the latest; `now_ms` is the time now. */
void rj_sdk_wake_at(struct rj_sdk_wake *wake, uint64_t when_ms, uint64_t now_ms);

#endif
