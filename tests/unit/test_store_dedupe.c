/* Which publishes are known: for how long, how many of whom, what a flood may not do, and that a start finds
 * the same answers again, for deleted records too. */
#include "tests/unit/test_store_fixture.h"

#include <sys/wait.h>

#include "storage/engine.h"

/* ------------------------------------------------------------------------------------------ the table */

static struct rj_dedupe new_table(size_t max, size_t max_source)
{
    struct rj_dedupe dedupe;
    struct rj_dedupe_options options = {
        .window_ms = {[RJ_DEDUPE_LASTING] = 1000, [RJ_DEDUPE_BRIEF] = 100},
        .max = max,
        .max_source = max_source,
    };
    rj_dedupe_init(&dedupe, &options);
    return dedupe;
}

static struct rj_dedupe_key key_of(const struct rj_dedupe *dedupe, enum rj_dedupe_class class,
                                   unsigned source, unsigned id)
{
    return rj_dedupe_key(dedupe->seed, class, rj_span_of(&source, sizeof source), rj_span_of(&id, sizeof id));
}

static void add(struct rj_dedupe *dedupe, unsigned source, unsigned id, uint64_t pos, uint64_t ts_ms)
{
    rj_dedupe_add(dedupe, key_of(dedupe, RJ_DEDUPE_LASTING, source, id), RJ_DEDUPE_LASTING, pos, ts_ms);
}

static bool has(const struct rj_dedupe *dedupe, struct rj_dedupe_key key, uint64_t pos)
{
    uint32_t cursor = 0;
    uint64_t found;
    while ((found = rj_dedupe_next(dedupe, key, &cursor)))
        if (found == pos)
            return true;
    return false;
}

static bool knows(const struct rj_dedupe *dedupe, unsigned source, unsigned id, uint64_t pos)
{
    return has(dedupe, key_of(dedupe, RJ_DEDUPE_LASTING, source, id), pos);
}

static void a_flood_from_one_source_forgets_only_its_own(void **state)
{
    enum { OTHERS = 1500, EACH = 4, FLOOD = 200000, MAX_SOURCE = 3000 };
    struct rj_dedupe dedupe = new_table(10000, MAX_SOURCE);
    uint64_t pos = 0;
    (void)state;
    for (unsigned id = 0; id < EACH; id++)
        for (unsigned source = 1; source <= OTHERS; source++)
            add(&dedupe, source, id, ++pos, 1);
    for (unsigned i = 0; i < FLOOD; i++)
        add(&dedupe, 0, i, ++pos, 1);
    assert_int_equal(dedupe.n, OTHERS * EACH + MAX_SOURCE);
    pos = 0;
    for (unsigned id = 0; id < EACH; id++)
        for (unsigned source = 1; source <= OTHERS; source++)
            assert_true(knows(&dedupe, source, id, ++pos));
    for (unsigned i = FLOOD - MAX_SOURCE; i < FLOOD; i++)
        assert_true(knows(&dedupe, 0, i, OTHERS * EACH + 1 + i));
    assert_false(knows(&dedupe, 0, FLOOD - MAX_SOURCE - 1, OTHERS * EACH + FLOOD - MAX_SOURCE));
    rj_dedupe_free(&dedupe);
}

static void with_too_many_in_all_the_greedy_pays(void **state)
{
    enum { OTHERS = 1000, GREEDY = 9000, MAX = 10000 };
    struct rj_dedupe dedupe = new_table(MAX, MAX);
    uint64_t pos = 0;
    (void)state;
    for (unsigned source = 1; source <= OTHERS; source++)
        add(&dedupe, source, 1, ++pos, 1);
    /* It takes what is left, and then its own oldest for each new one. */
    for (unsigned i = 0; i < 5 * GREEDY; i++)
        add(&dedupe, 0, i, ++pos, 1);
    assert_int_equal(dedupe.n, MAX);
    for (unsigned source = 1; source <= OTHERS; source++)
        assert_true(knows(&dedupe, source, 1, source));
    assert_true(knows(&dedupe, 0, 4 * GREEDY, OTHERS + 4 * GREEDY + 1));
    assert_false(knows(&dedupe, 0, 4 * GREEDY - 1, OTHERS + 4 * GREEDY));
    rj_dedupe_free(&dedupe);
}

static void the_number_in_all_is_never_passed(void **state)
{
    enum { MAX = 500 };
    struct rj_dedupe dedupe = new_table(MAX, 50);
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        add(&dedupe, i * 7919 % 911, i, i + 1, 1);
        assert_true(dedupe.n <= MAX && dedupe.n_sources <= dedupe.n);
        assert_true(knows(&dedupe, i * 7919 % 911, i, i + 1));
    }
    rj_dedupe_free(&dedupe);
}

static void an_id_costs_less_than_thirty_bytes(void **state)
{
    enum { IDS = 1000000, SOURCES = 100 };
    struct rj_dedupe dedupe = new_table(IDS, IDS / SOURCES);
    (void)state;
    for (unsigned i = 0; i < IDS; i++)
        add(&dedupe, i % SOURCES, i, i + 1, 1);
    size_t bytes = dedupe.entries.n_given * dedupe.entries.size +
                   (dedupe.entry_heads.mask + 1) * sizeof *dedupe.entry_heads.of +
                   dedupe.sources.n_given * dedupe.sources.size + dedupe.cap_marks * sizeof *dedupe.marks;
    assert_int_equal(dedupe.n, IDS);
    assert_true(bytes < 30 * (size_t)IDS);
    rj_dedupe_free(&dedupe);
}

static void what_is_older_than_its_window_goes(void **state)
{
    enum { SOURCES = 50 };
    struct rj_dedupe dedupe = new_table(1000, 1000);
    uint64_t pos = 0, now_ms = 5000;
    (void)state;
    for (unsigned source = 0; source < SOURCES; source++) {
        add(&dedupe, source, 1, ++pos, now_ms);
        rj_dedupe_add(&dedupe, key_of(&dedupe, RJ_DEDUPE_BRIEF, source, 1), RJ_DEDUPE_BRIEF, ++pos, now_ms);
    }
    /* The clock moves on with those that come later. */
    for (unsigned ms = 1; ms <= 90; ms++)
        add(&dedupe, SOURCES, ms, ++pos, now_ms + ms);
    assert_true(has(&dedupe, key_of(&dedupe, RJ_DEDUPE_BRIEF, 0, 1), 2));
    for (unsigned ms = 91; ms <= 200; ms++)
        add(&dedupe, SOURCES, ms, ++pos, now_ms + ms);
    for (unsigned source = 0; source < SOURCES; source++) {
        assert_true(knows(&dedupe, source, 1, 2 * source + 1));
        assert_false(has(&dedupe, key_of(&dedupe, RJ_DEDUPE_BRIEF, source, 1), 2 * source + 2));
    }
    for (unsigned i = 0; i < 4 * SOURCES; i++)
        rj_dedupe_expire(&dedupe, now_ms + 1000);
    for (unsigned source = 0; source < SOURCES; source++)
        assert_true(knows(&dedupe, source, 1, 2 * source + 1));
    for (unsigned i = 0; i < 4000; i++)
        rj_dedupe_expire(&dedupe, now_ms + 5000);
    assert_true(dedupe.n <= 20 && dedupe.n_sources == 1); /* the end has no mark behind it yet */
    rj_dedupe_free(&dedupe);
}

static void ids_with_one_hash_are_all_found(void **state)
{
    struct rj_dedupe dedupe = new_table(1000, 1000);
    (void)state;
    for (unsigned i = 1; i <= 100; i++) {
        struct rj_dedupe_key key = {.source = i, .id = (uint64_t)i << 40 | 77};
        rj_dedupe_add(&dedupe, key, RJ_DEDUPE_LASTING, i, 1);
    }
    for (unsigned i = 1; i <= 100; i++)
        assert_true(has(&dedupe, (struct rj_dedupe_key){.id = 77}, i));
    rj_dedupe_free(&dedupe);
}

/* ------------------------------------------------------------------------------------------ the store */

static void publish(struct rj_store *store, const char *source, const char *id, bool is_brief,
                    struct told *told)
{
    rj_room_id room = room_id(store, "keeps few");
    struct rj_store_append append = {
        .rooms = &room,
        .n_rooms = 1,
        .source = rj_span_str(source),
        .id = rj_span_str(id),
        .payload = rj_span_str("payload"),
        .is_brief = is_brief,
    };
    rj_store_append(store, &append, told ? on_appended : NULL, told);
}

static struct told publish_now(struct rj_store *store, const char *source, const char *id, bool is_brief)
{
    struct told told = {0};
    publish(store, source, id, is_brief, &told);
    settle(store);
    assert_int_equal(told.calls, 1);
    return told;
}

static void expect_first_answer(struct rj_store *store, const char *source, const char *id, bool is_brief,
                                const struct told *first)
{
    struct told told = publish_now(store, source, id, is_brief);
    assert_int_equal(told.outcome, RJ_APPEND_DUPLICATE);
    assert_int_equal(told.pos, first->pos);
    assert_int_equal(told.ts_ms, first->ts_ms);
    assert_int_equal(told.n_seqs, 1);
    assert_int_equal(told.seqs[0], first->seqs[0]);
}

static void wait_ms(uint64_t ms)
{
    uint64_t end_ms = rj_clock_wall_ms() + ms;
    while (rj_clock_wall_ms() <= end_ms)
        poll(NULL, 0, 1);
}

static void brief_ids_are_known_for_their_own_time_and_apart(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_brief_ms = 60;
    open_store(f);
    struct told lasting = publish_now(f->store, "s", "1", false),
                brief = publish_now(f->store, "s", "1", true);
    assert_int_equal(lasting.outcome, RJ_APPEND_STORED);
    assert_int_equal(brief.outcome, RJ_APPEND_STORED);
    wait_ms(61);
    assert_int_equal(publish_now(f->store, "s", "1", true).outcome, RJ_APPEND_STORED);
    expect_first_answer(f->store, "s", "1", false, &lasting);
}

static void a_flood_of_brief_ids_leaves_the_others_known(void **state)
{
    enum { FLOOD = 3500, MAX_SOURCE = 200 };
    struct fixture *f = *state;
    f->options.dedupe_source_max = MAX_SOURCE;
    f->options.dedupe_window_max = 1000;
    open_store(f);
    struct told first[100], told;
    char id[16];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "%u", i);
        first[i] = publish_now(f->store, "client", id, false);
    }
    for (unsigned i = 0; i < FLOOD; i++) {
        snprintf(id, sizeof id, "#%u", i);
        publish(f->store, "g:gateway", id, true, NULL);
    }
    settle(f->store);
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(rj_store_stats(f->store).dedupe_known, 100 + MAX_SOURCE);
        for (unsigned i = 0; i < 100; i++) {
            snprintf(id, sizeof id, "%u", i);
            expect_first_answer(f->store, "client", id, false, &first[i]);
        }
        for (unsigned i = FLOOD - MAX_SOURCE; i < FLOOD; i++) {
            snprintf(id, sizeof id, "#%u", i);
            told = publish_now(f->store, "g:gateway", id, true);
            assert_int_equal(told.outcome, RJ_APPEND_DUPLICATE);
        }
        reopen_store(f);
    }
}

static void a_wrong_candidate_is_compared_and_refused(void **state)
{
    struct fixture *f = *state;
    struct told first = publish_now(f->store, "s", "1", false);
    struct rj_store_append other = {.source = rj_span_str("s"), .id = rj_span_str("2")};
    /* As if both had one hash. */
    rj_dedupe_add(&f->store->known.dedupe, rj_known_key(f->store, &other), RJ_DEDUPE_LASTING, first.pos + 1,
                  first.ts_ms);
    struct told told = publish_now(f->store, "x", "y", false); /* gets that pos */
    assert_int_equal(told.pos, first.pos + 1);
    told = publish_now(f->store, "s", "2", false);
    assert_int_equal(told.outcome, RJ_APPEND_STORED);
    expect_first_answer(f->store, "s", "2", false, &told);
    expect_first_answer(f->store, "s", "1", false, &first);
}

/* ------------------------------------------------------------------------------------------ after a kill */

/* Runs `work` on the opened store in a process of its own, which ends without closing it. */
static void in_child(struct fixture *f, void (*work)(struct rj_store *store))
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        open_store(f);
        work(f->store);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

enum { STORY_SOURCES = 7, STORY_IDS = 60, STORY = 900, STORY_MAX_SOURCE = 25 };

/* What a story of publishes, many of them repeated, must come to: a list, newest last. */
struct story {
    unsigned source[STORY], id[STORY];
    uint64_t pos[STORY];
    size_t n;
};

static uint64_t next_random(uint64_t *random)
{
    *random ^= *random << 13, *random ^= *random >> 7, *random ^= *random << 17;
    return *random >> 33;
}

/* The pos that (source, id) is known by; 0 = it is not. */
static uint64_t known_in(const struct story *story, unsigned source, unsigned id)
{
    unsigned of_source = 0;
    for (size_t i = story->n; i-- > 0 && of_source < STORY_MAX_SOURCE;) {
        if (story->source[i] != source)
            continue;
        if (story->id[i] == id)
            return story->pos[i];
        of_source++;
    }
    return 0;
}

/* Source 0 is a flood. */
static void draw(uint64_t *random, unsigned *source, unsigned *id)
{
    *source = next_random(random) % 3 ? 0 : (unsigned)(next_random(random) % STORY_SOURCES);
    *id = (unsigned)(next_random(random) % (*source ? STORY_IDS : 100000));
}

static struct told tell_story(struct rj_store *store, unsigned source, unsigned id, bool waits)
{
    char source_text[16], id_text[16];
    struct told told = {0};
    snprintf(source_text, sizeof source_text, "source %u", source);
    snprintf(id_text, sizeof id_text, "%u", id);
    publish(store, source_text, id_text, source % 2, waits ? &told : NULL);
    if (waits)
        settle(store);
    return told;
}

static void live_story(struct rj_store *store)
{
    uint64_t random = 4711;
    for (unsigned i = 0; i < STORY; i++) {
        unsigned source, id;
        draw(&random, &source, &id);
        tell_story(store, source, id, false);
        if (i % 50 == 0)
            settle(store);
    }
    settle(store);
}

static void a_start_after_a_kill_knows_what_was_known(void **state)
{
    struct fixture *f = *state;
    static struct story story;
    uint64_t random = 4711, pos = 0;
    unsigned known = 0;
    story.n = 0;
    f->options.dedupe_source_max = STORY_MAX_SOURCE;
    in_child(f, live_story);
    for (unsigned i = 0; i < STORY; i++) {
        unsigned source, id;
        draw(&random, &source, &id);
        if (known_in(&story, source, id))
            continue;
        story.source[story.n] = source;
        story.id[story.n] = id;
        story.pos[story.n++] = ++pos;
    }
    open_store(f);
    assert_int_equal(rj_store_head(f->store).completed, pos);
    for (unsigned source = 0; source < STORY_SOURCES; source++)
        for (unsigned id = 0; id < 100000; id += source ? 1 : 17) {
            uint64_t first = id < STORY_IDS || source == 0 ? known_in(&story, source, id) : 0;
            if (!first)
                continue;
            struct told told = tell_story(f->store, source, id, true);
            assert_int_equal(told.outcome, RJ_APPEND_DUPLICATE);
            assert_int_equal(told.pos, first);
            known++;
        }
    assert_true(known > STORY_SOURCES * 10);
    struct told told = tell_story(f->store, 1, STORY_IDS + 1, true);
    assert_int_equal(told.outcome, RJ_APPEND_STORED);
}

static void publish_one(struct rj_store *store)
{
    publish_now(store, "s", "1", false);
    publish_now(store, "g", "#1", true);
}

static void the_time_in_which_the_store_is_not_open_does_not_count(void **state)
{
    struct fixture *f = *state;
    f->options.dedupe_window_ms = 4000;
    f->options.dedupe_brief_ms = 2000;
    in_child(f, publish_one);
    wait_ms(4100);
    open_store(f);
    assert_int_equal(publish_now(f->store, "s", "1", false).pos, 1);
    assert_int_equal(publish_now(f->store, "g", "#1", true).pos, 2);
    wait_ms(2100);
    assert_int_equal(publish_now(f->store, "g", "#1", true).outcome, RJ_APPEND_STORED);
    wait_ms(2000);
    assert_int_equal(publish_now(f->store, "s", "1", false).outcome, RJ_APPEND_STORED);
}

/* ------------------------------------------------------------------------------------------ receipts */

enum { KEPT = 3, PUBLISHED = 60, RECEIPT_MAX_SOURCE = 40 };

static size_t pick_few(void *ctx, struct rj_span key)
{
    (void)ctx, (void)key;
    return 0;
}

static const struct rj_store_limits few = {.count = KEPT};

static int set_up_few(void **state)
{
    set_up(state);
    struct fixture *f = *state;
    f->options.limits = &few;
    f->options.n_limits = 1;
    f->options.pick = pick_few;
    f->options.limits_id = 1;
    f->options.index_pending = 1;
    f->options.dedupe_source_max = RECEIPT_MAX_SOURCE;
    return 0;
}

static void publish_many(struct rj_store *store)
{
    char id[16];
    for (unsigned i = 1; i <= PUBLISHED; i++) {
        snprintf(id, sizeof id, "%u", i);
        assert_int_equal(publish_now(store, "s", id, false).pos, i);
    }
}

static uint64_t receipts(struct rj_store *store)
{
    return rj_store_stats(store).dedupe_receipts;
}

static uint64_t count_log(struct rj_store *store)
{
    struct rj_reader reader = rj_env_read(&store->env);
    MDB_stat stat;
    assert_int_equal(mdb_stat(reader.txn, store->env.log, &stat), 0);
    rj_env_read_done(&store->env, &reader);
    return stat.ms_entries;
}

/* Lets the store keep house until there are so many receipts, and nothing but the kept records in the log. */
static void wait_receipts(struct rj_store *store, uint64_t wanted)
{
    uint64_t end_ms = rj_clock_mono_ms() + STORE_DEADLINE_MS;
    while (receipts(store) != wanted || count_log(store) > KEPT) {
        if (rj_clock_mono_ms() >= end_ms)
            fail_msg("%llu receipts, not %llu; %llu records", (unsigned long long)receipts(store),
                     (unsigned long long)wanted, (unsigned long long)count_log(store));
        rj_store_submit(store);
        struct pollfd event = {.fd = rj_store_event_fd(store), .events = POLLIN};
        poll(&event, 1, 5);
        rj_store_complete(store);
    }
}

static void expect_receipts(struct rj_store *store)
{
    char id[16];
    for (unsigned i = PUBLISHED; i > PUBLISHED - RECEIPT_MAX_SOURCE; i--) {
        snprintf(id, sizeof id, "%u", i);
        struct told told = publish_now(store, "s", id, false);
        assert_int_equal(told.outcome, RJ_APPEND_DUPLICATE);
        assert_int_equal(told.pos, i);
        assert_int_equal(told.seqs[0], i);
        assert_int_equal(told.payload_len, 0);
    }
}

static void a_deleted_record_leaves_its_first_answer(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    publish_many(f->store);
    wait_receipts(f->store, RECEIPT_MAX_SOURCE - KEPT);
    expect_receipts(f->store);
    reopen_store(f);
    assert_int_equal(receipts(f->store), RECEIPT_MAX_SOURCE - KEPT);
    expect_receipts(f->store);
    /* With the id its receipt goes. */
    char id[16];
    for (unsigned i = 1; i <= RECEIPT_MAX_SOURCE; i++) {
        snprintf(id, sizeof id, "new %u", i);
        publish_now(f->store, "s", id, false);
    }
    wait_receipts(f->store, RECEIPT_MAX_SOURCE - KEPT);
    assert_int_equal(publish_now(f->store, "s", "60", false).outcome, RJ_APPEND_STORED);
}

static void publish_many_and_delete(struct rj_store *store)
{
    publish_many(store);
    wait_receipts(store, RECEIPT_MAX_SOURCE - KEPT);
}

static void a_first_answer_of_a_deleted_record_outlives_a_kill(void **state)
{
    struct fixture *f = *state;
    in_child(f, publish_many_and_delete);
    open_store(f);
    assert_int_equal(receipts(f->store), RECEIPT_MAX_SOURCE - KEPT);
    expect_receipts(f->store);
    assert_int_equal(publish_now(f->store, "s", "20", false).outcome, RJ_APPEND_STORED);
}

static void receipts_that_nobody_knows_are_dropped_at_a_start(void **state)
{
    struct fixture *f = *state;
    in_child(f, publish_many_and_delete);
    f->options.dedupe_source_max = KEPT + 5;
    open_store(f);
    wait_receipts(f->store, 5);
}

static void without_ids_there_are_no_receipts(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    for (unsigned i = 0; i < PUBLISHED; i++)
        publish_now(f->store, "", "", false);
    wait_receipts(f->store, 0);
}

static void a_repetition_is_answered_without_appending(void **state)
{
    struct fixture *f = *state;
    struct told first = {0}, again = {0}, never = {0};
    struct rj_store_append append = {.source = rj_span_str("s"), .id = rj_span_str("id")};
    rj_room_id room = room_id(f->store, "room");
    assert_false(rj_store_repeat(f->store, &append, on_appended, &never));
    append_text(f->store, room, "s", "id", "hello", &first);
    assert_true(rj_store_repeat(f->store, &append, on_appended, &again)); /* while it is on its way, too */
    append.id = rj_span_str("");
    assert_false(rj_store_repeat(f->store, &append, on_appended, &never));
    append.id = rj_span_str("id");
    append.is_brief = true;
    assert_false(rj_store_repeat(f->store, &append, on_appended, &never));
    settle(f->store);
    assert_int_equal(first.outcome, RJ_APPEND_STORED);
    assert_int_equal(again.outcome, RJ_APPEND_DUPLICATE);
    assert_int_equal(again.pos, first.pos);
    assert_int_equal(again.seqs[0], 1);
    append.is_brief = false;
    rj_store_purge(f->store, room, 1, NULL, NULL);
    settle(f->store);
    reopen_store(f);
    assert_true(rj_store_repeat(f->store, &append, on_appended, &again));
    settle(f->store);
    assert_int_equal(again.calls, 2);
    assert_int_equal(again.pos, first.pos);
    assert_int_equal(never.calls, 0);
    assert_int_equal(rj_store_room_state(f->store, room).head_seq, 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_repetition_is_answered_without_appending, set_up_open, tear_down),
    cmocka_unit_test(a_flood_from_one_source_forgets_only_its_own),
    cmocka_unit_test(with_too_many_in_all_the_greedy_pays),
    cmocka_unit_test(the_number_in_all_is_never_passed),
    cmocka_unit_test(an_id_costs_less_than_thirty_bytes),
    cmocka_unit_test(what_is_older_than_its_window_goes),
    cmocka_unit_test(ids_with_one_hash_are_all_found),
    cmocka_unit_test_setup_teardown(brief_ids_are_known_for_their_own_time_and_apart, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_flood_of_brief_ids_leaves_the_others_known, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_wrong_candidate_is_compared_and_refused, set_up_open, tear_down),
    cmocka_unit_test_setup_teardown(a_start_after_a_kill_knows_what_was_known, set_up, tear_down),
    cmocka_unit_test_setup_teardown(the_time_in_which_the_store_is_not_open_does_not_count, set_up,
                                    tear_down),
    cmocka_unit_test_setup_teardown(a_deleted_record_leaves_its_first_answer, set_up_few, tear_down),
    cmocka_unit_test_setup_teardown(a_first_answer_of_a_deleted_record_outlives_a_kill, set_up_few,
                                    tear_down),
    cmocka_unit_test_setup_teardown(receipts_that_nobody_knows_are_dropped_at_a_start, set_up_few, tear_down),
    cmocka_unit_test_setup_teardown(without_ids_there_are_no_receipts, set_up_few, tear_down),
};

RJ_TEST_MAIN(tests)
