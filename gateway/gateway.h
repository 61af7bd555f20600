/* The gateway: one process, one loop. It owns everything here and shows the turn in gateway.c; its parts
 * reach each other through it.
 */
#ifndef RJ_GATEWAY_H
#define RJ_GATEWAY_H

#include <uv.h>

#include "gateway/asks.h"
#include "gateway/clients.h"
#include "gateway/conf.h"
#include "gateway/drain.h"
#include "gateway/mirror.h"
#include "gateway/optimistic.h"
#include "gateway/pending.h"
#include "gateway/stats.h"
#include "proto/base/arena.h"
#include "proto/base/heap.h"
#include "proto/base/log.h"

struct rj_link;
struct rj_socketio;

struct rj_gateway {
    const struct rj_gateway_conf *conf;
    uv_loop_t *loop;
    struct rj_gateway_stats stats;
    struct rj_arena arena; /* emptied when the turn ends */
    struct rj_buf scratch; /* for one ack or envelope */

    struct rj_link *link;
    struct rj_socketio *socketio;
    struct rj_clients clients;
    struct rj_cohorts cohorts;
    struct rj_mirror mirror;
    struct rj_asks asks;
    struct rj_pending pending;
    struct rj_optimistic optimistic;
    uint64_t fanouts; /* counts, so that a client that stands in two targets is met once */
    struct rj_log_limit refused_log, ended_log;

    uv_prepare_t prepare;
    uv_idle_t again; /* active: the loop does not sleep before the next turn */
    uv_timer_t timer;
    uv_poll_t *broker; /* wakes the loop for the link; another one with each of its sockets */
    uv_signal_t sigterm, sigint;
    unsigned handles;    /* of ours that are not closed yet */
    uint64_t cursors_ms; /* when the broker was last told what clients have */
    struct rj_drain drain;
    struct rj_heap heap;
};

/* Runs a gateway until a signal ends it. RJ_OK after a clean end; errors are logged. */
enum rj_status rj_gateway_run(const struct rj_gateway_conf *conf);

/* Makes the loop take another turn at once. For whoever has queued something outside the loop's own events.
 */
void rj_gateway_dirty(struct rj_gateway *gateway);

/* Whether clients can be served: linked to the broker and not draining. For /readyz. */
bool rj_gateway_is_ready(const struct rj_gateway *gateway);

/* The link has a new socket: `fd` wakes the loop from now on; -1: none. */
void rj_gateway_watch_broker(struct rj_gateway *gateway, int fd);

/* Appends all figures in Prometheus' text format. For /metrics; the front end adds its own. */
void rj_gateway_metrics(const struct rj_gateway *gateway, struct rj_buf *out);

#endif
