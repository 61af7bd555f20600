/* Questions on a real broker: to clients (Ask) and between backends (Send). */
#include "tests/process/serve_support.h"

static const char *const quick[] = {"--lease", "3000", "--ping", "200", NULL};
static const struct serve_as everything = {.all_events = true};

struct world {
    struct rj_test_broker broker;
    struct rj_test_peer a, b;            /* gateways */
    struct rj_test_peer one, two, three; /* backends */
};

#define PEERS(...) ((struct rj_test_peer *const[]){__VA_ARGS__, NULL})

static void open_world(struct world *world, const char *const args[])
{
    *world = (struct world){0};
    rj_test_broker_start(&world->broker, args);
    open_gateway(&world->broker, &world->a, "gateway-a");
    open_gateway(&world->broker, &world->b, "gateway-b");
    open_backend(&world->broker, &world->one, "one");
}

static void close_world(struct world *world)
{
    rj_test_peer_close(&world->a);
    rj_test_peer_close(&world->b);
    rj_test_peer_close(&world->one);
    rj_test_peer_close(&world->two);
    rj_test_peer_close(&world->three);
    assert_true(rj_test_broker_end(&world->broker));
    rj_test_broker_remove(&world->broker);
}

static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){text ? strlen(text) : 0, (uint8_t *)(uintptr_t)text};
}

/* ------------------------------------------------------------------------------------------ asking clients
 */

static struct who sit(struct rj_test_peer *gateway, uint64_t client, const char *room)
{
    struct who who = enter(gateway, client);
    Rejoin__Reply *reply = rj_test_join(gateway, client, room);
    assert_true(reply && !reply->error);
    return who;
}

/* `id` 0: the next one. */
static uint64_t say_ask_of(struct rj_test_peer *backend, const char *nsp, Rejoin__Target target,
                           uint32_t timeout_ms, uint32_t max_answers, uint64_t id)
{
    Rejoin__Target *targets[] = {&target};
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    Rejoin__Ask ask = REJOIN__ASK__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    message.namespace_ = (char *)(uintptr_t)nsp;
    message.targets = targets;
    message.n_targets = 1;
    message.event = "poll";
    message.plain = true;
    message.data = bytes_of("[\"ready?\"]");
    ask.message = &message;
    ask.timeout_ms = timeout_ms;
    ask.max_answers = max_answers;
    command.id = id;
    command.kind_case = REJOIN__COMMAND__KIND_ASK;
    command.ask = &ask;
    return rj_test_peer_command(backend, 0, &command);
}

static uint64_t say_ask(struct rj_test_peer *backend, const char *nsp, const char *room, uint32_t timeout_ms,
                        uint32_t max_answers, uint64_t id)
{
    Rejoin__Target target = REJOIN__TARGET__INIT;
    target.name = (char *)(uintptr_t)room;
    return say_ask_of(backend, nsp, target, timeout_ms, max_answers, id);
}

static void say_asked(struct rj_test_peer *gateway, uint64_t ask, const char *const sids[])
{
    Rejoin__Asked asked = REJOIN__ASKED__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    asked.ask = ask;
    asked.sids = (char **)(uintptr_t)sids;
    while (sids[asked.n_sids])
        asked.n_sids++;
    item.kind_case = REJOIN__ITEM__KIND_ASKED;
    item.asked = &asked;
    rj_test_peer_put(gateway, &item);
    rj_test_peer_flush(gateway);
}

/* `args` NULL: the client has left. */
static void say_ask_answer(struct rj_test_peer *gateway, uint64_t ask, const char *sid, const char *args)
{
    Rejoin__AskAnswer answer = REJOIN__ASK_ANSWER__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    answer.ask = ask;
    answer.sid = (char *)(uintptr_t)sid;
    answer.left = !args;
    answer.args = bytes_of(args);
    item.kind_case = REJOIN__ITEM__KIND_ASK_ANSWER;
    item.ask_answer = &answer;
    rj_test_peer_put(gateway, &item);
    rj_test_peer_flush(gateway);
}

static uint64_t get_ask(struct rj_test_peer *gateway)
{
    Rejoin__Deliver *deliver = rj_test_peer_deliver(gateway, 0, RJ_TEST_DEADLINE_MS);
    assert_non_null(deliver);
    assert_true(deliver->ask > 0);
    assert_int_equal(deliver->pos, 0);
    assert_string_equal(deliver->message->event, "poll");
    assert_true(deliver->message->plain);
    return deliver->ask;
}

static Rejoin__AskResult *result_of(Rejoin__Reply *reply)
{
    assert_non_null(reply);
    assert_null(reply->error);
    assert_int_equal(reply->result_case, REJOIN__REPLY__RESULT_ASK);
    return reply->ask;
}

static Rejoin__AskResult *get_result(struct rj_test_peer *backend, uint64_t command)
{
    return result_of(rj_test_peer_reply(backend, command));
}

/* What that client has answered; NULL: nothing. */
static const Rejoin__AskResult__One *answer_of(const Rejoin__AskResult *result, const struct who *who)
{
    for (size_t i = 0; i < result->n_answers; i++)
        if (strcmp(result->answers[i]->sid, who->sid) == 0)
            return result->answers[i];
    return NULL;
}

static void all_clients_answers_come_back_in_one_result(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = sit(&world.a, 1, "tea"), bob = sit(&world.a, 2, "tea"), eve = sit(&world.b, 1, "tea");
    sit(&world.b, 2, "coffee");
    uint64_t command = say_ask(&world.one, "/", "tea", 0, 0, 0);
    uint64_t ask = get_ask(&world.a);
    assert_int_equal(get_ask(&world.b), ask);
    say_asked(&world.a, ask, (const char *[]){ann.sid, bob.sid, NULL});
    say_ask_answer(&world.a, ask, ann.sid, "[\"yes\"]");
    say_ask_answer(&world.a, ask, ann.sid, "[\"twice\"]");
    say_ask_answer(&world.a, ask, bob.sid, NULL);
    assert_none(&world.one, REJOIN__ITEM__KIND_REPLY);
    say_asked(&world.b, ask, (const char *[]){eve.sid, NULL});
    say_ask_answer(&world.b, ask, eve.sid, ""); /* an ack without arguments */
    Rejoin__AskResult *result = get_result(&world.one, command);
    assert_int_equal(result->asked, 3);
    assert_int_equal(result->n_answers, 2);
    assert_memory_equal(answer_of(result, &ann)->args.data, "[\"yes\"]", 7);
    assert_memory_equal(answer_of(result, &eve)->args.data, "[]", 2);
    assert_int_equal(result->n_missing, 1);
    assert_string_equal(result->missing[0], bob.sid);
    assert_false(result->truncated);
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_asks_open") == 0);
    close_world(&world);
}

static void a_whole_namespace_and_one_socket_can_be_asked(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    Rejoin__Target everyone = REJOIN__TARGET__INIT, socket = REJOIN__TARGET__INIT;
    struct who ann = enter(&world.a, 1), eve = enter(&world.b, 1);
    everyone.kind = REJOIN__TARGET__KIND__NAMESPACE;
    uint64_t command = say_ask_of(&world.one, "/", everyone, 0, 0, 0);
    say_asked(&world.a, get_ask(&world.a), (const char *[]){ann.sid, NULL});
    uint64_t ask = get_ask(&world.b);
    say_asked(&world.b, ask, (const char *[]){eve.sid, NULL});
    say_ask_answer(&world.a, ask, ann.sid, "[1]");
    say_ask_answer(&world.b, ask, eve.sid, "[2]");
    assert_int_equal(get_result(&world.one, command)->n_answers, 2);
    socket.kind = REJOIN__TARGET__KIND__SOCKET;
    socket.name = eve.sid;
    command = say_ask_of(&world.one, "/", socket, 1234, 0, 0);
    Rejoin__Deliver *deliver = rj_test_peer_deliver(&world.b, 0, RJ_TEST_DEADLINE_MS);
    assert_non_null(deliver);
    assert_int_equal(deliver->ask_ms, 1234);
    say_asked(&world.b, deliver->ask, (const char *[]){eve.sid, NULL});
    say_ask_answer(&world.b, deliver->ask, eve.sid, "[3]");
    assert_int_equal(get_result(&world.one, command)->n_answers, 1);
    assert_none(&world.a, REJOIN__ITEM__KIND_DELIVER);
    close_world(&world);
}

static void those_that_do_not_answer_in_time_are_missing(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = sit(&world.a, 1, "tea"), bob = sit(&world.a, 2, "tea");
    sit(&world.b, 1, "tea"); /* its gateway does not even say whom it asked */
    uint64_t command = say_ask(&world.one, "/", "tea", 300, 0, 0);
    uint64_t ask = get_ask(&world.a);
    say_asked(&world.a, ask, (const char *[]){ann.sid, bob.sid, NULL});
    say_ask_answer(&world.a, ask, ann.sid, "[1]");
    Rejoin__AskResult *result = get_result(&world.one, command);
    assert_int_equal(result->asked, 2);
    assert_non_null(answer_of(result, &ann));
    assert_int_equal(result->n_missing, 1);
    assert_string_equal(result->missing[0], bob.sid);
    say_ask_answer(&world.a, ask, bob.sid, "[2]"); /* too late: nothing */
    assert_true(rj_test_peer_metric(&world.a, "rejoin_broker_asks_timed_out_total") == 1);
    close_world(&world);
}

static void enough_answers_end_a_question_early(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = sit(&world.a, 1, "tea"), bob = sit(&world.a, 2, "tea");
    uint64_t command = say_ask(&world.one, "/", "tea", 0, 1, 0);
    uint64_t ask = get_ask(&world.a);
    say_asked(&world.a, ask, (const char *[]){ann.sid, bob.sid, NULL});
    say_ask_answer(&world.a, ask, bob.sid, "[1]");
    Rejoin__AskResult *result = get_result(&world.one, command);
    assert_int_equal(result->n_answers, 1);
    assert_int_equal(result->n_missing, 0);
    assert_int_equal(result->asked, 2);
    close_world(&world);
}

static void a_question_to_nobody_is_answered_at_once(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, quick);
    sit(&world.a, 1, "tea");
    Rejoin__AskResult *result = get_result(&world.one, say_ask(&world.one, "/", "coffee", 0, 0, 0));
    assert_int_equal(result->asked, 0);
    assert_int_equal(result->n_answers + result->n_missing, 0);
    assert_failed(&world.one, say_ask(&world.one, "/none", "tea", 0, 0, 0), "invalid_namespace");
    assert_failed(&world.one, say_ask(&world.one, "/", "", 0, 0, 0), "bad_name");
    Rejoin__Ask empty = REJOIN__ASK__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_ASK;
    command.ask = &empty;
    assert_failed(&world.one, rj_test_peer_command(&world.one, 0, &command), "bad_request");
    command.id = 0;
    assert_failed(&world.a, rj_test_peer_command(&world.a, 0, &command), "bad_request");
    close_world(&world);
}

static void clients_of_a_lost_gateway_are_missing(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, quick);
    struct who ann = sit(&world.a, 1, "tea"), eve = sit(&world.b, 1, "tea");
    uint64_t command = say_ask(&world.one, "/", "tea", 60000, 0, 0);
    uint64_t ask = get_ask(&world.a);
    say_asked(&world.a, ask, (const char *[]){ann.sid, NULL});
    say_ask_answer(&world.a, ask, ann.sid, "[1]");
    say_asked(&world.b, get_ask(&world.b), (const char *[]){eve.sid, NULL});
    Rejoin__Item *item = wait_for(&world.one, REJOIN__ITEM__KIND_REPLY, PEERS(&world.a)); /* b is silent */
    assert_int_equal(item->reply->id, command);
    Rejoin__AskResult *result = result_of(item->reply);
    assert_int_equal(result->n_answers, 1);
    assert_int_equal(result->n_missing, 1);
    assert_string_equal(result->missing[0], eve.sid);
    close_world(&world);
}

static void a_gateway_whose_stream_ended_before_it_said_whom_it_asked_is_not_waited_for(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    sit(&world.a, 1, "tea");
    uint64_t command = say_ask(&world.one, "/", "tea", 60000, 0, 0);
    uint64_t ask = get_ask(&world.a);
    rj_test_peer_close(&world.a);
    open_gateway(&world.broker, &world.a, "gateway-a");
    say_asked(&world.a, ask, (const char *[]){NULL}); /* of the stream before: means nothing */
    Rejoin__AskResult *result = get_result(&world.one, command);
    assert_int_equal(result->asked, 0);
    close_world(&world);
}

static void a_repeated_question_is_not_asked_again(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = sit(&world.a, 1, "tea");
    uint64_t command = say_ask(&world.one, "/", "tea", 60000, 0, 0);
    uint64_t ask = get_ask(&world.a);
    say_asked(&world.a, ask, (const char *[]){ann.sid, NULL});
    for (int i = 0; i < 2; i++) { /* under way, then answered */
        rj_test_peer_close(&world.one);
        open_backend(&world.broker, &world.one, "one");
        say_ask(&world.one, "/", "tea", 60000, 0, command);
        if (i == 0)
            say_ask_answer(&world.a, ask, ann.sid, "[1]");
        Rejoin__AskResult *result = get_result(&world.one, command);
        assert_non_null(answer_of(result, &ann));
    }
    assert_none(&world.a, REJOIN__ITEM__KIND_DELIVER);
    assert_true(rj_test_peer_metric(&world.a, "rejoin_broker_asks_total") == 1);
    close_world(&world);
}

static void answers_that_are_none_are_left_out(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    struct who ann = sit(&world.a, 1, "tea"), eve = sit(&world.b, 1, "tea");
    uint64_t command = say_ask(&world.one, "/", "tea", 0, 0, 0);
    uint64_t ask = get_ask(&world.a);
    get_ask(&world.b);
    say_ask_answer(&world.a, 12345, ann.sid, "[1]");
    say_asked(&world.a, 12345, (const char *[]){ann.sid, NULL});
    say_asked(&world.a, ask, (const char *[]){ann.sid, "\xff", "short", NULL});
    say_asked(&world.a, ask, (const char *[]){eve.sid, NULL}); /* said once already */
    assert_true(rj_test_peer_metric(&world.a, "rejoin_broker_asks_open") == 1);
    say_ask_answer(&world.b, ask, ann.sid, "[\"not mine\"]");
    say_asked(&world.b, ask, (const char *[]){eve.sid, NULL});
    say_ask_answer(&world.b, ask, eve.sid, "{\"not\":\"an array\"}");
    assert_none(&world.one, REJOIN__ITEM__KIND_REPLY);
    say_ask_answer(&world.a, ask, ann.sid, "[1]");
    Rejoin__AskResult *result = get_result(&world.one, command);
    assert_int_equal(result->asked, 2);
    assert_int_equal(result->n_answers, 1);
    assert_memory_equal(answer_of(result, &ann)->args.data, "[1]", 3);
    assert_int_equal(result->n_missing, 1);
    close_world(&world);
}

static void questions_and_their_answers_are_bounded(void **state)
{
    (void)state;
    enum { N = 5 };
    struct world world;
    struct who who[N];
    const char *sids[N + 1] = {NULL};
    static char big[10000];
    open_world(&world,
               (const char *[]){"--max-frame", "65536", "--max-data", "20000", "--max-asks", "1", NULL});
    memset(big, 'x', sizeof big);
    memcpy(big, "[\"", 2);
    memcpy(big + sizeof big - 3, "\"]", 3);
    for (size_t i = 0; i < N; i++) {
        who[i] = sit(&world.a, i + 1, "tea");
        sids[i] = who[i].sid;
    }
    uint64_t command = say_ask(&world.one, "/", "tea", 0, 0, 0);
    uint64_t ask = get_ask(&world.a);
    assert_failed(&world.one, say_ask(&world.one, "/", "tea", 0, 0, 0), "busy");
    say_asked(&world.a, ask, sids);
    for (size_t i = 0; i < N; i++)
        say_ask_answer(&world.a, ask, sids[i], big);
    Rejoin__AskResult *result = get_result(&world.one, command);
    assert_true(result->truncated);
    assert_int_equal(result->asked, N);
    assert_int_equal(result->n_answers, 3); /* half a frame of 64 KiB */
    assert_int_equal(result->n_missing, 0);
    command = say_ask(&world.one, "/", "tea", 0, 1, 0);
    ask = get_ask(&world.a);
    say_asked(&world.a, ask, sids);
    say_ask_answer(&world.a, ask, sids[0], "[1]");
    assert_int_equal(get_result(&world.one, command)->n_answers, 1);
    close_world(&world);
}

/* Asks all, who answer with so many bytes each. */
static Rejoin__AskResult *ask_for(struct world *world, const char *const sids[], size_t bytes)
{
    static char answer[10000];
    memset(answer, 'x', bytes);
    memcpy(answer, "[\"", 2);
    memcpy(answer + bytes - 2, "\"]", 3);
    uint64_t command = say_ask(&world->one, "/", "tea", 0, 0, 0);
    uint64_t ask = get_ask(&world->a);
    say_asked(&world->a, ask, sids);
    for (size_t i = 0; sids[i]; i++)
        say_ask_answer(&world->a, ask, sids[i], answer);
    return get_result(&world->one, command);
}

static void what_all_open_questions_hold_is_bounded(void **state)
{
    (void)state;
    enum { N = 4 };
    struct world world;
    struct who who[N];
    const char *sids[N + 1] = {NULL};
    open_world(&world, (const char *[]){"--max-ask-bytes", "10000", NULL});
    for (size_t i = 0; i < N; i++) {
        who[i] = sit(&world.a, i + 1, "tea");
        sids[i] = who[i].sid;
    }
    for (int twice = 0; twice < 2; twice++) { /* it is given back */
        Rejoin__AskResult *result = ask_for(&world, sids, 1500);
        assert_int_equal(result->n_answers, N);
        assert_false(result->truncated);
        result = ask_for(&world, sids, 3500);
        assert_int_equal(result->asked, N);
        assert_int_equal(result->n_answers, 2);
        assert_true(result->truncated);
    }
    close_world(&world);
}

/* ------------------------------------------------------------------------------------------ other backends
 */

struct send_as {
    const char *nsp, *group;
    bool wants_answers;
    uint32_t timeout_ms;
};

static uint64_t say_send(struct rj_test_peer *backend, const struct send_as *as)
{
    Rejoin__Send send = REJOIN__SEND__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    send.namespace_ = (char *)(uintptr_t)(as->nsp ? as->nsp : "");
    send.group = (char *)(uintptr_t)(as->group ? as->group : "");
    send.name = "reload";
    send.args = bytes_of("[\"prices\"]");
    send.wants_answers = as->wants_answers;
    send.timeout_ms = as->timeout_ms;
    command.kind_case = REJOIN__COMMAND__KIND_SEND;
    command.send = &send;
    return rj_test_peer_command(backend, 0, &command);
}

static Rejoin__SendResult *get_sent(struct rj_test_peer *backend, uint64_t command)
{
    Rejoin__Reply *reply = rj_test_peer_reply(backend, command);
    assert_non_null(reply);
    assert_null(reply->error);
    assert_int_equal(reply->result_case, REJOIN__REPLY__RESULT_SEND);
    return reply->send;
}

static void open_others(struct world *world)
{
    open_backend(&world->broker, &world->two, "two");
    open_backend(&world->broker, &world->three, "three");
}

static void a_word_reaches_each_other_backend_of_a_namespace_once(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    open_others(&world);
    static const char *const shop[] = {"/shop", NULL};
    serve(&world.one, &everything);
    serve(&world.two, &everything);
    serve(&world.two, &(struct serve_as){.group = "audit", .sockets = true});
    serve(&world.three, &(struct serve_as){.group = "audit", .namespaces = shop, .sockets = true});
    /* The last Serve of a group holds for all of it. */
    assert_int_equal(get_sent(&world.one, say_send(&world.one, &(struct send_as){.nsp = "/"}))->sent, 1);
    Rejoin__Item *item = rj_test_peer_expect(&world.two, REJOIN__ITEM__KIND_TOLD, RJ_TEST_DEADLINE_MS);
    assert_non_null(item);
    Rejoin__Note *note = item->told->sent;
    assert_string_equal(note->from, "workers");
    assert_string_equal(note->instance, "one");
    assert_string_equal(note->namespace_, "/");
    assert_string_equal(note->name, "reload");
    assert_memory_equal(note->args.data, "[\"prices\"]", note->args.len);
    assert_int_equal(get_sent(&world.one, say_send(&world.one, &(struct send_as){.group = "audit"}))->sent,
                     2);
    assert_int_equal(get_sent(&world.one, say_send(&world.one, &(struct send_as){.nsp = "/shop"}))->sent, 2);
    assert_int_equal(
        get_sent(&world.one, say_send(&world.one, &(struct send_as){.nsp = "/", .group = "audit"}))->sent, 0);
    assert_int_equal(
        get_sent(&world.three, say_send(&world.three, &(struct send_as){.nsp = "/", .group = "workers"}))
            ->sent,
        2);
    assert_failed(&world.one, say_send(&world.one, &(struct send_as){.nsp = ""}), "bad_request");
    assert_failed(&world.a, say_send(&world.a, &(struct send_as){.nsp = "/"}), "bad_request");
    assert_none(&world.three, REJOIN__ITEM__KIND_JOB);
    assert_non_null(rj_test_peer_expect(&world.one, REJOIN__ITEM__KIND_TOLD, RJ_TEST_DEADLINE_MS));
    assert_none(&world.one, REJOIN__ITEM__KIND_TOLD);
    close_world(&world);
}

static void answers_of_other_backends_come_back_with_who_is_missing(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, NULL);
    open_others(&world);
    struct rj_test_peer four = {0};
    open_backend(&world.broker, &four, "four");
    serve(&world.two, &everything);
    serve(&world.three, &everything);
    serve(&four, &everything);
    uint64_t command =
        say_send(&world.one, &(struct send_as){.nsp = "/", .wants_answers = true, .timeout_ms = 500});
    Rejoin__Job *job = get_job(&world.two);
    assert_int_equal(job->what_case, REJOIN__JOB__WHAT_SENT);
    assert_string_equal(job->group, "workers");
    assert_string_equal(job->sent->name, "reload");
    assert_string_equal(job->sent->instance, "one");
    assert_null(answer(&world.two, job->id, "[\"ok\"]")->error);
    assert_null(refuse(&world.three, get_job(&world.three)->id, "not_now", "later", NULL)->error);
    Rejoin__SendResult *result = get_sent(&world.one, command);
    assert_int_equal(result->sent, 3);
    assert_int_equal(result->n_answers, 2);
    for (size_t i = 0; i < 2; i++) {
        const Rejoin__SendResult__One *one = result->answers[i];
        assert_string_equal(one->from, "workers");
        if (strcmp(one->instance, "two") == 0)
            assert_memory_equal(one->args.data, "[\"ok\"]", 6);
        else
            assert_string_equal(one->error->code, "not_now");
    }
    assert_int_equal(result->n_missing, 1);
    assert_string_equal(result->missing[0], "four");
    assert_true(rj_test_peer_metric(&world.one, "rejoin_broker_jobs") == 0);
    rj_test_peer_close(&four);
    close_world(&world);
}

static void a_backend_that_is_lost_or_too_far_behind_is_missing(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, (const char *[]){"--lease", "3000", "--ping", "200", "--handler-queue", "1", NULL});
    open_others(&world);
    serve(&world.two, &(struct serve_as){.all_events = true, .window = 1});
    const struct send_as question = {.nsp = "/", .wants_answers = true, .timeout_ms = 60000};
    uint64_t first = say_send(&world.one, &question);
    get_job(&world.two);
    uint64_t second = say_send(&world.one, &question);
    Rejoin__SendResult *result = get_sent(&world.one, say_send(&world.one, &question));
    assert_int_equal(result->sent, 0);
    assert_int_equal(result->n_missing, 1);
    assert_string_equal(result->missing[0], "two");
    wait_for(&world.one, REJOIN__ITEM__KIND_REPLY, PEERS(&world.a, &world.three)); /* two is silent */
    result = get_sent(&world.one, second);
    assert_int_equal(result->sent, 1);
    assert_int_equal(result->n_missing, 1);
    (void)first;
    close_world(&world);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(all_clients_answers_come_back_in_one_result),
    cmocka_unit_test(a_whole_namespace_and_one_socket_can_be_asked),
    cmocka_unit_test(those_that_do_not_answer_in_time_are_missing),
    cmocka_unit_test(enough_answers_end_a_question_early),
    cmocka_unit_test(a_question_to_nobody_is_answered_at_once),
    cmocka_unit_test(clients_of_a_lost_gateway_are_missing),
    cmocka_unit_test(a_gateway_whose_stream_ended_before_it_said_whom_it_asked_is_not_waited_for),
    cmocka_unit_test(a_repeated_question_is_not_asked_again),
    cmocka_unit_test(answers_that_are_none_are_left_out),
    cmocka_unit_test(questions_and_their_answers_are_bounded),
    cmocka_unit_test(what_all_open_questions_hold_is_bounded),
    cmocka_unit_test(a_word_reaches_each_other_backend_of_a_namespace_once),
    cmocka_unit_test(answers_of_other_backends_come_back_with_who_is_missing),
    cmocka_unit_test(a_backend_that_is_lost_or_too_far_behind_is_missing),
};

RJ_TEST_MAIN(tests)
