/* Power failures of a machine that runs a store, played from a record of its writes and syncs.
 *
 * A generation: some processes open the store one after the other, append, put, sweep, trim, grow the map,
 * and end cleanly or like a crash. power_disk.h records what they ask of the disk, and in between what they
 * were told. Then the trace is cut at random moments; for each cut power_image.h makes a folder as the disk
 * may hold it, and a process opens it and compares it with what was acknowledged before the cut. One image is
 * the beginning of the next generation, so that failures also hit what earlier failures left.
 *
 *     store_power [TEST] [--images N]
 *
 * REJOIN_SEED repeats all choices, though not the moments at which threads meet; REJOIN_KEEP=1 leaves an
 * image that failed where it is.
 */
#include "tests/unit/test_store_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "proto/base/mem.h"
#include "proto/base/random.h"
#include "storage/create.h"
#include "tests/crash/power_disk.h"
#include "tests/crash/power_image.h"
#include "tests/crash/store_checker.h"
#include "tests/crash/store_writer.h"

enum {
    IMAGES = 600,
    IMAGES_A_GENERATION = 20,
    GENERATIONS_A_STORE = 4, /* then a new one begins */
    LIVES = 3,               /* in a generation */
    LIFE_TURNS = 25,         /* in which something was acknowledged, at most */
    FIRST_STEPS = 24,        /* events of an opening */
    TRACE_BYTES = 1 << 28,
    CHECK_SECONDS = 60,
};

static unsigned images_wanted = IMAGES; /* set by main alone */

struct power {
    char root[256], base[300], live[300], image[300], next[300];
    uint64_t random;
    enum disk_lie lie;
    struct journal journal; /* of what `base` must hold */
    unsigned n_images, n_faults, n_unsynced;
    uint64_t n_events, n_records;
};

/* ------------------------------------------------------------------------------------------ folders */

static void set_up_power(struct power *p, enum disk_lie lie)
{
    const char *given = getenv("REJOIN_SEED");
    *p = (struct power){.lie = lie};
    p->random = given ? strtoull(given, NULL, 10) : rj_random_u64() | 1;
    print_message("seed %llu\n", (unsigned long long)p->random);
    make_folder(p->root, sizeof p->root);
    snprintf(p->base, sizeof p->base, "%s/base", p->root);
    snprintf(p->live, sizeof p->live, "%s/live", p->root);
    snprintf(p->image, sizeof p->image, "%s/image", p->root);
    snprintf(p->next, sizeof p->next, "%s/next", p->root);
}

static void tear_down_power(struct power *p)
{
    journal_free(&p->journal);
    remove_folder(p->root);
}

static void copy_file(const char *from, const char *to, const char *name)
{
    char path[400], bytes[1 << 16];
    size_t n;
    snprintf(path, sizeof path, "%s/%s", from, name);
    FILE *source = fopen(path, "rb");
    if (!source)
        return;
    snprintf(path, sizeof path, "%s/%s", to, name);
    FILE *copy = fopen(path, "wb");
    assert_non_null(copy);
    while ((n = fread(bytes, 1, sizeof bytes, source)) > 0)
        assert_int_equal(fwrite(bytes, 1, n, copy), n);
    fclose(source);
    assert_int_equal(fclose(copy), 0);
}

/* Without LMDB's and the store's locks, which no power failure leaves behind. */
static void copy_store(const char *from, const char *to)
{
    remove_folder(to);
    if (access(from, F_OK))
        return;
    assert_int_equal(mkdir(to, 0700), 0);
    copy_file(from, to, RJ_DATA_FILE);
    copy_file(from, to, RJ_DATA_FILE ".new");
}

static bool is_same_file(const char *a, const char *b)
{
    FILE *left = fopen(a, "rb"), *right = fopen(b, "rb");
    int x, y;
    assert_true(left && right);
    do {
        x = getc(left);
        y = getc(right);
    } while (x == y && x != EOF);
    fclose(left);
    fclose(right);
    return x == y;
}

/* ------------------------------------------------------------------------------------------ lives */

struct life {
    unsigned turns;
    bool is_abandoned;
};

static bool note_acks(void *ctx, const struct ack *acks, size_t n)
{
    struct life *life = ctx;
    for (size_t i = 0; i < n; i++)
        disk_note(&acks[i], sizeof acks[i]);
    if (life->turns-- > 0)
        return true;
    if (life->is_abandoned)
        disk_abandon();
    return false;
}

_Noreturn static void live(const struct power *p, uint64_t seed, uint64_t counter)
{
    uint64_t random = seed;
    struct life life = {(unsigned)(next_random(&random) % LIFE_TURNS), next_random(&random) % 2};
    struct rj_store *store;
    const struct writing writing = {
        .path = p->live,
        .map_bytes = (uint64_t)1 << (19 + next_random(&random) % 4),
        .random = seed,
        .counter = counter,
        .in_flight = 1 + next_random(&random) % 80,
        .has_limits = next_random(&random) % 2,
        .tell = note_acks,
        .ctx = &life,
    };
    disk_lie(p->lie);
    if (write_until_told(&writing, &store))
        _exit(3);
    rj_store_close(&store);
    _exit(0);
}

/* What the trace tells from `*at` up to `cut`. */
static void read_acks(struct journal *journal, size_t *at, size_t cut)
{
    for (; *at < cut; ++*at) {
        const struct disk_event *event = disk_event(*at);
        struct ack ack;
        if (event->kind != DISK_NOTED)
            continue;
        memcpy(&ack, event->bytes, sizeof ack);
        journal_add(journal, &ack);
    }
}

static void record_lives(struct power *p)
{
    struct journal journal = journal_copy(&p->journal);
    size_t at = 0;
    for (unsigned i = 0; i < LIVES; i++) {
        int status;
        uint64_t seed = next_random(&p->random) | 1;
        pid_t child = fork();
        if (child == 0)
            live(p, seed, journal.counter);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (status)
            fail_msg("a life ended with status %x", (unsigned)status);
        read_acks(&journal, &at, disk_events());
    }
    p->n_records += journal.n - p->journal.n;
    journal_free(&journal);
}

/* The record is whole: played to its end it gives the very file that the lives have left. Else the library
 * has ways to the disk that are not watched. */
static void check_record(const struct power *p)
{
    char live[400], played[400];
    struct images *images = images_new(p->base);
    images_advance(images, disk_events());
    images_write_all(images, p->image);
    images_free(images);
    snprintf(live, sizeof live, "%s/" RJ_DATA_FILE, p->live);
    snprintf(played, sizeof played, "%s/" RJ_DATA_FILE, p->image);
    if (!is_same_file(live, played))
        fail_msg("the record of the writes lacks something");
}

/* ------------------------------------------------------------------------------------------ failures */

/* A store that is torn may well kill the process that reads it: that is no matter of cmocka's handlers. */
static bool is_whole(const struct power *p, const struct journal *journal, bool closes)
{
    const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    int status;
    pid_t child = fork();
    if (child == 0) {
        for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
            signal(fatal[i], SIG_DFL);
        alarm(CHECK_SECONDS);
        if (p->lie)
            dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        check_store(p->image, journal, closes, -1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status == 0;
}

static int compare_cuts(const void *a, const void *b)
{
    size_t left = *(const size_t *)a, right = *(const size_t *)b;
    return (left > right) - (left < right);
}

static bool has_kind(size_t index, enum disk_event_kind kind)
{
    return disk_event(index)->kind == kind;
}

/* Anywhere; behind an acknowledgement, the worst moment for what is not on the disk; behind a write; and in
 * the first steps of an opening. */
static size_t choose_cut(struct power *p)
{
    size_t n = disk_events(), at = next_random(&p->random) % (n + 1);
    unsigned kind = (unsigned)(next_random(&p->random) % 10);
    if (kind < 3)
        while (at > 0 && !has_kind(at - 1, DISK_NOTED))
            at--;
    else if (kind < 8)
        while (at > 0 && !has_kind(at - 1, DISK_WRITTEN))
            at--;
    else if (kind < 9)
        at = at % FIRST_STEPS;
    return at;
}

static void choose_cuts(struct power *p, size_t cuts[static IMAGES_A_GENERATION])
{
    for (size_t i = 0; i < IMAGES_A_GENERATION; i++)
        cuts[i] = choose_cut(p);
    qsort(cuts, IMAGES_A_GENERATION, sizeof cuts[0], compare_cuts);
}

static void fail_power(struct power *p, size_t cut)
{
    p->n_faults++;
    if (p->lie)
        return;
    if (getenv("REJOIN_KEEP"))
        fail_msg("wrong after a power failure at event %zu of %zu: see %s", cut, disk_events(), p->image);
    tear_down_power(p);
    fail_msg("wrong after a power failure at event %zu of %zu", cut, disk_events());
}

static void fail_and_compare(struct power *p)
{
    struct images *images = images_new(p->base);
    struct journal journal = p->journal, kept = {0};
    size_t cuts[IMAGES_A_GENERATION], at = 0, keep = next_random(&p->random) % IMAGES_A_GENERATION;
    p->journal = (struct journal){0}; /* this one grows */
    choose_cuts(p, cuts);
    for (size_t i = 0; i < IMAGES_A_GENERATION; i++) {
        images_advance(images, cuts[i]);
        read_acks(&journal, &at, cuts[i]);
        images_write(images, &p->random, p->image);
        p->n_images++;
        p->n_unsynced += images_unsynced(images) > 0;
        if (i == keep) {
            copy_store(p->image, p->next);
            kept = journal_copy(&journal);
        }
        if (!is_whole(p, &journal, next_random(&p->random) % 2))
            fail_power(p, cuts[i]);
    }
    copy_store(p->next, p->base);
    images_free(images);
    journal_free(&journal);
    p->journal = kept;
}

static void one_generation(struct power *p)
{
    copy_store(p->base, p->live);
    disk_watch(p->live, TRACE_BYTES);
    record_lives(p);
    check_record(p);
    p->n_events += disk_events();
    fail_and_compare(p);
    disk_unwatch();
}

static void begin_new_store(struct power *p)
{
    remove_folder(p->base);
    journal_free(&p->journal);
}

static void run(struct power *p, unsigned n_images)
{
    for (unsigned i = 0; p->n_images < n_images; i++) {
        if (i % GENERATIONS_A_STORE == 0 || p->lie)
            begin_new_store(p);
        one_generation(p);
    }
    print_message("%u images, %u with unsynced writes, of %llu events and %llu records: %u wrong\n",
                  p->n_images, p->n_unsynced, (unsigned long long)p->n_events,
                  (unsigned long long)p->n_records, p->n_faults);
    tear_down_power(p);
}

/* ------------------------------------------------------------------------------------------ tests */

static void nothing_acknowledged_is_lost_by_a_power_failure(void **state)
{
    struct power p;
    (void)state;
    set_up_power(&p, DISK_HONEST);
    run(&p, images_wanted);
    assert_int_equal(p.n_faults, 0);
    assert_true(p.n_unsynced > p.n_images / 4);
}

/* The proof that these tests can fail. */
static void a_disk_that_never_syncs_is_found_out(void **state)
{
    struct power p;
    (void)state;
    set_up_power(&p, DISK_LIES_ABOUT_ALL);
    run(&p, 3 * IMAGES_A_GENERATION);
    assert_true(p.n_faults > 0);
}

static void a_disk_that_syncs_only_the_head_of_a_commit_is_found_out(void **state)
{
    struct power p;
    (void)state;
    set_up_power(&p, DISK_LIES_ABOUT_PAGES);
    run(&p, 3 * IMAGES_A_GENERATION);
    assert_true(p.n_faults > 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(nothing_acknowledged_is_lost_by_a_power_failure),
    cmocka_unit_test(a_disk_that_never_syncs_is_found_out),
    cmocka_unit_test(a_disk_that_syncs_only_the_head_of_a_commit_is_found_out),
};

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--images") == 0 && i + 1 < argc)
            images_wanted = (unsigned)strtoul(argv[++i], NULL, 10);
        else
            cmocka_set_test_filter(argv[i]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
