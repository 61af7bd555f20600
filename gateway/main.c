#include <stdlib.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "proto/base/clock.h"
#include "proto/base/fault.h"
#include "proto/base/heap.h"

int main(int argc, char **argv)
{
    struct rj_gateway_conf conf = {0};
    rj_heap_setup();
    rj_fault_setup(getenv("REJOIN_FAULT"));
    rj_clock_setup(getenv("REJOIN_CLOCK"));
    switch (rj_gateway_conf_load(argc, argv, environ, &conf)) {
    case RJ_SETTINGS_EXIT: return 0;
    case RJ_SETTINGS_WRONG: return 2;
    case RJ_SETTINGS_RUN: break;
    }
    rj_log_setup((enum rj_log_level)conf.log_level, (enum rj_log_format)conf.log_format, "rejoin-gateway");
    enum rj_status status = rj_gateway_run(&conf);
    rj_gateway_conf_free(&conf);
    return status ? 1 : 0;
}
