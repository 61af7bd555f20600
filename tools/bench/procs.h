/* The processes under test: a broker and its gateways, started in a folder of their own and always ended; and
 * what they cost, read from the kernel.
 */
#ifndef RJ_BENCH_PROCS_H
#define RJ_BENCH_PROCS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROCS_MAX = 18 };

struct proc {
    char name[32]; /* "broker", "gateway" */
    pid_t pid;
};

struct procs {
    struct proc list[PROCS_MAX];
    unsigned n;
    uint16_t ports[PROCS_MAX]; /* of the gateways */
    unsigned n_ports;
    char dir[128];
    bool is_own; /* started here: ended here */
};

/* Starts a broker and `gateways` gateways from the folder of this program, and waits until they are ready.
 * False (told on stderr) when one does not come up; what has started is ended by procs_stop in any case. */
bool procs_start(struct procs *procs, unsigned gateways);
void procs_stop(struct procs *procs);

/* CPU time that a process has used, in microseconds; 0 when it is gone. */
uint64_t proc_cpu_us(pid_t pid);

/* A line of /proc/PID/status such as "VmRSS" or "RssAnon", in bytes. */
uint64_t proc_memory(pid_t pid, const char *field);

/* One figure of a gateway's /metrics; -1 when it is not there. */
double proc_metric(uint16_t port, const char *name);

#endif
