/* Disks and machines that fail under a store: each call that it makes fails once, in turn. Either the opening
 * says so, or the process ends with RJ_STORE_FAILED_EXIT and one line; afterwards, on a sound disk, nothing
 * is missing that was acknowledged. */
#include "tests/unit/test_store_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "proto/base/fault.h"
#include "storage/create.h"
#include "tests/crash/power_disk.h"
#include "tests/crash/store_checker.h"
#include "tests/crash/store_writer.h"

enum {
    ACKS = 20000,
    TURNS = 12,      /* of one life */
    TELLS = 16384,   /* bytes of what a life says on stderr */
    EXIT_OPEN = 100, /* and the status of rj_store_open */
    EACH = 12,       /* calls that are made to fail one by one; behind them every STEP-th */
    STEP = 15,
    LIFE_SECONDS = 60,
};

/* What a life does, and what it leaves in memory that its parent shares. */
struct life {
    const char *path;
    uint64_t map_bytes, seed;
    unsigned turns;
    void (*prepare)(const void *how); /* in the child, before anything else */
    const void *how;
};

struct shared {
    bool was_played;
    size_t n_acks;
    struct ack acks[ACKS];
};

struct bench {
    struct fixture *f;
    struct shared *shared;
    struct journal journal;
    char told[TELLS]; /* by the last life on stderr */
    uint64_t seed;
};

static struct bench new_bench(struct fixture *f)
{
    struct bench bench = {.f = f, .seed = 0x5eed1};
    bench.shared =
        mmap(NULL, sizeof *bench.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(bench.shared != MAP_FAILED);
    return bench;
}

static void free_bench(struct bench *bench)
{
    journal_free(&bench->journal);
    munmap(bench->shared, sizeof *bench->shared);
}

/* ------------------------------------------------------------------------------------------ lives */

struct telling {
    struct shared *shared;
    unsigned turns;
};

static bool share_acks(void *ctx, const struct ack *acks, size_t n)
{
    struct telling *telling = ctx;
    struct shared *shared = telling->shared;
    for (size_t i = 0; i < n && shared->n_acks < ACKS; i++)
        shared->acks[shared->n_acks++] = acks[i];
    return telling->turns-- > 0;
}

static void forget_handlers(void)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        signal(fatal[i], SIG_DFL);
}

_Noreturn static void run_life(const struct life *life, const struct bench *bench)
{
    struct telling telling = {bench->shared, life->turns};
    struct rj_store *store;
    const struct writing writing = {
        .path = life->path,
        .map_bytes = life->map_bytes,
        .random = life->seed,
        .counter = bench->journal.counter,
        .in_flight = 60,
        .has_limits = life->seed % 2,
        .tell = share_acks,
        .ctx = &telling,
    };
    forget_handlers();
    alarm(LIFE_SECONDS);
    life->prepare(life->how);
    enum rj_status status = write_until_told(&writing, &store);
    if (status)
        _exit(EXIT_OPEN + (int)status);
    rj_store_close(&store);
    bench->shared->was_played = disk_has_failed();
    _exit(0);
}

/* Answers the exit status; fails the test when a signal ended it. */
static int one_life(struct bench *bench, const struct life *life)
{
    int pipes[2], status;
    size_t len = 0;
    ssize_t n;
    *bench->shared = (struct shared){0};
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(pipes[1], STDERR_FILENO);
        run_life(life, bench);
    }
    close(pipes[1]);
    while ((n = read(pipes[0], bench->told + len, sizeof bench->told - 1 - len)) > 0)
        len += (size_t)n;
    close(pipes[0]);
    bench->told[len] = '\0';
    assert_int_equal(waitpid(child, &status, 0), child);
    for (size_t i = 0; i < bench->shared->n_acks; i++)
        journal_add(&bench->journal, &bench->shared->acks[i]);
    if (!WIFEXITED(status))
        fail_msg("signal %d ended the life: %s", WTERMSIG(status), bench->told);
    return WEXITSTATUS(status);
}

static void check_rest(struct bench *bench)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        forget_handlers();
        check_store(bench->f->path, &bench->journal, true, -1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static unsigned count_lines(const char *text, const char *with)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, with)); at += strlen(with))
        n++;
    return n;
}

/* A life that did not end well has said why, once. */
static void expect_clear_end(const struct bench *bench, int status)
{
    if (status == RJ_STORE_FAILED_EXIT) {
        if (count_lines(bench->told, "event=store_failed") != 1 || !strstr(bench->told, "error="))
            fail_msg("expected one line, found: %s", bench->told);
        return;
    }
    if (status != EXIT_OPEN + RJ_IO && status != EXIT_OPEN + RJ_FULL)
        fail_msg("exit status %d: %s", status, bench->told);
    if (strlen(bench->told) < strlen("writer: \n") + 10)
        fail_msg("the opening failed without a reason: %s", bench->told);
}

/* ------------------------------------------------------------------------------------------ failing calls */

struct failing {
    char path[256];
    enum disk_call call;
    unsigned skip;
    int error;
};

static void fail_call(const void *how)
{
    const struct failing *failing = how;
    disk_watch(failing->path, 0);
    disk_fail(failing->call, failing->skip, failing->error, false);
}

/* One life after the other, each with a later call failing, until one has no more such calls. With
 * `is_newborn` each begins with no store, else it goes on with what the last one left. */
static void fail_each(struct fixture *f, enum disk_call call, int error, bool is_newborn)
{
    struct bench bench = new_bench(f);
    struct failing failing = {.call = call, .error = error};
    strcpy(failing.path, f->path);
    unsigned ends = 0;
    for (;; failing.skip += failing.skip < EACH ? 1 : STEP) {
        struct life life = {f->path, (uint64_t)1 << 20, bench.seed + failing.skip,
                            TURNS,   fail_call,         &failing};
        if (is_newborn) {
            remove_folder(f->path);
            journal_free(&bench.journal);
            life.turns = 1;
        }
        int status = one_life(&bench, &life);
        bool is_over = status == 0 && !bench.shared->was_played;
        if (status)
            expect_clear_end(&bench, status);
        ends += status != 0;
        check_rest(&bench);
        if (is_over)
            break;
    }
    if (ends == 0)
        fail_msg("no such call was ever made");
    free_bench(&bench);
}

static void a_failing_write_ends_the_process_and_loses_nothing(void **state)
{
    fail_each(*state, DISK_CALL_WRITE, EIO, true);
    fail_each(*state, DISK_CALL_WRITE, EIO, false);
}

static void a_short_write_ends_the_process_and_loses_nothing(void **state)
{
    fail_each(*state, DISK_CALL_WRITE, DISK_SHORT, true);
    fail_each(*state, DISK_CALL_WRITE, DISK_SHORT, false);
}

static void a_failing_sync_ends_the_process_and_loses_nothing(void **state)
{
    fail_each(*state, DISK_CALL_SYNC, EIO, true);
    fail_each(*state, DISK_CALL_SYNC, EIO, false);
}

static void a_map_without_memory_is_an_error_and_loses_nothing(void **state)
{
    fail_each(*state, DISK_CALL_MAP, ENOMEM, true);
    fail_each(*state, DISK_CALL_MAP, ENOMEM, false);
}

static void a_file_that_cannot_be_opened_is_an_error(void **state)
{
    fail_each(*state, DISK_CALL_OPEN, EMFILE, true);
    fail_each(*state, DISK_CALL_OPEN, EMFILE, false);
}

static void a_birth_that_fails_is_repeated(void **state)
{
    fail_each(*state, DISK_CALL_RENAME, EIO, true);
    fail_each(*state, DISK_CALL_FOLDER_SYNC, EIO, true);
}

/* ------------------------------------------------------------------------------------------ full disks */

struct limit {
    char path[256];
    uint64_t bytes;
};

static void limit_disk(const void *how)
{
    const struct limit *limit = how;
    disk_watch(limit->path, 0);
    disk_limit(limit->bytes);
}

static void limit_file(const void *how)
{
    const struct limit *limit = how;
    struct rlimit most = {limit->bytes, limit->bytes};
    setrlimit(RLIMIT_FSIZE, &most);
}

static uint64_t file_bytes(const struct fixture *f)
{
    char path[400];
    struct stat info;
    snprintf(path, sizeof path, "%s/" RJ_DATA_FILE, f->path);
    return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

/* The disk fills up again and again, each time with a few more pages left. */
static void fill_up(struct fixture *f, void (*prepare)(const void *), const char *error)
{
    struct bench bench = new_bench(f);
    struct limit limit;
    unsigned ends = 0;
    strcpy(limit.path, f->path);
    for (unsigned i = 0; i < 12; i++) {
        limit.bytes = file_bytes(f) + i * 5000;
        struct life life = {f->path, (uint64_t)1 << 20, bench.seed + i, 400, prepare, &limit};
        int status = one_life(&bench, &life);
        if (status) /* with a short retention a life may never need more */
            expect_clear_end(&bench, status);
        ends += strstr(bench.told, error) != NULL;
        check_rest(&bench);
    }
    assert_true(ends > 0);
    free_bench(&bench);
}

static void a_full_disk_ends_the_process_says_so_and_loses_nothing(void **state)
{
    fill_up(*state, limit_disk, strerror(ENOSPC));
}

static void a_limit_of_the_file_size_ends_the_process_and_loses_nothing(void **state)
{
    fill_up(*state, limit_file, strerror(EFBIG));
}

/* ------------------------------------------------------------------------------------------ fault points */

static void arm_point(const void *how)
{
    rj_fault_setup(how);
}

static void each_fault_point_ends_the_process_and_loses_nothing(void **state)
{
    static const char *const points[] = {
        "store.begin.fail", "store.commit.after", "store.commit.before", "store.commit.fail",
        "store.create.mid", "store.epoch.after",  "store.forget.mid",    "store.purge.mid",
        "store.put.fail",   "store.recover.fail", "store.sweep.mid",     "store.sweep.wrap",
        "store.trim.mid",
    };
    struct bench bench = new_bench(*state);
    for (size_t i = 0; i < 2 * sizeof points / sizeof points[0]; i++) {
        char text[64];
        const char *point = points[i / 2];
        snprintf(text, sizeof text, "%s:%d=fail", point, strstr(point, "epoch") ? 0 : (int)(i % 2) * 2);
        if (strcmp(point, "store.create.mid") == 0) {
            snprintf(text, sizeof text, "%s=fail", point);
            remove_folder(bench.f->path);
            journal_free(&bench.journal);
        }
        /* A seed decides whether there is retention: one that fits is found soon. */
        int status = 0;
        for (unsigned more = 0; status == 0 && more < 40; more++) {
            struct life life = {bench.f->path, (uint64_t)1 << 20, bench.seed + more, 100, arm_point, text};
            status = one_life(&bench, &life);
        }
        if (status == 0)
            fail_msg("%s was never reached", text);
        expect_clear_end(&bench, status);
        check_rest(&bench);
    }
    free_bench(&bench);
}

/* ------------------------------------------------------------------------------------------ cut files */

static void as_it_is(const void *how)
{
    (void)how;
}

/* LMDB reads its pages from the map: behind the end of the file that is a signal. */
static void a_file_cut_short_ends_the_process_with_a_line(void **state)
{
    struct bench bench = new_bench(*state);
    struct life life = {bench.f->path, (uint64_t)1 << 20, bench.seed, TURNS, as_it_is, NULL};
    char path[400];
    assert_int_equal(one_life(&bench, &life), 0);
    snprintf(path, sizeof path, "%s/" RJ_DATA_FILE, bench.f->path);
    assert_int_equal(truncate(path, 3 * 4096), 0);
    int status = one_life(&bench, &life);
    if (status < EXIT_OPEN) /* an error of the opening is as good */
        expect_clear_end(&bench, status);
    assert_int_not_equal(status, 0);
    free_bench(&bench);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_failing_write_ends_the_process_and_loses_nothing, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_short_write_ends_the_process_and_loses_nothing, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_failing_sync_ends_the_process_and_loses_nothing, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_map_without_memory_is_an_error_and_loses_nothing, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_file_that_cannot_be_opened_is_an_error, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_birth_that_fails_is_repeated, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_full_disk_ends_the_process_says_so_and_loses_nothing, set_up,
                                    tear_down),
    cmocka_unit_test_setup_teardown(a_limit_of_the_file_size_ends_the_process_and_loses_nothing, set_up,
                                    tear_down),
    cmocka_unit_test_setup_teardown(each_fault_point_ends_the_process_and_loses_nothing, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_file_cut_short_ends_the_process_with_a_line, set_up, tear_down),
};

RJ_TEST_MAIN(tests)
