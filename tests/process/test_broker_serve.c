/* Serving on a real broker: who gets which socket and event, in which order, whatever ends in between. */
#include "tests/process/serve_support.h"

static const struct serve_as everything = {.all_events = true};

struct world {
    struct rj_test_broker broker;
    struct rj_test_peer gateway, one, two; /* backends */
};

static void open_world(struct world *world, const char *const args[])
{
    *world = (struct world){0};
    rj_test_broker_start(&world->broker, args);
    open_gateway(&world->broker, &world->gateway, "gateway-a");
    open_backend(&world->broker, &world->one, "one");
}

static void close_world(struct world *world)
{
    rj_test_peer_close(&world->gateway);
    rj_test_peer_close(&world->one);
    rj_test_peer_close(&world->two);
    assert_true(rj_test_broker_end(&world->broker));
    rj_test_broker_remove(&world->broker);
}

/* ------------------------------------------------------------------------------------------ events */

static void an_event_goes_to_the_backend_that_serves_it_and_its_answer_is_the_ack(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    Rejoin__Served *served = serve(&world.one, &everything);
    assert_int_equal(served->window, 1000);
    assert_int_equal(served->timeout_ms, 10000);
    assert_int_equal(served->sockets, 0);
    struct who who = enter(&world.gateway, 1);
    rj_test_join(&world.gateway, 1, "tea");
    uint64_t event = say_event(&world.gateway, 1, "order", "[\"milk\",2]", 0, false);
    Rejoin__Opened *opened = get_opened(&world.one);
    assert_string_equal(opened->group, "workers");
    assert_string_equal(opened->socket->sid, who.sid);
    assert_string_equal(opened->socket->namespace_, "/");
    assert_false(opened->adopted || opened->recovered);
    Rejoin__Job *job = get_event(&world.one, "order");
    assert_string_equal(job->sid, who.sid);
    assert_string_equal(job->group, "workers");
    assert_string_equal(job->namespace_, "/");
    assert_memory_equal(job->event->args.data, "[\"milk\",2]", 10);
    assert_true(job->event->wants_ack && !job->repeated);
    assert_true(job->timeout_ms > 5000 && job->timeout_ms <= 10000);
    assert_null(answer(&world.one, job->id, "[\"done\"]")->error);
    assert_acked(&world.gateway, event, "[\"done\"]");
    assert_null(answer(&world.one, job->id, "[\"again\"]")->error); /* harmless */

    /* And an ack without arguments. */
    event = say_event(&world.gateway, 1, "order", "[]", 0, false);
    assert_null(answer(&world.one, get_event(&world.one, "order")->id, NULL)->error);
    assert_acked(&world.gateway, event, "[]");
    close_world(&world);
}

static void an_event_that_nobody_takes_has_no_handler(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    enter(&world.gateway, 1);
    assert_failed(&world.gateway, say_event(&world.gateway, 1, "order", "[]", 0, false), "no_handler");
    serve(&world.one, &(struct serve_as){.events = (const char *[]){"order", "user:*", NULL}});
    assert_failed(&world.gateway, say_event(&world.gateway, 1, "other", "[]", 0, false), "no_handler");
    say_event(&world.gateway, 1, "user:add", "[]", 0, false);
    get_event(&world.one, "user:add");
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_events_without_handler_total") == 2);
    close_world(&world);
}

static void the_first_group_by_name_that_takes_an_event_gets_it(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    open_backend(&world.broker, &world.two, "two");
    serve(&world.one, &(struct serve_as){.group = "zebra", .all_events = true});
    serve(&world.two, &(struct serve_as){.group = "ant", .events = (const char *[]){"order", NULL}});
    struct who who = enter(&world.gateway, 1);
    say_event(&world.gateway, 1, "order", "[]", 0, false);
    say_event(&world.gateway, 1, "pay", "[]", 0, false);
    get_event(&world.two, "order");
    get_event(&world.one, "pay");
    assert_string_equal(get_opened(&world.one)->socket->sid, who.sid);
    assert_string_equal(get_opened(&world.two)->socket->sid, who.sid);
    assert_none(&world.one, REJOIN__ITEM__KIND_JOB);
    assert_none(&world.two, REJOIN__ITEM__KIND_JOB);
    close_world(&world);
}

static void a_refusal_is_the_error_of_the_ack(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.one, &everything);
    enter(&world.gateway, 1);
    uint64_t event = say_event(&world.gateway, 1, "order", "[]", 0, false);
    assert_null(refuse(&world.one, get_job(&world.one)->id, "sold_out", "no milk", NULL)->error);
    Rejoin__Reply *reply = rj_test_peer_reply(&world.gateway, event);
    assert_true(rj_test_failed_with(reply, "sold_out"));
    assert_string_equal(reply->error->message, "no milk");
    close_world(&world);
}

static void answers_that_are_none_cost_their_sender_alone(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    serve(&world.one, &everything);
    enter(&world.gateway, 1);
    uint64_t event = say_event(&world.gateway, 1, "order", "[]", 0, false);
    Rejoin__Job *job = get_job(&world.one);
    static const char *const bad[] = {"{}", "[", "[\"\xff\"]", "[{\"_placeholder\":true,\"num\":0}]", "1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_true(rj_test_failed_with(answer(&world.one, job->id, bad[i]), "bad_request"));
    assert_true(rj_test_failed_with(refuse(&world.one, job->id, "\xff", "", NULL), "bad_request"));
    assert_true(rj_test_failed_with(refuse(&world.one, job->id, "code", "", "{"), "bad_request"));
    assert_null(answer(&world.one, 12345, "[]")->error); /* unknown: as if it had been answered */
    assert_null(answer(&world.one, 0, "[]")->error);
    assert_null(answer(&world.one, job->id, "[1]")->error);
    assert_acked(&world.gateway, event, "[1]");

    /* Another backend's answer is none. */
    open_backend(&world.broker, &world.two, "two");
    event = say_event(&world.gateway, 1, "order", "[]", 0, false);
    job = get_job(&world.one);
    uint64_t id = job->id;
    assert_true(rj_test_failed_with(answer(&world.two, id, "[\"mine\"]"), "conflict"));
    assert_null(answer(&world.one, id, "[\"yes\"]")->error);
    assert_acked(&world.gateway, event, "[\"yes\"]");
    assert_null(answer(&world.one, id, "[\"yes\"]")->error); /* as it is repeated on a next stream */
    close_world(&world);
}

static void serves_that_are_none_are_told(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    static char long_name[300];
    memset(long_name, 'x', sizeof long_name - 1);
    const struct {
        struct serve_as as;
        const char *code;
    } cases[] = {
        {{.group = ""}, "bad_name"},
        {{.group = "\xff"}, "bad_name"},
        {{.group = long_name}, "bad_name"},
        {{.namespaces = (const char *[]){NULL}}, "bad_request"},
        {{.namespaces = (const char *[]){"", NULL}}, "bad_name"},
        {{.events = (const char *[]){long_name, NULL}}, "bad_name"},
        {{.events = (const char *[]){"*a*a*a*a*a*a*a*a*a", NULL}}, "bad_name"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_failed(&world.one, say_serve(&world.one, &cases[i].as), cases[i].code);
    assert_null(unserve(&world.one, "nobody", true)->error);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_groups") == 0);
    assert_true(rj_test_failed_with(
        rj_test_peer_reply(&world.gateway, say_serve(&world.gateway, &everything)), "bad_request"));
    close_world(&world);
}

static void a_handler_past_its_deadline_gives_a_timeout(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    Rejoin__Served *served = serve(&world.one, &(struct serve_as){.all_events = true, .timeout_ms = 100});
    assert_int_equal(served->timeout_ms, 100);
    enter(&world.gateway, 1);
    uint64_t event = say_event(&world.gateway, 1, "order", "[]", 0, false);
    Rejoin__Job *job = get_job(&world.one);
    assert_failed(&world.gateway, event, "timeout");
    assert_true(rj_test_failed_with(answer(&world.one, job->id, "[\"late\"]"), "timeout"));
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_jobs_timed_out_total") == 1);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_jobs_answered_late_total") == 1);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_jobs_answered_total") == 0);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_jobs") == 0);
    served = serve(&world.one, &(struct serve_as){.all_events = true, .timeout_ms = 99999999});
    assert_int_equal(served->timeout_ms, 60000);
    close_world(&world);
}

static void what_waits_past_the_window_is_bounded_and_keeps_its_order(void **state)
{
    (void)state;
    struct world world;
    uint64_t events[5];
    open_world(&world, (const char *[]){"--handler-queue", "3", NULL});
    serve(&world.one, &(struct serve_as){.all_events = true, .window = 1});
    enter(&world.gateway, 1);
    events[0] = say_event(&world.gateway, 1, "a", "[]", 0, false);
    Rejoin__Job *job = get_event(&world.one, "a");
    events[1] = say_event(&world.gateway, 1, "b", "[]", 0, false);
    events[2] = say_event(&world.gateway, 1, "c", "[]", 0, false);
    events[3] = say_event(&world.gateway, 1, "d", "[]", 0, false);
    assert_failed(&world.gateway, say_event(&world.gateway, 1, "e", "[]", 0, false), "busy");
    assert_none(&world.one, REJOIN__ITEM__KIND_JOB);
    static const char *const names[] = {"b", "c", "d"};
    for (size_t i = 0; i < 3; i++) {
        answer(&world.one, job->id, "[]");
        job = get_event(&world.one, names[i]);
    }
    answer(&world.one, job->id, "[]");
    for (size_t i = 0; i < 4; i++)
        assert_acked(&world.gateway, events[i], "[]");
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_jobs_refused_total") == 1);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_jobs_answered_total") == 4);
    close_world(&world);
}

static void the_size_of_what_waits_is_bounded_too(void **state)
{
    (void)state;
    struct world world;
    static char big[40000];
    open_world(&world, (const char *[]){"--handler-queue-bytes", "100000", NULL});
    memset(big, 'x', sizeof big);
    memcpy(big, "[\"", 2);
    memcpy(big + sizeof big - 3, "\"]", 3);
    serve(&world.one, &(struct serve_as){.all_events = true, .window = 1});
    enter(&world.gateway, 1);
    for (int i = 0; i < 3; i++)
        say_event(&world.gateway, 1, "big", big, 0, false);
    assert_failed(&world.gateway, say_event(&world.gateway, 1, "small", "[]", 0, false), "busy");
    answer(&world.one, get_event(&world.one, "big")->id, NULL);
    get_event(&world.one, "big");
    say_event(&world.gateway, 1, "small", "[]", 0, false);
    assert_true(rj_test_peer_metric(&world.gateway, "rejoin_broker_jobs") == 3);
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ floods */

/* So many that a whole frame takes the broker longer than an answer takes. */
#if defined __SANITIZE_THREAD__ || defined __SANITIZE_ADDRESS__
enum { FLOOD = 40000 };
#else
enum { FLOOD = 200000 };
#endif

/* The same frame of very many commands, several times. */
static void flood(struct rj_test_peer *backend, int times)
{
    Rejoin__Answer answer = REJOIN__ANSWER__INIT;
    for (int i = 0; i < FLOOD; i++) {
        Rejoin__Command command = REJOIN__COMMAND__INIT;
        answer.job = 1;
        command.kind_case = REJOIN__COMMAND__KIND_ANSWER;
        command.answer = &answer;
        rj_test_peer_add_command(backend, 0, &command);
    }
    rj_wire_seal(&backend->out, 0, 0);
    for (int i = 0; i < times; i++)
        rj_test_peer_send_raw(backend, backend->out.frame.data, backend->out.frame.len);
    rj_wire_clear(&backend->out);
}

/* A gateway is answered in the middle of a frame, another backend between two. */
static void a_flood_from_one_backend_starves_nobody(void **state)
{
    (void)state;
    enum { FRAMES = 8 };
    struct world world;
    open_world(&world, NULL);
    open_backend(&world.broker, &world.two, "two");
    flood(&world.two, FRAMES);
    double seen = 0;
    assert_true(
        rj_eventually(RJ_TEST_DEADLINE_MS,
                      (seen = rj_test_peer_metric(&world.gateway, "rejoin_broker_commands_total")) > 1000));
    assert_true(seen < FLOOD); /* so this came in the middle of the first frame */
    seen = rj_test_peer_metric(&world.one, "rejoin_broker_commands_total");
    assert_true(seen > 1000 && seen < 5.0 * FLOOD);
    assert_true(rj_eventually(
        6 * RJ_TEST_DEADLINE_MS,
        (keep_alive(&world.two),
         rj_test_peer_metric(&world.gateway, "rejoin_broker_commands_total") >= (double)FRAMES * FLOOD)));
    close_world(&world);
}

/* One that does not read gets no more than a bounded share; everybody else goes on. */
static void a_backend_that_does_not_read_stalls_nobody(void **state)
{
    (void)state;
    struct world world;
    static char big[100000];
    memset(big, 'x', sizeof big);
    memcpy(big, "[\"", 2);
    memcpy(big + sizeof big - 3, "\"]", 3);
    open_world(&world, NULL);
    open_backend(&world.broker, &world.two, "two");
    serve(&world.two, &(struct serve_as){.events = (const char *[]){"big", NULL}, .timeout_ms = 60000});
    serve(&world.one, &(struct serve_as){.group = "other", .events = (const char *[]){"small", NULL}});
    enter(&world.gateway, 1);
    for (int i = 0; i < 200; i++) /* 20 MB: more than may be under way */
        say_event(&world.gateway, 1, "big", big, 0, false);
    uint64_t small = say_event(&world.gateway, 1, "small", "[]", 0, false);
    answer(&world.one, get_event(&world.one, "small")->id, "[1]");
    assert_acked(&world.gateway, small, "[1]");
    double given = rj_test_peer_metric(&world.one, "rejoin_broker_jobs_given_total");
    assert_true(given > 30 && given < 60); /* 4 MB */
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_jobs") == 200);
    for (int i = 0; i < 200; i++)
        get_event(&world.two, "big"); /* it reads: all come */
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_event_goes_to_the_backend_that_serves_it_and_its_answer_is_the_ack),
    cmocka_unit_test(an_event_that_nobody_takes_has_no_handler),
    cmocka_unit_test(the_first_group_by_name_that_takes_an_event_gets_it),
    cmocka_unit_test(a_refusal_is_the_error_of_the_ack),
    cmocka_unit_test(answers_that_are_none_cost_their_sender_alone),
    cmocka_unit_test(serves_that_are_none_are_told),
    cmocka_unit_test(a_handler_past_its_deadline_gives_a_timeout),
    cmocka_unit_test(what_waits_past_the_window_is_bounded_and_keeps_its_order),
    cmocka_unit_test(the_size_of_what_waits_is_bounded_too),
    cmocka_unit_test(a_flood_from_one_backend_starves_nobody),
    cmocka_unit_test(a_backend_that_does_not_read_stalls_nobody),
};

RJ_TEST_MAIN(tests)
