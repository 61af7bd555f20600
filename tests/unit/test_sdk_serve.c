/* What a serving handle does with jobs, sockets and notes, and what it says again on a fresh stream. */
#include <pthread.h>
#include <rejoin_serve.h>
#include <string.h>

#include "proto/base/clock.h"
#include "tests/support/played.h"

enum { SEEN_MAX = 16 };

/* What the callbacks of a service have seen, as lines. */
struct seen {
    unsigned count, started, ended;
    enum rejoin_status status; /* of the end */
    uint64_t job;              /* the last one */
    char lines[SEEN_MAX][160];
    bool acks_at_once;
    struct rejoin_service *service;
};

static void note(struct seen *seen, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(struct seen *seen, const char *format, ...)
{
    va_list args;
    assert_true(seen->count < SEEN_MAX);
    va_start(args, format);
    vsnprintf(seen->lines[seen->count++], sizeof seen->lines[0], format, args);
    va_end(args);
}

static void on_event(void *arg, struct rejoin *handle, const struct rejoin_event *event)
{
    struct seen *seen = arg;
    seen->job = event->job;
    note(seen, "event %s %s %s %s %zu%s%s", event->sid, event->nsp, event->name, event->args.json,
         event->args.attachment_count, event->wants_ack ? " ack" : "", event->is_repeated ? " again" : "");
    if (seen->acks_at_once)
        assert_int_equal(rejoin_ack(handle, event->job, &event->args), REJOIN_OK);
}

static void on_connect(void *arg, struct rejoin *handle, const struct rejoin_admission *admission)
{
    struct seen *seen = arg;
    (void)handle;
    seen->job = admission->job;
    note(seen, "connect %s %s%s", admission->socket->sid, admission->socket->auth,
         admission->is_rejoining ? " rejoining" : "");
}

static void on_open(void *arg, struct rejoin *handle, const struct rejoin_opened *opened)
{
    (void)handle;
    note(arg, "open %s%s%s", opened->socket->sid, opened->is_recovered ? " recovered" : "",
         opened->is_adopted ? " adopted" : "");
}

static void on_close(void *arg, struct rejoin *handle, const struct rejoin_closed *closed)
{
    (void)handle;
    note(arg, "close %s %s %zu %s", closed->sid, closed->reason, closed->rooms.count,
         closed->rooms.count ? closed->rooms.names[0] : "");
}

static void on_note(void *arg, struct rejoin *handle, const struct rejoin_note *told)
{
    struct seen *seen = arg;
    seen->job = told->job;
    note(seen, "note %s %s %s", told->from, told->name, told->args.json);
    if (told->job && seen->acks_at_once)
        assert_int_equal(rejoin_ack(handle, told->job, NULL), REJOIN_OK);
}

static void on_state(void *arg, struct rejoin *handle, enum rejoin_service_state state,
                     enum rejoin_status status, uint64_t sockets)
{
    struct seen *seen = arg;
    (void)handle, (void)sockets;
    seen->started += state == REJOIN_SERVICE_STARTED;
    seen->ended += state == REJOIN_SERVICE_ENDED;
    seen->status = status;
}

static struct rejoin_service_options everything(struct seen *seen)
{
    return (struct rejoin_service_options){
        .group = "workers",
        .takes_all_events = true,
        .on_event = on_event,
        .on_connect = on_connect,
        .on_open = on_open,
        .on_close = on_close,
        .on_note = on_note,
        .on_state = on_state,
        .arg = seen,
    };
}

static void say_served(struct played *peer, uint64_t id)
{
    Rejoin__Served served = REJOIN__SERVED__INIT;
    played_reply(peer, id, REJOIN__REPLY__RESULT_SERVED, &served);
}

/* Opens a peer with a handle that serves everything, up to Served. */
static void begin(struct played *peer, struct seen *seen)
{
    char id[64];
    *seen = (struct seen){0};
    played_open(peer);
    struct rejoin_service_options options = everything(seen);
    assert_int_equal(rejoin_serve(peer->handle, &options, &seen->service), REJOIN_OK);
    played_greet(peer, id);
    say_served(peer, played_hear_command(peer, REJOIN__COMMAND__KIND_SERVE)->id);
    played_run_until(peer, &seen->started, 1);
}

static char *text(const char *given)
{
    return (char *)(uintptr_t)given;
}

static ProtobufCBinaryData bytes(const char *given)
{
    return (ProtobufCBinaryData){.len = strlen(given), .data = (uint8_t *)(uintptr_t)given};
}

static void say_event(struct played *peer, uint64_t id, const char *args, bool repeated)
{
    Rejoin__Event event = REJOIN__EVENT__INIT;
    Rejoin__Job job = REJOIN__JOB__INIT;
    event.name = text("hello");
    event.args = bytes(args);
    event.wants_ack = true;
    job.id = id;
    job.group = text("workers");
    job.sid = text("s1");
    job.namespace_ = text("/");
    job.repeated = repeated;
    job.what_case = REJOIN__JOB__WHAT_EVENT;
    job.event = &event;
    played_say(peer, REJOIN__ITEM__KIND_JOB, &job);
}

static void say_opened(struct played *peer, const char *sid, bool adopted)
{
    Rejoin__Socket socket = REJOIN__SOCKET__INIT;
    Rejoin__Opened opened = REJOIN__OPENED__INIT;
    socket.sid = text(sid);
    socket.namespace_ = text("/");
    opened.group = text("workers");
    opened.socket = &socket;
    opened.adopted = adopted;
    played_say(peer, REJOIN__ITEM__KIND_OPENED, &opened);
}

static void say_closed(struct played *peer, const char *sid, const char *reason)
{
    char *rooms[] = {text("lobby")};
    Rejoin__Closed closed = REJOIN__CLOSED__INIT;
    closed.group = text("workers");
    closed.sid = text(sid);
    closed.namespace_ = text("/");
    closed.reason = text(reason);
    closed.n_rooms = 1;
    closed.rooms = rooms;
    played_say(peer, REJOIN__ITEM__KIND_CLOSED, &closed);
}

static const Rejoin__Answer *hear_answer(struct played *peer, uint64_t job)
{
    const Rejoin__Answer *answer = played_hear_command(peer, REJOIN__COMMAND__KIND_ANSWER)->answer;
    assert_int_equal(answer->job, job);
    return answer;
}

static void expect_bytes(const ProtobufCBinaryData *got, const char *expected)
{
    assert_int_equal(got->len, strlen(expected));
    assert_memory_equal(got->data, expected, got->len);
}

static void a_service_says_what_it_wants(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen = {0};
    char id[64];
    played_open(&peer);
    struct rejoin_service_options options = {
        .group = "mail",
        .namespaces = REJOIN_NAMES("/a", "/b-*"),
        .events = REJOIN_NAMES("send"),
        .window = 7,
        .timeout_ms = 900,
        .fails_lost = true,
        .on_event = on_event,
        .arg = &seen,
    };
    assert_int_equal(rejoin_serve(peer.handle, &options, &seen.service), REJOIN_OK);
    played_greet(&peer, id);
    const Rejoin__Serve *serve = played_hear_command(&peer, REJOIN__COMMAND__KIND_SERVE)->serve;
    assert_string_equal(serve->group, "mail");
    assert_int_equal(serve->n_namespaces, 2);
    assert_string_equal(serve->namespaces[1], "/b-*");
    assert_int_equal(serve->n_events, 1);
    assert_string_equal(serve->events[0], "send");
    assert_false(serve->all_events || serve->admits || serve->sockets);
    assert_true(serve->fails_lost);
    assert_int_equal(serve->window, 7);
    assert_int_equal(serve->timeout_ms, 900);
    played_close(&peer);
}

static void options_that_say_nothing_are_refused(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen = {0};
    struct rejoin_service *other = NULL;
    char long_name[130];
    memset(long_name, 'g', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    played_open(&peer);
    struct rejoin_service_options options = {.group = "a"};
    assert_int_equal(rejoin_serve(peer.handle, &options, &other), REJOIN_BAD_REQUEST);
    options.takes_all_events = true; /* and nobody to take them */
    assert_int_equal(rejoin_serve(peer.handle, &options, &other), REJOIN_BAD_REQUEST);
    options = everything(&seen);
    options.group = NULL;
    assert_int_equal(rejoin_serve(peer.handle, &options, &other), REJOIN_BAD_REQUEST);
    options.group = long_name;
    assert_int_equal(rejoin_serve(peer.handle, &options, &other), REJOIN_BAD_REQUEST);
    assert_null(other);
    options.group = "workers";
    assert_int_equal(rejoin_serve(peer.handle, &options, &seen.service), REJOIN_OK);
    assert_int_equal(rejoin_serve(peer.handle, &options, &other), REJOIN_CONFLICT);
    rejoin_unserve(&seen.service, false);
    assert_null(seen.service);
    assert_int_equal(rejoin_serve(peer.handle, &options, &other), REJOIN_OK); /* its own successor */
    played_close(&peer);
}

static void an_event_is_answered_with_its_ack(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    say_event(&peer, 5, "[1,\"a\"]", false);
    played_run_until(&peer, &seen.count, 1);
    assert_string_equal(seen.lines[0], "event s1 / hello [1,\"a\"] 0 ack");
    assert_int_equal(rejoin_ack(peer.handle, 5, &(struct rejoin_args){.json = "{}"}), REJOIN_BAD_REQUEST);
    assert_int_equal(rejoin_ack(peer.handle, 5, &(struct rejoin_args){.json = "[1"}), REJOIN_BAD_REQUEST);
    assert_int_equal(rejoin_ack(peer.handle, 5, &(struct rejoin_args){.attachment_count = 11}),
                     REJOIN_TOO_MANY);
    assert_int_equal(rejoin_accept(peer.handle, 5, NULL), REJOIN_BAD_REQUEST);
    const struct rejoin_bytes blob = {"\0\1", 2};
    const struct rejoin_args args = {"[{\"_placeholder\":true,\"num\":0}]", 0, &blob, 1};
    assert_int_equal(rejoin_ack(peer.handle, 5, &args), REJOIN_OK);
    assert_int_equal(rejoin_ack(peer.handle, 5, &args), REJOIN_NOT_FOUND); /* once */
    assert_int_equal(rejoin_ack(peer.handle, 6, &args), REJOIN_NOT_FOUND);
    const Rejoin__Answer *answer = hear_answer(&peer, 5);
    assert_null(answer->refusal);
    expect_bytes(&answer->args, args.json);
    assert_int_equal(answer->n_attachments, 1);
    assert_memory_equal(answer->attachments[0].data, "\0\1", 2);
    played_close(&peer);
}

static void a_refusal_has_code_message_and_data(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    say_event(&peer, 5, "", false);
    say_event(&peer, 6, "[]", false);
    played_run_until(&peer, &seen.count, 2);
    assert_string_equal(seen.lines[0], "event s1 / hello [] 0 ack");
    const struct rejoin_refusal refusal = {.code = "no_money", .message = "poor", .data = "{\"left\":0}"};
    assert_int_equal(rejoin_refuse(peer.handle, 5, &(struct rejoin_refusal){.data = "{"}),
                     REJOIN_BAD_REQUEST);
    assert_int_equal(rejoin_refuse(peer.handle, 5, &refusal), REJOIN_OK);
    const Rejoin__Error *error = hear_answer(&peer, 5)->refusal;
    assert_string_equal(error->code, "no_money");
    assert_string_equal(error->message, "poor");
    expect_bytes(&error->data, "{\"left\":0}");
    assert_int_equal(rejoin_refuse(peer.handle, 6, NULL), REJOIN_OK);
    assert_string_equal(hear_answer(&peer, 6)->refusal->code, "forbidden");
    played_close(&peer);
}

static void an_admission_is_accepted_with_user_data_and_rooms(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    Rejoin__Socket socket = REJOIN__SOCKET__INIT;
    Rejoin__Admission admission = REJOIN__ADMISSION__INIT;
    Rejoin__Job job = REJOIN__JOB__INIT;
    begin(&peer, &seen);
    socket.sid = text("s9");
    socket.auth = bytes("{\"token\":1}");
    admission.socket = &socket;
    admission.rejoining = true;
    job.group = text("workers");
    job.what_case = REJOIN__JOB__WHAT_CONNECT;
    job.connect = &admission;
    for (job.id = 1; job.id <= 2; job.id++)
        played_say(&peer, REJOIN__ITEM__KIND_JOB, &job);
    played_run_until(&peer, &seen.count, 2);
    assert_string_equal(seen.lines[0], "connect s9 {\"token\":1} rejoining");
    assert_int_equal(rejoin_ack(peer.handle, 1, NULL), REJOIN_BAD_REQUEST);
    const struct rejoin_acceptance acceptance = {
        .user = "ann", .data = "{\"level\":3}", .rooms = REJOIN_NAMES("lobby", "vip")};
    assert_int_equal(rejoin_accept(peer.handle, 1, &acceptance), REJOIN_OK);
    const Rejoin__Answer *answer = hear_answer(&peer, 1);
    assert_true(answer->user_set);
    assert_string_equal(answer->user, "ann");
    expect_bytes(&answer->data, "{\"level\":3}");
    assert_int_equal(answer->n_rooms, 2);
    assert_string_equal(answer->rooms[1], "vip");
    assert_int_equal(rejoin_accept(peer.handle, 2, NULL), REJOIN_OK);
    assert_false(hear_answer(&peer, 2)->user_set);
    played_close(&peer);
}

static void a_job_that_is_known_is_not_shown_again(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    say_event(&peer, 1, "[1]", false); /* to be answered, without a reply of the broker */
    say_event(&peer, 2, "[2]", false); /* to stay in work */
    played_run_until(&peer, &seen.count, 2);
    assert_int_equal(rejoin_ack(peer.handle, 1, NULL), REJOIN_OK);
    hear_answer(&peer, 1);

    played_break(&peer);
    /* The answer comes again before the service does. */
    const Rejoin__Command *answer = played_hear_kind(&peer, REJOIN__ITEM__KIND_COMMAND)->command;
    assert_int_equal(answer->kind_case, REJOIN__COMMAND__KIND_ANSWER);
    uint64_t answer_id = answer->id;
    const Rejoin__Command *serve = played_hear_kind(&peer, REJOIN__ITEM__KIND_COMMAND)->command;
    assert_int_equal(serve->kind_case, REJOIN__COMMAND__KIND_SERVE);
    uint64_t serve_id = serve->id;
    played_reply(&peer, answer_id, REJOIN__REPLY__RESULT__NOT_SET, NULL);
    say_served(&peer, serve_id);
    say_event(&peer, 1, "[1]", true);
    say_event(&peer, 2, "[2]", true);
    say_event(&peer, 3, "[3]", true); /* begun by another instance */
    played_run_until(&peer, &seen.count, 4);
    /* The broker has confirmed 1 and so never gives it again; if it does all the same, it is another job. */
    assert_string_equal(seen.lines[2], "event s1 / hello [1] 0 ack again");
    assert_string_equal(seen.lines[3], "event s1 / hello [3] 0 ack again");
    assert_int_equal(rejoin_ack(peer.handle, 2, NULL), REJOIN_OK);
    hear_answer(&peer, 2);
    say_event(&peer, 2, "[2]", true); /* crosses the answer */
    say_event(&peer, 4, "[4]", false);
    played_run_until(&peer, &seen.count, 5);
    assert_string_equal(seen.lines[4], "event s1 / hello [4] 0 ack");
    played_close(&peer);
}

static void a_job_that_nobody_answers_is_forgotten_when_it_is_overdue(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    Rejoin__Event event = REJOIN__EVENT__INIT;
    Rejoin__Job job = REJOIN__JOB__INIT;
    event.name = text("hello");
    job.id = 1;
    job.group = text("workers");
    job.timeout_ms = 1;
    job.what_case = REJOIN__JOB__WHAT_EVENT;
    job.event = &event;
    played_say(&peer, REJOIN__ITEM__KIND_JOB, &job);
    played_run_until(&peer, &seen.count, 1);
    uint64_t later_ms = rj_clock_mono_ms() + 5;
    while (rj_clock_mono_ms() < later_ms)
        rejoin_run_once(peer.handle, 1);
    say_event(&peer, 2, "[]", false); /* with the next one */
    played_run_until(&peer, &seen.count, 2);
    assert_int_equal(rejoin_ack(peer.handle, 1, NULL), REJOIN_NOT_FOUND);
    assert_int_equal(rejoin_ack(peer.handle, 2, NULL), REJOIN_OK);
    played_close(&peer);
}

static void sockets_open_and_close_in_order(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    say_opened(&peer, "a", false);
    say_closed(&peer, "a", "ping timeout");
    say_closed(&peer, "a", "ping timeout"); /* of none that is known */
    say_opened(&peer, "b", true);
    say_opened(&peer, "b", false); /* a new connection, the end of the old one unseen */
    played_run_until(&peer, &seen.count, 5);
    assert_string_equal(seen.lines[0], "open a");
    assert_string_equal(seen.lines[1], "close a ping timeout 1 lobby");
    assert_string_equal(seen.lines[2], "open b adopted");
    assert_string_equal(seen.lines[3], "close b transport close 0 ");
    assert_string_equal(seen.lines[4], "open b");
    played_close(&peer);
}

static void sockets_that_a_fresh_stream_does_not_name_are_closed(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    say_opened(&peer, "stays", false);
    say_opened(&peer, "goes", false);
    played_run_until(&peer, &seen.count, 2);
    played_break(&peer);
    uint64_t serve = played_hear_command(&peer, REJOIN__COMMAND__KIND_SERVE)->id;
    say_opened(&peer, "stays", true);
    say_opened(&peer, "comes", true);
    say_served(&peer, serve);
    played_run_until(&peer, &seen.started, 2);
    assert_int_equal(seen.count, 4);
    assert_string_equal(seen.lines[2], "open comes adopted");
    assert_string_equal(seen.lines[3], "close goes transport close 0 ");
    played_close(&peer);
}

static void a_refused_service_ends_and_the_handle_lives_on(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen = {0};
    char id[64];
    played_open(&peer);
    struct rejoin_service_options options = everything(&seen);
    assert_int_equal(rejoin_serve(peer.handle, &options, &seen.service), REJOIN_OK);
    played_greet(&peer, id);
    played_refuse(&peer, played_hear_command(&peer, REJOIN__COMMAND__KIND_SERVE)->id, "forbidden");
    played_run_until(&peer, &seen.ended, 1);
    assert_int_equal(seen.status, REJOIN_FORBIDDEN);
    say_event(&peer, 1, "[]", false);
    say_opened(&peer, "a", false);
    assert_int_equal(
        rejoin_publish_wait(peer.handle, &(struct rejoin_publish){.room = "x", .data = "1"}, 50, NULL),
        REJOIN_TIMEOUT);
    assert_int_equal(seen.count, 0);
    played_close(&peer);
}

static void on_unheard(void *arg, struct rejoin *handle, uint64_t job, enum rejoin_status status)
{
    (void)handle;
    note(arg, "unheard %llu %s", (unsigned long long)job, rejoin_status_code(status));
}

static void an_answer_that_came_too_late_is_told(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen = {0};
    char id[64];
    played_open(&peer);
    struct rejoin_service_options options = everything(&seen);
    options.on_unheard = on_unheard;
    assert_int_equal(rejoin_serve(peer.handle, &options, &seen.service), REJOIN_OK);
    played_greet(&peer, id);
    say_served(&peer, played_hear_command(&peer, REJOIN__COMMAND__KIND_SERVE)->id);
    seen.acks_at_once = true;
    for (uint64_t job = 1; job <= 3; job++)
        say_event(&peer, job, "[]", false);
    played_run_until(&peer, &seen.count, 3);
    uint64_t first = played_hear_command(&peer, REJOIN__COMMAND__KIND_ANSWER)->id;
    played_reply(&peer, first, REJOIN__REPLY__RESULT__NOT_SET, NULL);
    played_refuse(&peer, first + 1, "timeout");
    played_run_until(&peer, &seen.count, 4);
    assert_string_equal(seen.lines[3], "unheard 2 timeout");
    rejoin_unserve(&seen.service, false);
    played_refuse(&peer, first + 2, "conflict");
    played_reply(&peer, played_hear_command(&peer, REJOIN__COMMAND__KIND_UNSERVE)->id,
                 REJOIN__REPLY__RESULT__NOT_SET, NULL);
    assert_int_equal(rejoin_flush(peer.handle, PATIENCE_MS), REJOIN_OK);
    assert_int_equal(seen.count, 4);
    played_close(&peer);
}

static void a_stopped_service_says_so_and_hears_nothing(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    say_opened(&peer, "a", false);
    say_event(&peer, 1, "[]", false);
    played_run_until(&peer, &seen.count, 2);
    rejoin_unserve(&seen.service, true);
    assert_null(seen.service);
    assert_int_equal(rejoin_ack(peer.handle, 1, NULL), REJOIN_NOT_FOUND);
    const Rejoin__Command *command = played_hear_command(&peer, REJOIN__COMMAND__KIND_UNSERVE);
    assert_string_equal(command->unserve->group, "workers");
    assert_true(command->unserve->forget);
    uint64_t unserve = command->id;
    say_event(&peer, 2, "[]", false);
    say_closed(&peer, "a", "transport close");
    played_reply(&peer, unserve, REJOIN__REPLY__RESULT__NOT_SET, NULL);
    assert_int_equal(rejoin_flush(peer.handle, PATIENCE_MS), REJOIN_OK);
    assert_int_equal(seen.count, 2);
    played_close(&peer);
}

static void an_answer_that_fits_no_frame_becomes_a_refusal(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen = {0};
    char id[64];
    static char large[4000];
    memset(large, ' ', sizeof large - 1);
    large[0] = '[';
    large[sizeof large - 2] = ']';
    played_open(&peer);
    peer.max_frame_bytes = 2000;
    struct rejoin_service_options options = everything(&seen);
    assert_int_equal(rejoin_serve(peer.handle, &options, &seen.service), REJOIN_OK);
    played_greet(&peer, id);
    say_served(&peer, played_hear_command(&peer, REJOIN__COMMAND__KIND_SERVE)->id);
    say_event(&peer, 1, "[]", false);
    played_run_until(&peer, &seen.count, 1);
    assert_int_equal(rejoin_ack(peer.handle, 1, &(struct rejoin_args){.json = large}), REJOIN_OK);
    const Rejoin__Answer *answer = hear_answer(&peer, 1);
    assert_non_null(answer->refusal);
    assert_string_equal(answer->refusal->code, "too_large");
    played_close(&peer);
}

/* No broker of ours: it once kept the handle busy for ever. */
static void an_answer_of_which_not_even_the_refusal_fits_is_given_up(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen = {0};
    char id[64];
    played_open(&peer);
    peer.max_frame_bytes = 1;
    struct rejoin_service_options options = everything(&seen);
    assert_int_equal(rejoin_serve(peer.handle, &options, &seen.service), REJOIN_OK);
    played_greet(&peer, id);
    say_served(&peer, played_hear_command(&peer, REJOIN__COMMAND__KIND_SERVE)->id);
    say_event(&peer, 1, "[]", false);
    played_run_until(&peer, &seen.count, 1);
    assert_int_equal(rejoin_ack(peer.handle, 1, NULL), REJOIN_OK);
    assert_int_equal(rejoin_flush(peer.handle, PATIENCE_MS), REJOIN_OK);
    say_event(&peer, 2, "[]", false);
    played_run_until(&peer, &seen.count, 2);
    played_close(&peer);
}

static void a_job_without_a_number_is_none(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    say_event(&peer, 0, "[]", false);
    say_event(&peer, 7, "[]", false);
    played_run_until(&peer, &seen.count, 1);
    assert_int_equal(seen.job, 7);
    played_close(&peer);
}

static void answers_are_never_busy(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    begin(&peer, &seen);
    rejoin_close(&peer.handle);
    struct rejoin_options options = {.endpoint = peer.endpoint, .name = "test", .max_unanswered = 1};
    assert_int_equal(rejoin_open(&options, &peer.handle), REJOIN_OK);
    struct rejoin_service_options serving = everything(&seen);
    char id[64];
    assert_int_equal(rejoin_serve(peer.handle, &serving, &seen.service), REJOIN_OK);
    seen.acks_at_once = true;
    peer.batch = NULL;
    played_greet(&peer, id);
    say_served(&peer, played_hear_command(&peer, REJOIN__COMMAND__KIND_SERVE)->id);
    for (uint64_t job = 1; job <= 3; job++)
        say_event(&peer, job, "[]", false);
    for (uint64_t job = 1; job <= 3; job++)
        hear_answer(&peer, job);
    played_close(&peer);
}

static void notes_go_to_the_service_that_listens(void **state)
{
    (void)state;
    struct played peer;
    struct seen seen;
    Rejoin__Note sent = REJOIN__NOTE__INIT;
    Rejoin__Told told = REJOIN__TOLD__INIT;
    Rejoin__Job job = REJOIN__JOB__INIT;
    begin(&peer, &seen);
    sent.from = text("other");
    sent.name = text("reload");
    sent.args = bytes("[1]");
    sent.namespace_ = text("/");
    told.sent = &sent;
    played_say(&peer, REJOIN__ITEM__KIND_TOLD, &told);
    job.id = 3;
    job.group = text("workers");
    job.what_case = REJOIN__JOB__WHAT_SENT;
    job.sent = &sent;
    played_say(&peer, REJOIN__ITEM__KIND_JOB, &job);
    played_run_until(&peer, &seen.count, 2);
    assert_string_equal(seen.lines[0], "note other reload [1]");
    assert_int_equal(seen.job, 3);
    assert_int_equal(rejoin_ack(peer.handle, 3, NULL), REJOIN_OK);
    expect_bytes(&hear_answer(&peer, 3)->args, "[]");
    rejoin_unserve(&seen.service, false);
    job.id = 4;
    played_say(&peer, REJOIN__ITEM__KIND_JOB, &job); /* nobody listens any more */
    assert_string_equal(hear_answer(&peer, 4)->refusal->code, "no_handler");
    played_close(&peer);
}

/* --- other threads */

enum { POSTERS = 4, POSTS_EACH = 200 };

struct poster {
    struct rejoin *handle;
    unsigned *ran;
    pthread_t thread;
};

static void on_posted(struct rejoin *handle, void *arg)
{
    struct poster *poster = arg;
    assert_ptr_equal(handle, poster->handle);
    ++*poster->ran;
    assert_int_equal(rejoin_process(handle), REJOIN_MISUSE); /* it is a callback */
}

static void *post_many(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < POSTS_EACH; i++)
        rejoin_post(poster->handle, on_posted, poster);
    return NULL;
}

static void any_thread_may_post_and_wakes_the_handle(void **state)
{
    (void)state;
    struct played peer;
    struct poster posters[POSTERS];
    unsigned ran = 0;
    played_open(&peer);
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.handle = peer.handle, .ran = &ran};
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]), 0);
    }
    while (ran < POSTERS * POSTS_EACH)
        rejoin_run_once(peer.handle, PATIENCE_MS);
    for (unsigned i = 0; i < POSTERS; i++)
        pthread_join(posters[i].thread, NULL);
    assert_int_equal(ran, POSTERS * POSTS_EACH);
    played_close(&peer);
}

static void on_late_post(struct rejoin *handle, void *arg)
{
    assert_int_equal(rejoin_publish(handle, &(struct rejoin_publish){.room = "x", .data = "1"}, NULL, NULL),
                     REJOIN_CLOSED);
    ++*(unsigned *)arg;
}

static void what_was_posted_runs_even_when_the_handle_is_closed(void **state)
{
    (void)state;
    struct played peer;
    unsigned ran = 0;
    played_open(&peer);
    rejoin_post(peer.handle, on_late_post, &ran);
    played_close(&peer);
    assert_int_equal(ran, 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_service_says_what_it_wants),
    cmocka_unit_test(options_that_say_nothing_are_refused),
    cmocka_unit_test(an_event_is_answered_with_its_ack),
    cmocka_unit_test(a_refusal_has_code_message_and_data),
    cmocka_unit_test(an_admission_is_accepted_with_user_data_and_rooms),
    cmocka_unit_test(a_job_that_is_known_is_not_shown_again),
    cmocka_unit_test(a_job_that_nobody_answers_is_forgotten_when_it_is_overdue),
    cmocka_unit_test(sockets_open_and_close_in_order),
    cmocka_unit_test(sockets_that_a_fresh_stream_does_not_name_are_closed),
    cmocka_unit_test(a_refused_service_ends_and_the_handle_lives_on),
    cmocka_unit_test(an_answer_that_came_too_late_is_told),
    cmocka_unit_test(a_stopped_service_says_so_and_hears_nothing),
    cmocka_unit_test(an_answer_that_fits_no_frame_becomes_a_refusal),
    cmocka_unit_test(an_answer_of_which_not_even_the_refusal_fits_is_given_up),
    cmocka_unit_test(a_job_without_a_number_is_none),
    cmocka_unit_test(answers_are_never_busy),
    cmocka_unit_test(notes_go_to_the_service_that_listens),
    cmocka_unit_test(any_thread_may_post_and_wakes_the_handle),
    cmocka_unit_test(what_was_posted_runs_even_when_the_handle_is_closed),
};

RJ_TEST_MAIN(tests)
