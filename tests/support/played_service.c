#include "tests/support/played_service.h"

#include <stdarg.h>
#include <string.h>

void note(struct seen *seen, const char *format, ...)
{
    va_list args;
    assert_true(seen->count < SEEN_MAX);
    va_start(args, format);
    vsnprintf(seen->lines[seen->count++], sizeof seen->lines[0], format, args);
    va_end(args);
}

void on_event(void *arg, struct rejoin *handle, const struct rejoin_event *event)
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

struct rejoin_service_options everything(struct seen *seen)
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

void say_served(struct played *peer, uint64_t id)
{
    Rejoin__Served served = REJOIN__SERVED__INIT;
    played_reply(peer, id, REJOIN__REPLY__RESULT_SERVED, &served);
}

void serve_played(struct played *peer, const struct rejoin_service_options *options, struct seen *seen)
{
    char id[64];
    assert_int_equal(rejoin_serve(peer->handle, options, &seen->service), REJOIN_OK);
    played_greet(peer, id);
    say_served(peer, played_hear_command(peer, REJOIN__COMMAND__KIND_SERVE)->id);
    played_run_until(peer, &seen->started, 1);
}

void begin(struct played *peer, struct seen *seen)
{
    *seen = (struct seen){0};
    played_open(peer);
    const struct rejoin_service_options options = everything(seen);
    serve_played(peer, &options, seen);
}

char *text(const char *given)
{
    return (char *)(uintptr_t)given;
}

ProtobufCBinaryData bytes(const char *given)
{
    return (ProtobufCBinaryData){.len = strlen(given), .data = (uint8_t *)(uintptr_t)given};
}

void say_event(struct played *peer, uint64_t id, const char *args, bool repeated)
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

void say_opened(struct played *peer, const char *sid, bool adopted)
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

void say_closed(struct played *peer, const char *sid, const char *reason)
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

const Rejoin__Answer *hear_answer(struct played *peer, uint64_t job)
{
    const Rejoin__Answer *answer = played_hear_command(peer, REJOIN__COMMAND__KIND_ANSWER)->answer;
    assert_int_equal(answer->job, job);
    return answer;
}

void expect_bytes(const ProtobufCBinaryData *got, const char *expected)
{
    assert_int_equal(got->len, strlen(expected));
    assert_memory_equal(got->data, expected, got->len);
}
