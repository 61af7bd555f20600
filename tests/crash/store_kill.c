/* kill -9 of a process that writes to the store, at each fault point of the storage list and at random
 * moments.
 *
 * One folder lives through all cycles. In each, a child opens the store, appends and tells over a pipe what
 * has been acknowledged, until it is killed (or a failing disk is played to it). Then another child opens the
 * store and checks everything against what was acknowledged in all cycles so far; half of the time it leaves
 * without closing, so that the next one starts from what two crashes left. Now and then the folder is
 * emptied, so that a store is killed while it is made, too.
 *
 *     store_kill [TEST] [--cycles N]        REJOIN_SEED repeats a run
 */
#include "tests/unit/test_store_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "proto/base/fault.h"
#include "proto/base/random.h"
#include "tests/crash/store_checker.h"
#include "tests/crash/store_writer.h"

enum {
    ACKS_MOST = 2000,      /* of a life that is killed at a random moment */
    ACKS_OF_FAULT = 10000, /* of one that a fault point should have ended before */
    CYCLE_DEADLINE_MS = 30000,
    CYCLES = 100,     /* a test; there are two of them */
    FOLDER_LIFE = 60, /* cycles, about */
    MORE = 4,         /* times as many at most, until each fault point has ended one */
    POINTS_MOST = 16,
};

static unsigned cycles = CYCLES; /* set by main alone */

/* ------------------------------------------------------------------------------------------ the writer */

static bool send_acks(void *ctx, const struct ack *acks, size_t n)
{
    const uint8_t *bytes = (const uint8_t *)acks;
    for (size_t at = 0, len = n * sizeof *acks; at < len;) {
        ssize_t sent = write(*(int *)ctx, bytes + at, len - at);
        if (sent < 0 && errno != EINTR)
            _exit(3);
        at += sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

/* What a life needs so that it surely comes past a point. */
enum need { NOTHING, LIMITS, RETENTION };

struct point {
    const char *name, *action;
    unsigned passages; /* that a life surely has */
    enum need need;
};

/* What a writer does, and what is done to it. */
struct life {
    uint64_t seed;
    bool has_limits, has_retention;
    char fault[64];
};

_Noreturn static void write_until_killed(const struct fixture *f, const struct life *life, uint64_t counter,
                                         int pipe)
{
    struct rj_store *store;
    const struct writing writing = {
        .path = f->path,
        .map_bytes = (uint64_t)1 << (20 + life->seed % 11),
        .random = life->seed,
        .counter = counter,
        .in_flight = 300,
        .has_limits = life->has_limits,
        .has_retention = life->has_retention,
        .tell = send_acks,
        .ctx = &pipe,
    };
    if (life->fault[0])
        rj_fault_setup(life->fault);
    if (write_until_told(&writing, &store))
        _exit(3);
    _exit(4); /* it has no end */
}

/* Reads whole acks until the writer is gone; kills it after `limit` of them, and answers whether it did. */
static bool follow_writer(pid_t writer, int pipe, struct journal *journal, size_t limit)
{
    uint64_t deadline_ms = rj_clock_mono_ms() + CYCLE_DEADLINE_MS;
    uint8_t bytes[sizeof(struct ack) * 64];
    size_t have = 0, told = 0;
    for (;;) {
        struct pollfd event = {.fd = pipe, .events = POLLIN};
        if (rj_clock_mono_ms() > deadline_ms)
            fail_msg("the writer makes no progress");
        if (poll(&event, 1, 100) == 0)
            continue;
        ssize_t n = read(pipe, bytes + have, sizeof bytes - have);
        if (n <= 0)
            return told >= limit;
        have += (size_t)n;
        size_t used = 0;
        for (; have - used >= sizeof(struct ack); used += sizeof(struct ack), told++) {
            struct ack ack;
            memcpy(&ack, bytes + used, sizeof ack);
            journal_add(journal, &ack);
        }
        have -= used;
        memmove(bytes, bytes + used, have);
        if (told >= limit)
            kill(writer, SIGKILL);
    }
}

/* Answers whether the fault has ended it. */
static bool one_writer(struct fixture *f, struct journal *journal, const struct life *life, uint64_t *random)
{
    int pipes[2], status;
    size_t limit = life->fault[0] ? ACKS_OF_FAULT : next_random(random) % ACKS_MOST;
    assert_int_equal(pipe(pipes), 0);
    pid_t writer = fork();
    if (writer == 0) {
        close(pipes[0]);
        write_until_killed(f, life, journal->counter, pipes[1]);
    }
    close(pipes[1]);
    bool was_killed_here = follow_writer(writer, pipes[0], journal, limit);
    close(pipes[0]);
    assert_int_equal(waitpid(writer, &status, 0), writer);
    bool was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    bool has_failed = WIFEXITED(status) && WEXITSTATUS(status) == RJ_STORE_FAILED_EXIT;
    if (!was_killed && !(has_failed && strstr(life->fault, "fail")))
        fail_msg("the writer ended with status %x under %s", (unsigned)status, life->fault);
    return !was_killed_here;
}

/* ------------------------------------------------------------------------------------------ the cycles */

static void one_checker(struct fixture *f, struct journal *journal, const char *fault, bool closes)
{
    int pipes[2], status;
    assert_int_equal(pipe(pipes), 0);
    pid_t checker = fork();
    if (checker == 0)
        check_store(f->path, journal, closes, pipes[1]);
    close(pipes[1]);
    uint64_t epoch = 0;
    ssize_t n = read(pipes[0], &epoch, sizeof epoch);
    close(pipes[0]);
    assert_int_equal(waitpid(checker, &status, 0), checker);
    if (status || n != sizeof epoch)
        fail_msg("the store is wrong after %s (status %x)", fault[0] ? fault : "a kill", (unsigned)status);
    journal->epoch = epoch;
}

static struct life choose_life(const struct point *point, uint64_t *random)
{
    struct life life = {.seed = next_random(random) | 1};
    life.has_retention = point->need == RETENTION;
    life.has_limits = point->need == LIMITS || (next_random(random) % 2 && !life.has_retention);
    if (point->name)
        snprintf(life.fault, sizeof life.fault, "%s:%u=%s", point->name,
                 (unsigned)(next_random(random) % point->passages), point->action);
    return life;
}

static void run_cycles(struct fixture *f, const struct point *points, size_t n_points)
{
    struct journal journal = {0};
    const char *given = getenv("REJOIN_SEED");
    uint64_t random = given ? strtoull(given, NULL, 10) : rj_random_u64() | 1, records = 0;
    unsigned hits[POINTS_MOST] = {0};
    print_message("seed %llu\n", (unsigned long long)random);
    for (unsigned cycle = 0; cycle < MORE * cycles; cycle++) {
        /* A life does not pass every point for sure: for those that none has passed some more begin. */
        if (cycle >= cycles && (hits[cycle % n_points] || !points[cycle % n_points].name))
            continue;
        struct life life = choose_life(&points[cycle % n_points], &random);
        if (next_random(&random) % FOLDER_LIFE == 0 || strstr(life.fault, "create")) {
            records += journal.n;
            journal_free(&journal);
            remove_folder(f->path);
        }
        hits[cycle % n_points] += one_writer(f, &journal, &life, &random);
        one_checker(f, &journal, life.fault, next_random(&random) % 2);
    }
    records += journal.n;
    print_message("%u cycles, %llu records acknowledged\n", cycles, (unsigned long long)records);
    for (size_t i = 0; i < n_points; i++) {
        if (points[i].name)
            print_message("%u lives ended by %s\n", hits[i], points[i].name);
        if (points[i].name && cycles >= CYCLES && hits[i] == 0)
            fail_msg("%s was never reached", points[i].name);
    }
    assert_true(records > 0);
    journal_free(&journal);
}

static void nothing_acknowledged_is_lost_by_kills_at_random_moments(void **state)
{
    const struct point nowhere = {.passages = 1};
    run_cycles(*state, &nowhere, 1);
}

static void nothing_acknowledged_is_lost_by_kills_at_fault_points(void **state)
{
    const struct point points[] = {
        {"store.begin.fail", "fail", 8, NOTHING},    {"store.commit.after", "kill", 8, NOTHING},
        {"store.commit.before", "kill", 8, NOTHING}, {"store.commit.fail", "fail", 8, NOTHING},
        {"store.create.mid", "kill", 1, NOTHING},    {"store.epoch.after", "kill", 1, NOTHING},
        {"store.put.fail", "fail", 400, NOTHING},    {"store.purge.mid", "kill", 20, RETENTION},
        {"store.forget.mid", "kill", 20, LIMITS},    {"store.sweep.mid", "kill", 60, LIMITS},
        {"store.sweep.wrap", "kill", 1, LIMITS},     {"store.trim.mid", "kill", 20, LIMITS},
    };
    run_cycles(*state, points, sizeof points / sizeof points[0]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(nothing_acknowledged_is_lost_by_kills_at_random_moments, set_up,
                                    tear_down),
    cmocka_unit_test_setup_teardown(nothing_acknowledged_is_lost_by_kills_at_fault_points, set_up, tear_down),
};

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--cycles") == 0 && i + 1 < argc)
            cycles = (unsigned)strtoul(argv[++i], NULL, 10);
        else
            cmocka_set_test_filter(argv[i]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
