/* The broker: owns everything, and shows the turn (rj_broker_turn).
 *
 * One thread, one loop. Handlers check a command against what has been accepted so far, change RAM and queue
 * a write; what they have to say leaves from the write's completion, in order. So an answer never overtakes
 * the commit that it speaks of, and answers and deliveries come in the log's order.
 */
#ifndef RJ_BROKER_H
#define RJ_BROKER_H

#include "broker/conf.h"
#include "broker/messages/history.h"
#include "broker/messages/replay.h"
#include "broker/peers/backends.h"
#include "broker/peers/gateways.h"
#include "broker/presence/attendance.h"
#include "broker/reads/read_cursors.h"
#include "broker/reads/read_receipts.h"
#include "broker/rooms/retention.h"
#include "broker/router.h"
#include "broker/serving/serving.h"
#include "broker/sessions/session_store.h"
#include "broker/sockets/directory.h"
#include "proto/base/heap.h"
#include "proto/base/log.h"

struct rj_broker {
    const struct rj_conf *conf;
    struct rj_retention retention; /* the store asks it */
    struct rj_store *store;
    struct rj_bus *bus;
    struct rj_stats stats;
    struct rj_peer *routes[RJ_BUS_SIDES]; /* peers by the route of their present connection */
    struct rj_gateways gateways;
    struct rj_backends backends;
    struct rj_sessions sessions;
    struct rj_rooms rooms;
    struct rj_directory directory;
    struct rj_serving serving;
    struct rj_contest *contests; /* by gateway and client */
    size_t contest_bytes;
    struct rj_attendance attendance;
    struct rj_round *rounds; /* commands over many sockets, the next one first */
    size_t n_rounds;
    unsigned replay_first;   /* the gateway whose replays come first, in turn */
    unsigned n_replays_read; /* replays for which the log is being read */
    struct rj_histories histories;
    struct rj_room_patterns optimistic_rooms;
    struct rj_read_cursors read_cursors;
    struct rj_read_receipts receipts;
    struct rj_session_sweep sweep;
    struct rj_reading reading[RJ_BUS_SIDES];
    struct rj_arena arena;      /* what the handlers of a frame build */
    struct rj_arena page_arena; /* one history page, or one replayed message */
    struct rj_heap heap;
    uint64_t epoch;
    uint64_t whole_since; /* the epoch before which sessions may lack their end: they are not restored */
    uint64_t delivered;   /* every record up to here has been handed to the live gateways' streams */
    uint64_t streams;     /* numbers given out */
    uint64_t now_ms;      /* monotonic, of this turn */
    uint64_t started_ms;
    uint64_t ticked_ms;
    bool has_listened; /* the sockets were read since the last tick */
    int signal_fd;
    bool is_stopping;
    uint64_t stop_by_ms;
    uint32_t stranger; /* last one that was told NeedHello, and when */
    uint64_t stranger_ms;
    struct rj_log_limit garbage_log, refused_log, session_log;
};

/* Opens the store, then binds. Errors were logged. */
enum rj_status rj_broker_open(const struct rj_conf *conf, struct rj_broker **out);

/* Until SIGTERM or SIGINT has been dealt with. A second signal ends the process at once. */
void rj_broker_run(struct rj_broker *broker);

/* One turn, which neither sleeps nor looks at signals. True: there is more to do at once. */
bool rj_broker_turn(struct rj_broker *broker);

void rj_broker_close(struct rj_broker **broker);

/* The peer of that stream, or NULL when the stream is over. */
struct rj_peer *rj_broker_peer(const struct rj_broker *broker, struct rj_peer_ref ref);

/* Finds, binds and forgets the peer of a connection. */
struct rj_peer *rj_broker_route(const struct rj_broker *broker, enum rj_bus_side side, uint32_t route);
void rj_broker_begin_stream(struct rj_broker *broker, struct rj_peer *peer, uint32_t route);
void rj_broker_forget_route(struct rj_broker *broker, struct rj_peer *peer);

struct rj_session_clock rj_broker_session_clock(const struct rj_broker *broker);

#endif
