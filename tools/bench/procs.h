/* The processes under test: a broker and its gateways. Either started here, in a folder of their own, and
 * ended with all they left however the run ends; or running ones, which are only measured.
 */
#ifndef RJ_BENCH_PROCS_H
#define RJ_BENCH_PROCS_H

#include "tools/bench/load.h"

enum { PROCS_MAX = 34, PROCS_GATEWAYS_MAX = 32, PROCS_FLAGS_MAX = 8 };

struct proc {
    char name[48]; /* "broker", "gateway-1" */
    pid_t pid;
};

struct procs {
    struct proc list[PROCS_MAX];
    unsigned n;
    struct load_target targets[PROCS_GATEWAYS_MAX]; /* the gateways' listeners */
    unsigned n_targets;
    char backends[256];            /* the broker's endpoint for backends; empty: not known */
    char dir[128];                 /* of our own processes; empty: none */
    const struct procs_plan *plan; /* of our own ones; borrowed */
};

/* What is to be measured. */
struct procs_plan {
    unsigned gateways;  /* to start */
    const char *broker; /* the program beside ours that is the broker; NULL: rejoin-broker */
    const char *broker_flag, *broker_value;         /* one more setting of it; NULL: none */
    const char *gateway_flags[PROCS_FLAGS_MAX + 1]; /* more settings of them; NULL ends them */
    const char *dir;                                /* where the data goes; NULL: TMPDIR or /tmp */
    /* Running ones, instead of our own: */
    const char *urls[PROCS_GATEWAYS_MAX]; /* HOST:PORT, perhaps with http:// in front */
    unsigned n_urls;
    pid_t pids[PROCS_MAX];
    unsigned n_pids;
    const char *backends; /* NULL: not known */
};

/* Starts or finds them; the plan must outlive them. False, told on stderr, when one does not come up; end
 * with procs_stop in any case. */
bool procs_start(struct procs *procs, const struct procs_plan *plan);

/* Where the broker that was started has its data. */
void procs_data_dir(const struct procs *procs, char *out, size_t size);

/* Ends the broker that was started, as procs_stop does, and starts another one on the same data. The
 * gateways, which live on meanwhile, find it. Between the two `meanwhile` is called, unless it is NULL.
 * False, told on stderr, when one of the three fails. */
bool procs_restart_broker(struct procs *procs, bool (*meanwhile)(void *ctx), void *ctx);

/* For our own ones, by their place in the list: the broker is 0, gateway i is 1 + i.
 *
 * `_signal` does not wait; `_has_ended` tells whether the process is gone, and then how it ended. `_revive`
 * starts one that is gone, on the same data or listening where it did before. False, told on stderr. */
void procs_signal(const struct procs *procs, unsigned index, int number);
bool procs_has_ended(struct procs *procs, unsigned index, int *wait_status);
bool procs_revive(struct procs *procs, unsigned index);

/* Whether all that were started still run. */
bool procs_are_alive(const struct procs *procs);

/* Ends what was started and removes its folder. False, told on stderr with the end of its log, when one had
 * ended before or did not end well. */
bool procs_stop(struct procs *procs);

/* Adds a child of ours that serves at a port of 127.0.0.1. */
void procs_adopt(struct procs *procs, const char *name, pid_t pid, uint16_t port);

/* Creates a fresh folder in `dir` (NULL: TMPDIR or /tmp); `out` is its path. False, told on stderr. */
bool procs_make_dir(const char *dir, char *out, size_t size);
void procs_remove_dir(const char *dir);

/* The bytes of the regular files in a folder. */
uint64_t procs_bytes_in(const char *dir);

#endif
