/* The sweep's plan, step by step: what a transaction is told to write, and what may be believed after it. */
#include "tests/unit/test_store_fixture.h"

#include "storage/index.h"

struct plan {
    struct fixture *f;
    struct rj_env env;
    struct rj_store_options options;
    struct rj_limits limits;
    struct rj_store_rooms rooms;
    struct rj_index index;
    struct rj_store_batch *batch;
};

static int set_up_plan(void **state)
{
    struct plan *p = calloc(1, sizeof *p);
    struct rj_buf why = {0};
    set_up((void **)&p->f);
    assert_int_equal(rj_env_open(&p->env, p->f->path, (uint64_t)1 << 30, &why), RJ_OK);
    rj_limits_init(&p->limits, &p->options);
    rj_store_rooms_init(&p->rooms, &p->env, &p->limits, 0);
    rj_index_init(&p->index, &p->rooms, 100, 1);
    p->batch = rj_store_batch_new();
    *state = p;
    return 0;
}

static int tear_down_plan(void **state)
{
    struct plan *p = *state;
    rj_store_batch_free(p->batch);
    rj_store_rooms_free(&p->rooms);
    rj_limits_free(&p->limits);
    rj_env_close(&p->env);
    tear_down((void **)&p->f);
    free(p);
    return 0;
}

static const struct rj_sweep *plan(struct plan *p, size_t quota, uint64_t completed)
{
    rj_store_batch_reset(p->batch);
    rj_index_plan(&p->index, &p->batch->sweep, quota, completed);
    return &p->batch->sweep;
}

static struct rj_store_room *add_room(struct plan *p, const char *key)
{
    return rj_store_rooms_add(&p->rooms, rj_span_str(key));
}

static void add(struct plan *p, struct rj_store_room *room, uint64_t pos)
{
    rj_index_accept(&p->rooms, room, (struct rj_index_entry){pos, 100});
    rj_index_complete(&p->index, room, (struct rj_index_entry){pos, 100});
}

static void a_pass_vouches_only_for_what_was_there_when_it_began(void **state)
{
    struct plan *p = *state;
    struct rj_store_room *a = add_room(p, "a"), *b = add_room(p, "b");
    add(p, a, 1);
    add(p, b, 2);
    const struct rj_sweep *sweep = plan(p, 100, 2); /* a pass that began before anything was completed */
    assert_int_equal(sweep->n_items, 2);
    assert_int_equal(sweep->scan_from, 0);
    rj_index_swept(&p->index, sweep);

    add(p, b, 3);
    sweep = plan(p, 1, 3); /* the pass that began at 2 is on its way through b */
    assert_int_equal(sweep->n_items, 1);
    add(p, a, 4); /* behind its back */
    rj_index_swept(&p->index, sweep);
    sweep = plan(p, 100, 4);
    assert_int_equal(sweep->n_items, 0);
    assert_int_equal(sweep->scan_from, 3);
    rj_index_swept(&p->index, sweep);
    assert_int_equal(p->index.scan_from, 3);
    assert_false(rj_index_is_settled(&p->index, 4));

    sweep = plan(p, 100, 4);
    assert_int_equal(sweep->n_items, 1);
    assert_int_equal(sweep->scan_from, 5);
    assert_true(rj_index_is_settled(&p->index, 4));
}

static void trim(struct plan *p, struct rj_store_room *room, uint64_t seq, uint64_t pos)
{
    p->rooms.trim_pos = pos;
    rj_index_trimmed(&p->index, &(struct rj_trimmed){room->id, seq, pos});
}

static void a_cut_room_is_saved_with_what_was_written_of_it(void **state)
{
    struct plan *p = *state;
    struct rj_store_room *a = add_room(p, "a");
    for (uint64_t pos = 1; pos <= 3; pos++)
        add(p, a, pos);
    rj_index_swept(&p->index, plan(p, 100, 3));
    assert_int_equal(a->indexed_seq, 4);

    /* All three are trimmed while two more wait; the quota ends between deleting and inserting. */
    for (uint64_t pos = 1; pos <= 3; pos++)
        trim(p, a, pos, pos);
    add(p, a, 4);
    add(p, a, 5);
    const struct rj_sweep *sweep = plan(p, 3, 5);
    assert_int_equal(sweep->n_items, 1);
    assert_int_equal(sweep->items[0].delete_from, 1);
    assert_int_equal(sweep->items[0].delete_to, 4);
    assert_int_equal(sweep->items[0].n_insert, 0);
    assert_true(sweep->items[0].is_saved);
    assert_int_equal(sweep->items[0].saved.indexed_seq, 4);
    assert_int_equal(sweep->items[0].saved.floor_seq, 4);
    assert_int_equal(sweep->items[0].saved.floor_pos, 3);
    rj_index_swept(&p->index, sweep);

    rj_index_swept(&p->index, plan(p, 3, 5)); /* the end of the pass */
    sweep = plan(p, 3, 5);
    assert_int_equal(sweep->n_items, 1);
    assert_int_equal(sweep->items[0].insert_seq, 4);
    assert_int_equal(sweep->items[0].n_insert, 2);
    assert_false(sweep->items[0].is_saved);
}

static void the_log_may_drop_only_what_was_trimmed_when_the_pass_began(void **state)
{
    struct plan *p = *state;
    struct rj_store_room *a = add_room(p, "a"), *b = add_room(p, "b");
    add(p, a, 1);
    add(p, b, 2);
    add(p, a, 3);
    rj_index_swept(&p->index, plan(p, 100, 3)); /* a pass begins that has found nothing trimmed */
    trim(p, a, 1, 1);
    rj_index_swept(&p->index, plan(p, 1, 3));
    trim(p, b, 1, 2);
    rj_index_swept(&p->index, plan(p, 1, 3));
    trim(p, a, 2, 3); /* behind its back: this entry is still in the table when the pass ends */
    const struct rj_sweep *sweep = plan(p, 100, 3);
    assert_int_equal(sweep->n_items, 0);
    assert_int_equal(sweep->scan_from, 4);
    assert_int_equal(sweep->purge_upto, 0);
    rj_index_swept(&p->index, sweep);
    assert_false(rj_index_is_settled(&p->index, 3));

    sweep = plan(p, 100, 3);
    assert_int_equal(sweep->n_items, 1);
    assert_int_equal(sweep->items[0].room, a->id);
    assert_int_equal(sweep->purge_upto, 3);
    assert_true(rj_index_is_settled(&p->index, 3));
}

static void a_busy_room_does_not_hold_the_pass_up(void **state)
{
    struct plan *p = *state;
    struct rj_store_room *busy = add_room(p, "busy"), *quiet = add_room(p, "quiet");
    uint64_t pos = 0;
    add(p, quiet, ++pos);
    rj_index_swept(&p->index, plan(p, 100, pos));
    for (int i = 0; i < 10; i++)
        add(p, busy, ++pos);
    add(p, quiet, ++pos);
    /* More arrives in `busy` than the quota takes away; `quiet` is reached all the same. */
    bool is_reached = false;
    for (int turn = 0; turn < 10 && !is_reached; turn++) {
        const struct rj_sweep *sweep = plan(p, 4, pos);
        for (size_t i = 0; i < sweep->n_items; i++)
            is_reached |= sweep->items[i].room == quiet->id;
        rj_index_swept(&p->index, sweep);
        for (int i = 0; i < 8; i++)
            add(p, busy, ++pos);
    }
    assert_true(is_reached);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_pass_vouches_only_for_what_was_there_when_it_began, set_up_plan,
                                    tear_down_plan),
    cmocka_unit_test_setup_teardown(a_cut_room_is_saved_with_what_was_written_of_it, set_up_plan,
                                    tear_down_plan),
    cmocka_unit_test_setup_teardown(the_log_may_drop_only_what_was_trimmed_when_the_pass_began, set_up_plan,
                                    tear_down_plan),
    cmocka_unit_test_setup_teardown(a_busy_room_does_not_hold_the_pass_up, set_up_plan, tear_down_plan),
};
RJ_TEST_MAIN(tests)
