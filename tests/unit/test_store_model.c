/* The store in random company, compared step by step with a model (store_model.h). The seed of a failing run
 * is printed; REJOIN_SEED repeats it.
 *
 * A run is a number of lives, each in a process of its own that opens the store, tries it against the model,
 * and closes it or just ends, with writes on their way. The model lives through all of them in shared memory;
 * what a crash has taken is taken out of it, which can only be what nobody was told of.
 */
#include "tests/unit/store_model.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "storage/check.h"
#include "storage/engine.h"

/* ------------------------------------------------------------------------------------------ running */

static void end_purges(struct world *w)
{
    for (unsigned room = 0; room < ROOMS; room++) {
        w->due[room] = larger(w->due[room], w->purging[room]);
        w->purging[room] = 0;
    }
}

static void settle_world(struct world *w)
{
    settle(w->f->store);
    assert_int_equal(w->queue_at, w->queue_n);
    assert_int_equal(w->completed, w->n_records);
    w->queue_at = w->queue_n = 0;
    end_purges(w);
}

static void check_all(struct world *w)
{
    settle_world(w);
    check_rooms(w);
    check_keys(w);
    for (unsigned room = 0; room < ROOMS; room++)
        check_history(w, room, RECORDS);
}

static void note_figures(struct world *w)
{
    struct rj_store_stats stats = rj_store_stats(w->f->store);
    w->hits += stats.dedupe_hits;
    for (size_t i = 0; i < RJ_TRIM_REASONS; i++)
        w->trimmed[i] += stats.trimmed_by[i];
}

static void step(struct world *w)
{
    unsigned choice = below(w, 100);
    if (choice < 45)
        do_append(w);
    else if (choice < 55)
        do_put(w);
    else if (choice < 58)
        do_delete(w);
    else if (choice < 60)
        do_barrier(w);
    else if (choice < 72)
        rj_store_submit(w->f->store);
    else if (choice < 84)
        rj_store_complete(w->f->store);
    else if (choice < 90)
        check_read(w);
    else if (choice < 92)
        check_read_log(w);
    else if (choice < 95)
        check_history(w, below(w, ROOMS), 1 + below(w, 200));
    else if (choice < 97)
        check_rooms(w);
    else if (choice < 98)
        check_clamp(w);
    else if (w->limits_id && below(w, 3) == 0)
        do_purge(w);
    else if (w->forgets && below(w, 3) == 0)
        do_forget(w);
    else if (below(w, 4) == 0)
        settle_world(w);
    if (w->queue_n > QUEUE / 2)
        settle_world(w);
}

/* ------------------------------------------------------------------------------------------ lives */

static size_t pick(void *ctx, struct rj_span key)
{
    const char *base = "room number ";
    (void)ctx;
    unsigned room = (unsigned)(key.data[strlen(base)] - '0');
    return room < PLAIN ? LIMITS : room - PLAIN;
}

/* Each of the limits for its own, and all of them together; now and then others than before. */
static void choose_limits(struct world *w)
{
    if (w->limits_id == 0)
        return;
    if (w->limits_id == 1 || below(w, 4) == 0) {
        const struct rj_store_limits limits[LIMITS] = {
            {.count = 1 + below(w, 30)},
            {.bytes = 100 + below(w, 5000)},
            {.age_ms = 10 + below(w, 30)},
            {.age_ms = 20, .count = 1 + below(w, 10), .bytes = 100 + below(w, 1000)},
            {.count = 1 + below(w, 200), .bytes = 1 + below(w, 20000)},
        };
        memcpy(w->limits, limits, sizeof limits);
        w->limits_id++;
    }
    w->f->options.limits = w->limits;
    w->f->options.n_limits = LIMITS;
    w->f->options.pick = pick;
    w->f->options.limits_id = w->limits_id;
}

static bool on_survivor(void *ctx, const struct rj_store_record *record)
{
    struct world *w = ctx;
    w->records[record->pos - 1].ts_ms = record->ts_ms;
    return true;
}

/* Takes out of the model what the crash has taken out of the store: the youngest, whom nobody was told of. */
static void forget_lost(struct world *w)
{
    uint64_t head = rj_store_head(w->f->store).completed;
    assert_true(head >= w->completed && head <= w->n_records);
    uint64_t reached = larger(w->completed, trimmed_upto(w));
    while (reached < head)
        assert_int_equal(rj_store_read_log(w->f->store, reached, head, (struct rj_store_budget){0},
                                           on_survivor, w, &reached),
                         RJ_OK);
    w->n_records = w->completed = head;
    /* Counted in records that are there: the runs in which some are not never come to this. */
    if (head > (uint64_t)w->dedupe_max * KNOWN_WALK)
        w->known_from = head - (uint64_t)w->dedupe_max * KNOWN_WALK;
    for (unsigned room = 0; room < ROOMS; room++)
        w->accepted[room] = rj_store_room_state(w->f->store, id_of(w, room)).head_seq;
    w->queue_at = w->queue_n = 0;
}

/* Until changed limits have reached every room: before that, floors may still be on their way. */
static void await_review(struct world *w)
{
    uint64_t end_ms = rj_clock_mono_ms() + STORE_DEADLINE_MS;
    while (w->f->store->review_at) {
        assert_true(rj_clock_mono_ms() < end_ms);
        do_barrier(w);
        settle_world(w);
    }
}

/* Whatever the last life has left undone, what rooms with an age of their own have is trimmed in the end. */
static void await_old(struct world *w)
{
    uint64_t end_ms = rj_clock_mono_ms() + STORE_DEADLINE_MS;
    for (unsigned room = PLAIN; room < ROOMS;) {
        struct rj_room_state state = rj_store_room_state(w->f->store, id_of(w, room));
        if (limits_of(w, room)->age_ms == 0 || state.floor_seq > state.head_seq) {
            room++;
            continue;
        }
        assert_true(rj_clock_mono_ms() < end_ms);
        struct pollfd event = {.fd = rj_store_event_fd(w->f->store), .events = POLLIN};
        rj_store_submit(w->f->store);
        poll(&event, 1, 1);
        rj_store_complete(w->f->store);
    }
}

static void begin_life(struct world *w)
{
    struct rj_store_limits before[LIMITS];
    memcpy(before, w->limits, sizeof before);
    choose_limits(w);
    w->f->options.index_pending = below(w, 2) ? 0 : 1 + below(w, 200);
    w->f->options.room_idle_ms = below(w, 2);
    open_store(w->f);
    struct rj_store_head head = rj_store_head(w->f->store);
    if (w->n_epochs)
        w->epochs[w->n_epochs - 1].end = head.completed;
    forget_lost(w);
    for (unsigned room = 0; room < ROOMS; room++) {
        /* What is found was raised by the life before, under its limits. */
        floor_under(w, room, room < PLAIN ? limits_of(w, room) : &before[room - PLAIN]);
    }
    await_review(w);
    if (below(w, 3) == 0)
        await_old(w);
    check_all(w);
}

/* Some appends are on their way, and of some the commit may be done and not heard of. */
static void leave(struct world *w)
{
    settle_world(w);
    for (unsigned room = 0; room < ROOMS; room++)
        floor_seq(w, room); /* it is told, so it holds */
    for (unsigned i = below(w, 40); i > 0; i--) {
        do_append(w);
        if (below(w, 8) == 0)
            rj_store_submit(w->f->store);
    }
    if (below(w, 2)) {
        struct pollfd event = {.fd = rj_store_event_fd(w->f->store), .events = POLLIN};
        poll(&event, 1, 5);
    }
    w->crashes++;
}

static void live(struct world *w, unsigned steps)
{
    struct rj_store_head head;
    begin_life(w);
    head = rj_store_head(w->f->store);
    assert_true(w->n_epochs < EPOCHS);
    w->epochs[w->n_epochs] = (struct model_epoch){.number = head.epoch, .end = 0};
    for (unsigned i = 0; i < steps; i++)
        step(w);
    note_figures(w);
    if (below(w, 2)) {
        leave(w);
        w->n_epochs++;
        _exit(0);
    }
    if (below(w, 2))
        settle_world(w); /* else closing does it */
    rj_store_close(&w->f->store);
    assert_int_equal(w->queue_at, w->queue_n);
    w->queue_at = w->queue_n = 0;
    end_purges(w);
    w->n_epochs++;
}

static void on_fault(void *ctx, const char *sentence)
{
    rj_buf_printf(ctx, "%s\n", sentence);
}

static struct rj_check_report check_store(const struct world *w)
{
    struct rj_inspect inspect;
    struct rj_check_report report;
    struct rj_buf text = {0};
    if (rj_inspect_open(&inspect, w->f->path, RJ_INSPECT_ALONE, &text))
        fail_msg("%s", rj_buf_cstr(&text));
    assert_int_equal(rj_check_run(&inspect, 20, on_fault, &text, &report), RJ_OK);
    rj_inspect_close(&inspect);
    if (report.faults)
        fail_msg("rejoinctl check would say:\n%s", rj_buf_cstr(&text));
    rj_buf_free(&text);
    return report;
}

static void one_life(struct world *w, unsigned steps)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        setenv("CMOCKA_TEST_ABORT", "1", 1); /* a check that fails says so here, and no other test runs */
        live(w, steps);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    /* The child has drawn from the numbers that stand in shared memory. */
    check_store(w);
}

/* A closed store has in its index what its rooms keep, and no record that none does. */
static void check_leftovers(struct world *w)
{
    uint64_t entries = 0, records = 0;
    open_store(w->f);
    forget_lost(w);
    rj_store_close(&w->f->store); /* what the last crash has left is swept */
    open_store(w->f);
    for (uint64_t pos = 1; pos <= w->n_records; pos++) {
        const struct model_record *record = &w->records[pos - 1];
        bool is_there = false;
        for (size_t i = 0; i < record->n_rooms; i++) {
            if (record->rooms[i] == GONE)
                continue;
            rj_room_id room = id_of(w, record->rooms[i]);
            bool is_here = record->seqs[i] >= rj_store_room_state(w->f->store, room).floor_seq;
            entries += is_here;
            is_there |= is_here;
        }
        records += is_there && pos > trimmed_upto(w);
    }
    rj_store_close(&w->f->store);
    struct rj_check_report report = check_store(w);
    assert_int_equal(report.index_entries, entries);
    assert_int_equal(report.records - report.trimmed, records);
    assert_int_equal(report.rooms, ROOMS);
}

static void run(struct fixture *f, uint64_t seed, unsigned lives, unsigned steps, bool has_limits,
                bool forgets)
{
    struct world *w = mmap(NULL, sizeof *w, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const char *given = getenv("REJOIN_SEED");
    assert_true(w != MAP_FAILED);
    if (given)
        seed = strtoull(given, NULL, 10);
    w->f = f;
    w->random = seed * 0x9e3779b97f4a7c15U | 1;
    w->dedupe_max = f->options.dedupe_window_max;
    w->limits_id = has_limits;
    w->forgets = forgets;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < lives; i++)
        one_life(w, steps);
    assert_true(w->n_records > lives * steps / 4);
    assert_true(w->hits > 0 && w->crashes > 0);
    assert_true(!forgets || w->forgotten > 10);
    assert_true(w->trimmed[RJ_TRIM_AGE] > 0 || (f->options.retention_ms == 0 && !has_limits));
    assert_true(!has_limits ||
                (w->trimmed[RJ_TRIM_COUNT] && w->trimmed[RJ_TRIM_BYTES] && w->trimmed[RJ_TRIM_PURGE]));
    check_leftovers(w);
    munmap(w, sizeof *w);
}

static void it_agrees_with_the_model(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 25;
    f->options.index_pending = 20;
    run(f, 1, 8, 600, false, false);
}

static void it_agrees_with_the_model_while_records_grow_old(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 1000;
    f->options.retention_ms = 40;
    run(f, 2, 8, 800, false, false);
}

static void it_agrees_with_the_model_with_a_lazy_index(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 5;
    run(f, 3, 8, 600, false, false);
}

static void it_agrees_with_the_model_while_rooms_have_limits(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 1200;
    run(f, 4, 24, 400, true, false);
}

static void it_agrees_with_the_model_while_all_rooms_have_limits(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 1200;
    f->options.retention_ms = 60;
    run(f, 5, 24, 400, true, false);
}

static void it_agrees_with_the_model_while_rooms_are_forgotten(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 1200;
    f->options.index_pending = 20;
    run(f, 6, 24, 400, false, true);
}

static void it_agrees_with_the_model_while_rooms_have_limits_and_are_forgotten(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_max = 1200;
    f->options.retention_ms = 60;
    run(f, 7, 24, 400, true, true);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(it_agrees_with_the_model, set_up, tear_down),
    cmocka_unit_test_setup_teardown(it_agrees_with_the_model_while_records_grow_old, set_up, tear_down),
    cmocka_unit_test_setup_teardown(it_agrees_with_the_model_with_a_lazy_index, set_up, tear_down),
    cmocka_unit_test_setup_teardown(it_agrees_with_the_model_while_rooms_have_limits, set_up, tear_down),
    cmocka_unit_test_setup_teardown(it_agrees_with_the_model_while_all_rooms_have_limits, set_up, tear_down),
    cmocka_unit_test_setup_teardown(it_agrees_with_the_model_while_rooms_are_forgotten, set_up, tear_down),
    cmocka_unit_test_setup_teardown(it_agrees_with_the_model_while_rooms_have_limits_and_are_forgotten,
                                    set_up, tear_down),
};
RJ_TEST_MAIN(tests)
