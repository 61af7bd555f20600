/* The processes under test: a broker and its gateways. Either started here, in a folder of their own, and
 * ended with all they left however the run ends; or running ones, which are only measured.
 */
#ifndef RJ_BENCH_PROCS_H
#define RJ_BENCH_PROCS_H

#include "tools/bench/load.h"

enum { PROCS_MAX = 34, PROCS_GATEWAYS_MAX = 32 };

struct proc {
    char name[48]; /* "broker", "gateway-1" */
    pid_t pid;
};

struct procs {
    struct proc list[PROCS_MAX];
    unsigned n;
    struct load_target targets[PROCS_GATEWAYS_MAX]; /* the gateways' listeners */
    unsigned n_targets;
    char backends[256]; /* the broker's endpoint for backends; empty: not known */
    char dir[128];      /* of our own processes; empty: none */
};

/* What is to be measured. */
struct procs_plan {
    unsigned gateways; /* to start */
    const char *dir;   /* where the data goes; NULL: TMPDIR or /tmp */
    /* Running ones, instead of our own: */
    const char *urls[PROCS_GATEWAYS_MAX]; /* HOST:PORT, perhaps with http:// in front */
    unsigned n_urls;
    pid_t pids[PROCS_MAX];
    unsigned n_pids;
    const char *backends; /* NULL: not known */
};

/* Starts or finds them. False, told on stderr, when one does not come up; end with procs_stop in any case. */
bool procs_start(struct procs *procs, const struct procs_plan *plan);

/* Ends what was started and removes its folder. False, told on stderr with the end of its log, when one had
 * ended before or did not end well. */
bool procs_stop(struct procs *procs);

/* Adds a child of ours that serves at a port of 127.0.0.1. */
void procs_adopt(struct procs *procs, const char *name, pid_t pid, uint16_t port);

/* Creates a fresh folder in `dir` (NULL: TMPDIR or /tmp); `out` is its path. False, told on stderr. */
bool procs_make_dir(const char *dir, char *out, size_t size);
void procs_remove_dir(const char *dir);

#endif
