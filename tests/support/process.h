/* Real processes under a test: started, watched until they are ready, killed, and never left over.
 *
 * A child gets SIGKILL when the test program dies, so a failed assertion leaves nothing behind. Nothing here
 * asserts: functions answer false and say why on stderr, so that programs without cmocka can use them too.
 */
#ifndef RJ_TEST_PROCESS_H
#define RJ_TEST_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { RJ_READY_MAX = 1024 };

struct rj_process {
    pid_t pid;                /* 0: not running */
    int out;                  /* the child's stdout */
    char ready[RJ_READY_MAX]; /* the line it printed when it was ready, without the newline */
};

/* The path of a program of this build, such as "rejoin-broker"; in `path`. REJOIN_BIN names another folder.
 */
const char *rj_process_program(const char *name, char *path, size_t size);

/* Starts argv[0] (a path, or found in PATH) with the test's environment plus `env` ("NAME=VALUE", NULL ends
 * it; may be NULL). Its stderr goes to the file `log` (appended), or to the test's own when that is NULL. */
bool rj_process_start(struct rj_process *process, const char *const argv[], const char *const env[],
                      const char *log);

/* Waits for the first line on its stdout, which goes to process->ready. False when it ends or the time is
 * over before. */
bool rj_process_wait_ready(struct rj_process *process, unsigned deadline_ms);

/* The value of `name` in the ready line ("… listen=127.0.0.1:4000 …"); false when it is not there. */
bool rj_process_ready_value(const struct rj_process *process, const char *name, char *value, size_t size);

bool rj_process_signal(const struct rj_process *process, int signal_number);

/* Waits for its end; *status as from waitpid (may be NULL). False when the time is over: it still runs. */
bool rj_process_wait_end(struct rj_process *process, unsigned deadline_ms, int *status);

/* Whether it has ended; it is still to be waited for. */
bool rj_process_has_ended(const struct rj_process *process);

/* SIGKILL, and waits for its end. Harmless when it does not run. */
void rj_process_kill(struct rj_process *process);

/* A fresh folder under $TMPDIR or /tmp; the name goes to `path`. */
bool rj_temp_dir(char *path, size_t size);

/* Removes a folder and all in it. Only one that rj_temp_dir has made. */
void rj_temp_dir_remove(const char *path);

/* A child's log on stderr, for who looks why a test has failed. */
void rj_test_show_file(const char *path);

uint64_t rj_test_now_ms(void);

/* Evaluates `condition` every few milliseconds until it holds or `deadline_ms` have passed; its value. */
#define rj_eventually(deadline_ms, condition)                                                                \
    ({                                                                                                       \
        uint64_t rj_end_ = rj_test_now_ms() + (deadline_ms);                                                 \
        bool rj_holds_;                                                                                      \
        while (!(rj_holds_ = (condition)) && rj_test_now_ms() < rj_end_)                                     \
            rj_test_pause();                                                                                 \
        rj_holds_;                                                                                           \
    })

void rj_test_pause(void); /* a few milliseconds; only for rj_eventually */

#endif
