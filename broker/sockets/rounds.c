#include "broker/sockets/rounds.h"

#include <utlist.h>

#include "proto/base/clock.h"

enum {
    IN_FLIGHT_MAX = 4000, /* writes that may wait for the disk when a round goes on: whoever publishes
                             meanwhile waits for no more of them */
    FIRST_US = 5000,      /* inside the handler */
    TURN_US = 2000, /* of all rounds together; everybody's latency grows by so much while there are any */
    SHARE_US = 500, /* of one round, before the next one has its turn */
};

static bool is_wanted(const struct rj_broker *broker, const struct rj_round *round)
{
    return rj_broker_peer(broker, round->to.peer) != NULL;
}

static bool may_step(const struct rj_broker *broker)
{
    return !broker->is_stopping && rj_store_in_flight(broker->store) <= IN_FLIGHT_MAX;
}

enum rj_status rj_round_begin(struct rj_broker *broker, struct rj_round *round)
{
    if (broker->n_rounds == RJ_ROUNDS_MAX) {
        round->free(broker, round);
        return RJ_BUSY;
    }
    if (round->step(broker, round, rj_clock_mono_us() + FIRST_US)) {
        round->free(broker, round);
        return RJ_OK;
    }
    DL_APPEND(broker->rounds, round);
    broker->n_rounds++;
    return RJ_OK;
}

static void end(struct rj_broker *broker, struct rj_round *round)
{
    DL_DELETE(broker->rounds, round);
    broker->n_rounds--;
    round->free(broker, round);
}

/* The first one's share; then it stands at the end of the line, or is over. */
static void step(struct rj_broker *broker, uint64_t end_us)
{
    struct rj_round *round = broker->rounds;
    uint64_t share_us = rj_clock_mono_us() + SHARE_US;
    if (!is_wanted(broker, round) || round->step(broker, round, share_us < end_us ? share_us : end_us)) {
        end(broker, round);
        return;
    }
    DL_DELETE(broker->rounds, round);
    DL_APPEND(broker->rounds, round);
}

bool rj_rounds_step(struct rj_broker *broker)
{
    if (!broker->rounds)
        return false;
    uint64_t end_us = rj_clock_mono_us() + TURN_US;
    while (broker->rounds && may_step(broker) && rj_clock_mono_us() < end_us)
        step(broker, end_us);
    return broker->rounds && may_step(broker);
}

void rj_rounds_fini(struct rj_broker *broker)
{
    while (broker->rounds)
        end(broker, broker->rounds);
}
