/* Serving under random comings and goings: clients connect, rejoin, take over and leave at two gateways while
 * they send events; gateways begin new streams and repeat what was not answered; backends answer late, leave,
 * come back on new streams, and are lost.
 *
 * What every backend must see on each of its streams is checked item by item against what it was told before:
 * a socket is opened before anything else of it and once until it is closed; its events come in the order in
 * which they were sent; one that may have been given before says so, and none is ever given as two jobs. At
 * the end every event has had exactly one answer, and nothing is left over.
 */
#include "tests/process/serve_support.h"

enum {
    GATEWAYS = 2,
    BACKENDS = 4, /* the last one only watches sockets */
    CLIENTS = 24,
    VIEWS_MAX = 400, /* sockets that one knows, those with it that went while it was slow included */
    EVENTS_MAX = 20000,
    JOBS_MAX = 40000,
    STEPS = 1200,
    PING_MS = 300,
};

/* A user, on whatever gateway. */
struct user {
    char pid[32], sid[32];
    int gateway;     /* -1: not connected */
    uint64_t handle; /* there */
    uint64_t incarnation;
    uint64_t attach;  /* the command under way; 0: none */
    uint64_t connect; /* the command under way; 0: none */
    unsigned said;    /* events, counted over all its connections */
};

struct view {
    char sid[32];
    int last; /* the number of its last event here */
};

struct backend {
    struct rj_test_peer peer;
    char id[24];
    bool is_serving;
    uint64_t pinged_ms;
    size_t seen; /* items looked at */
    struct view open[VIEWS_MAX];
    size_t n_open;
    struct {
        uint64_t id;
    } jobs[JOBS_MAX]; /* to answer */
    size_t n_jobs;
};

struct event {
    int gateway;
    uint64_t command;
    const struct user *user;
    uint64_t handle; /* of the user's connection */
    unsigned number;
    char sid[32];
    uint64_t job; /* as which it was given; 0: not yet */
    bool is_answered;
};

struct world {
    struct rj_test_broker broker;
    struct rj_test_peer gateways[GATEWAYS];
    size_t gateway_seen[GATEWAYS];
    uint64_t gateway_pinged_ms[GATEWAYS];
    uint64_t handles[GATEWAYS];
    struct backend backends[BACKENDS];
    struct user users[CLIENTS];
    struct event events[EVENTS_MAX];
    size_t n_events, n_answered, n_busy;
    uint64_t given[JOBS_MAX]; /* ids of all jobs that were ever given */
    size_t n_given;
    uint64_t random;
};

static unsigned draw(struct world *world, unsigned below)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return (unsigned)(world->random % below);
}

/* A heartbeat of its own: the broker asks for none of a peer that it has something to say to all the time. */
static void ping(struct rj_test_peer *peer, uint64_t *pinged_ms)
{
    Rejoin__Ping ping = REJOIN__PING__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    if (rj_test_now_ms() - *pinged_ms < PING_MS)
        return;
    *pinged_ms = rj_test_now_ms();
    item.kind_case = REJOIN__ITEM__KIND_PING;
    item.ping = &ping;
    rj_test_peer_put(peer, &item);
    rj_test_peer_flush(peer);
}

/* ------------------------------------------------------------------------------------------ backends */

static struct view *find_view(struct backend *backend, const char *sid)
{
    for (size_t i = 0; i < backend->n_open; i++)
        if (strcmp(backend->open[i].sid, sid) == 0)
            return &backend->open[i];
    return NULL;
}

static bool was_given(const struct world *world, uint64_t job)
{
    for (size_t i = world->n_given; i-- > 0;)
        if (world->given[i] == job)
            return true;
    return false;
}

/* An event is one job, whatever is repeated. */
static void check_identity(struct world *world, const Rejoin__Job *job, unsigned number)
{
    for (size_t i = world->n_events; i-- > 0;) {
        struct event *event = &world->events[i];
        if (event->number != number || strcmp(event->sid, job->sid) != 0)
            continue;
        assert_true(event->job == 0 || event->job == job->id);
        event->job = job->id;
        return;
    }
    fail();
}

static void on_job(struct world *world, struct backend *backend, const Rejoin__Job *job)
{
    struct view *view = find_view(backend, job->sid);
    int number = 0;
    assert_non_null(view);
    assert_int_equal(sscanf((const char *)job->event->args.data, "[%d", &number), 1);
    assert_true(number > view->last);
    view->last = number;
    check_identity(world, job, (unsigned)number);
    if (was_given(world, job->id))
        assert_true(job->repeated);
    assert_true(world->n_given < JOBS_MAX && backend->n_jobs < JOBS_MAX);
    world->given[world->n_given++] = job->id;
    backend->jobs[backend->n_jobs++].id = job->id;
}

static void on_backend_item(struct world *world, struct backend *backend, const Rejoin__Item *item)
{
    switch (item->kind_case) {
    case REJOIN__ITEM__KIND_OPENED: {
        assert_true(backend->is_serving);
        assert_null(find_view(backend, item->opened->socket->sid));
        assert_true(backend->n_open < VIEWS_MAX);
        struct view *view = &backend->open[backend->n_open++];
        *view = (struct view){.last = 0};
        snprintf(view->sid, sizeof view->sid, "%s", item->opened->socket->sid);
        break;
    }
    case REJOIN__ITEM__KIND_CLOSED: {
        struct view *view = find_view(backend, item->closed->sid);
        assert_non_null(view);
        *view = backend->open[--backend->n_open];
        break;
    }
    case REJOIN__ITEM__KIND_JOB: on_job(world, backend, item->job); break;
    case REJOIN__ITEM__KIND_REPLY: assert_null(item->reply->error); break;
    default: break;
    }
}

static void listen_backend(struct world *world, struct backend *backend)
{
    keep_alive(&backend->peer);
    ping(&backend->peer, &backend->pinged_ms);
    for (; backend->seen < backend->peer.n_items; backend->seen++)
        if (backend->peer.items[backend->seen])
            on_backend_item(world, backend, backend->peer.items[backend->seen]);
}

static void forget_all(struct backend *backend)
{
    backend->n_open = backend->n_jobs = 0;
}

static void say_hello(struct world *world, struct backend *backend)
{
    rj_test_peer_close(&backend->peer);
    forget_all(backend);
    backend->is_serving = false;
    open_backend(&world->broker, &backend->peer, backend->id);
    backend->seen = backend->peer.n_items;
}

static void say_serving(struct world *world, struct backend *backend)
{
    bool is_watcher = backend == &world->backends[BACKENDS - 1];
    struct serve_as worker = {.all_events = true, .window = 4}, watcher = {.group = "watch", .sockets = true};
    listen_backend(world, backend); /* what belongs to the Serve before */
    say_serve(&backend->peer, is_watcher ? &watcher : &worker);
    backend->is_serving = true;
}

static void step_backend(struct world *world, struct backend *backend)
{
    unsigned what = draw(world, 400);
    if (what == 0) { /* a new stream */
        say_hello(world, backend);
        say_serving(world, backend);
    } else if (what == 1 && backend->is_serving) {
        assert_null(
            unserve(&backend->peer, backend == &world->backends[BACKENDS - 1] ? "watch" : "workers", false)
                ->error);
        listen_backend(world, backend);
        forget_all(backend);
        backend->is_serving = false;
    } else if (what < 20 && !backend->is_serving) {
        say_serving(world, backend);
    } else if (backend->n_jobs && what < 300) {
        size_t at = draw(world, (unsigned)backend->n_jobs);
        Rejoin__Answer answer = REJOIN__ANSWER__INIT;
        Rejoin__Command command = REJOIN__COMMAND__INIT;
        answer.job = backend->jobs[at].id;
        command.kind_case = REJOIN__COMMAND__KIND_ANSWER;
        command.answer = &answer;
        rj_test_peer_command(&backend->peer, 0, &command);
        backend->jobs[at] = backend->jobs[--backend->n_jobs];
    }
}

/* ------------------------------------------------------------------------------------------ clients */

static void on_event_reply(struct world *world, struct event *event, const Rejoin__Reply *reply)
{
    assert_false(event->is_answered);
    event->is_answered = true;
    world->n_answered++;
    if (!reply->error)
        return;
    /* `closed`: it was taken over before the broker read the event. */
    assert_true(strcmp(reply->error->code, "busy") == 0 || strcmp(reply->error->code, "closed") == 0);
    world->n_busy++;
}

static void on_reply(struct world *world, int gateway, const Rejoin__Reply *reply)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        struct user *user = &world->users[i];
        if (user->gateway == gateway && user->attach == reply->id && user->attach) {
            assert_null(reply->error);
            user->attach = 0;
            return;
        }
        if (user->connect != reply->id || user->gateway != gateway || !user->connect)
            continue;
        assert_null(reply->error);
        user->connect = 0;
        user->incarnation = reply->connected->incarnation;
        snprintf(user->pid, sizeof user->pid, "%s", reply->connected->pid);
        snprintf(user->sid, sizeof user->sid, "%s", reply->connected->sid);
        return;
    }
    for (size_t i = 0; i < world->n_events; i++)
        if (world->events[i].command == reply->id && world->events[i].gateway == gateway)
            on_event_reply(world, &world->events[i], reply);
}

static void listen_gateway(struct world *world, int i)
{
    struct rj_test_peer *peer = &world->gateways[i];
    keep_alive(peer);
    ping(peer, &world->gateway_pinged_ms[i]);
    for (; world->gateway_seen[i] < peer->n_items; world->gateway_seen[i]++) {
        const Rejoin__Item *item = peer->items[world->gateway_seen[i]];
        if (item && item->kind_case == REJOIN__ITEM__KIND_REPLY)
            on_reply(world, i, item->reply);
    }
}

static void step_user(struct world *world, struct user *user)
{
    unsigned what = draw(world, 10);
    char args[32];
    if (user->connect)
        return;
    if (user->gateway < 0 || what <= 2)
        user->attach = 0;                 /* that connection is over */
    if (user->gateway < 0 || what == 0) { /* anew, rejoining, or taking itself over */
        user->gateway = (int)draw(world, GATEWAYS);
        user->handle = ++world->handles[user->gateway];
        user->connect = say_connect(&world->gateways[user->gateway], user->handle, "/", user->pid, NULL);
    } else if (what == 1) {
        say_disconnect(&world->gateways[user->gateway], user->handle, "transport close", false);
        user->gateway = -1;
    } else if (what == 2 && draw(world, 3) == 0) {
        say_disconnect(&world->gateways[user->gateway], user->handle, "client namespace disconnect", true);
        user->gateway = -1;
        user->pid[0] = '\0';
    } else if (world->n_events < EVENTS_MAX) {
        struct event *event = &world->events[world->n_events++];
        snprintf(args, sizeof args, "[%u]", ++user->said);
        *event = (struct event){
            .gateway = user->gateway, .user = user, .handle = user->handle, .number = user->said};
        snprintf(event->sid, sizeof event->sid, "%s", user->sid);
        event->command = say_event(&world->gateways[user->gateway], user->handle, "order", args, 0, false);
    }
}

/* ------------------------------------------------------------------------------------------ the story */

static bool is_connected(const struct event *event)
{
    return event->user->gateway == event->gateway && event->user->handle == event->handle;
}

/* The same command once more, as on every fresh stream until it is answered. */
static void repeat_connect(struct rj_test_peer *peer, const struct user *user)
{
    uint64_t last = peer->last_command;
    peer->last_command = user->connect - 1;
    assert_int_equal(say_connect(peer, user->handle, "/", user->pid, NULL), user->connect);
    peer->last_command = last;
}

/* A fresh stream, as a gateway begins one: who is there, what was not answered, that is all. */
static void begin_stream(struct world *world, int gateway)
{
    static const char *const ids[] = {"gateway-a", "gateway-b"};
    struct rj_test_peer *peer = &world->gateways[gateway];
    uint64_t last = peer->last_command;
    listen_gateway(world, gateway);
    rj_test_peer_close(peer);
    rj_test_peer_open(peer, world->broker.gateways);
    assert_non_null(rj_test_peer_hello_gateway(peer, ids[gateway], 0, 0));
    peer->last_command = last;
    world->gateway_seen[gateway] = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        struct user *user = &world->users[i];
        if (user->gateway == gateway && user->connect)
            repeat_connect(peer, user);
        else if (user->gateway == gateway)
            user->attach = say_attach(peer, user->handle, user->pid, user->sid, user->incarnation);
    }
    for (size_t i = 0; i < world->n_events; i++) {
        struct event *event = &world->events[i];
        char args[32];
        if (event->gateway != gateway || event->is_answered)
            continue;
        snprintf(args, sizeof args, "[%u]", event->number);
        if (is_connected(event)) {
            say_event(peer, event->handle, "order", args, event->command, true);
        } else { /* nobody waits for its answer */
            event->is_answered = true;
            world->n_answered++;
        }
    }
    rj_test_peer_ready(peer);
}

static void listen_all(struct world *world)
{
    for (int i = 0; i < GATEWAYS; i++)
        listen_gateway(world, i);
    for (int i = 0; i < BACKENDS; i++)
        listen_backend(world, &world->backends[i]);
}

static void answer_all(struct world *world)
{
    for (int i = 0; i < BACKENDS; i++) {
        struct backend *backend = &world->backends[i];
        listen_backend(world, backend);
        while (backend->n_jobs) {
            Rejoin__Answer answer = REJOIN__ANSWER__INIT;
            Rejoin__Command command = REJOIN__COMMAND__INIT;
            answer.job = backend->jobs[--backend->n_jobs].id;
            command.kind_case = REJOIN__COMMAND__KIND_ANSWER;
            command.answer = &answer;
            rj_test_peer_command(&backend->peer, 0, &command);
        }
    }
    for (int i = 0; i < GATEWAYS; i++)
        listen_gateway(world, i);
}

static bool all_connects_are_answered(struct world *world)
{
    listen_all(world);
    for (size_t i = 0; i < CLIENTS; i++)
        if (world->users[i].connect)
            return false;
    return true;
}

static bool all_is_closed(struct world *world)
{
    listen_all(world);
    for (int i = 0; i < BACKENDS; i++)
        if (world->backends[i].n_open)
            return false;
    return true;
}

static void open_world(struct world *world, uint64_t seed)
{
    *world = (struct world){.random = seed * 0x9e3779b97f4a7c15u};
    rj_test_broker_start(&world->broker,
                         (const char *[]){"--lease", "6000", "--ping", "300", "--handler-queue", "100",
                                          "--handler-timeout", "60000", NULL});
    for (int i = 0; i < GATEWAYS; i++)
        open_gateway(&world->broker, &world->gateways[i], i ? "gateway-b" : "gateway-a");
    for (int i = 0; i < BACKENDS; i++) {
        snprintf(world->backends[i].id, sizeof world->backends[i].id, "backend-%d", i);
        say_hello(world, &world->backends[i]);
        say_serving(world, &world->backends[i]);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        world->users[i].gateway = -1;
}

/* One is silent for longer than its lease; the others go on, and it comes back as another process. */
static void lose_one(struct world *world, int round)
{
    struct backend *backend = &world->backends[draw(world, BACKENDS)];
    rj_test_peer_close(&backend->peer);
    forget_all(backend);
    uint64_t end_ms = rj_test_now_ms() + 6000 + RJ_TEST_DEADLINE_MS;
    while (rj_test_peer_metric(&world->gateways[0], "rejoin_broker_backends") == BACKENDS) {
        assert_true(rj_test_now_ms() < end_ms);
        step_user(world, &world->users[draw(world, CLIENTS)]);
        for (int i = 0; i < GATEWAYS; i++)
            listen_gateway(world, i);
        for (int i = 0; i < BACKENDS; i++)
            if (&world->backends[i] != backend) {
                listen_backend(world, &world->backends[i]);
                step_backend(world, &world->backends[i]);
            }
        rj_test_pause();
    }
    snprintf(backend->id, sizeof backend->id, "again-%d", round);
    say_hello(world, backend);
    say_serving(world, backend);
}

static void run(uint64_t seed)
{
    static struct world world;
    open_world(&world, seed);
    for (int step = 0; step < STEPS; step++) {
        step_user(&world, &world.users[draw(&world, CLIENTS)]);
        step_backend(&world, &world.backends[draw(&world, BACKENDS)]);
        if (draw(&world, 60) == 0)
            begin_stream(&world, (int)draw(&world, GATEWAYS));
        if (step % 4 == 0)
            listen_all(&world);
        if (step % 40 == 0) /* however slow the broker is, it does not fall further and further behind */
            assert_true(rj_test_peer_metric(&world.gateways[0], "rejoin_broker_uptime_ms") >= 0);
        if (step % 600 == 599)
            lose_one(&world, step);
    }
    for (int i = 0; i < BACKENDS; i++)
        if (!world.backends[i].is_serving)
            say_serving(&world, &world.backends[i]);
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS, all_connects_are_answered(&world)));
    for (size_t i = 0; i < CLIENTS; i++)
        if (world.users[i].gateway >= 0)
            say_disconnect(&world.gateways[world.users[i].gateway], world.users[i].handle, "transport close",
                           false);
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS, (answer_all(&world), world.n_answered == world.n_events)));
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS, all_is_closed(&world)));
    assert_true(world.n_events > STEPS / 3 && world.n_busy < world.n_events / 2);
    assert_true(rj_eventually(RJ_TEST_DEADLINE_MS,
                              rj_test_peer_metric(&world.gateways[0], "rejoin_broker_jobs") == 0));
    assert_true(rj_test_peer_metric(&world.gateways[0], "rejoin_broker_jobs_timed_out_total") == 0);
    for (int i = 0; i < GATEWAYS; i++)
        rj_test_peer_close(&world.gateways[i]);
    for (int i = 0; i < BACKENDS; i++)
        rj_test_peer_close(&world.backends[i].peer);
    assert_true(rj_test_broker_end(&world.broker));
    rj_test_broker_remove(&world.broker);
}

static void every_event_is_answered_once_whatever_comes_and_goes(void **state)
{
    (void)state;
    const char *seed = getenv("REJOIN_TEST_SEED");
    run(seed ? strtoull(seed, NULL, 10) : 1);
}

static void and_so_it_is_with_other_dice(void **state)
{
    (void)state;
    run(2);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_event_is_answered_once_whatever_comes_and_goes),
    cmocka_unit_test(and_so_it_is_with_other_dice),
};

RJ_TEST_MAIN(tests)
