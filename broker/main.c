#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/broker.h"
#include "proto/base/clock.h"
#include "proto/base/fault.h"
#include "proto/base/heap.h"

extern char **environ;

static void say_ready(const struct rj_broker *broker)
{
    printf("rejoin-broker ready gateways=%s backends=%s epoch=%" PRIu64 "\n",
           rj_bus_endpoint(broker->bus, RJ_BUS_GATEWAYS), rj_bus_endpoint(broker->bus, RJ_BUS_BACKENDS),
           broker->epoch);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct rj_conf conf = {0};
    struct rj_broker *broker;
    int exit_code;
    rj_heap_setup();
    if (rj_conf_load(&conf, argc, argv, environ, &exit_code) != RJ_SETTINGS_RUN)
        return exit_code;
    rj_log_setup((enum rj_log_level)conf.log_level, (enum rj_log_format)conf.log_format, "rejoin-broker");
    rj_fault_setup(getenv("REJOIN_FAULT"));
    rj_clock_setup(getenv("REJOIN_CLOCK"));
    if (rj_broker_open(&conf, &broker) != RJ_OK) {
        rj_conf_free(&conf);
        return EXIT_FAILURE;
    }
    say_ready(broker);
    rj_broker_run(broker);
    rj_broker_close(&broker);
    rj_log(RJ_LOG_INFO, "stopped");
    rj_conf_free(&conf);
    return EXIT_SUCCESS;
}
