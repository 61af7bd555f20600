#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "status.h"

enum {
    FRAME_TARGET = 60 * 1024,
    LARGEST_FRAME_IN = 256 * 1024 * 1024, /* a page of history can be large; more is no broker of ours */
    LARGEST_FRAME_OUT = 16 * 1024 * 1024, /* until Welcome says */
    FRAMES_A_TURN = 256,
    SEND_HIGH_WATER = 64, /* frames; the commands are kept anyway, so a deep pipe would hold them twice */
    RECONNECT_MS = 20,
    RECONNECT_MAX_MS = 500,
    LAST_WORDS_MS = 200, /* for the Bye */
    DEFAULT_PING_MS = 1000,
    DEFAULT_LEASE_MS = 6000,
    STEADY_MS = 1000, /* a stream that lived so long is followed by the next at once */
    LEAST_BACKOFF_MS = 50,
    MOST_BACKOFF_MS = 1000,
};

static void close_socket(struct rj_sdk_link *link)
{
    if (!link->socket)
        return;
    rj_sdk_wake_remove(link->wake, link->socket_fd);
    zmq_close(link->socket);
    link->socket = NULL;
}

static void say_reason(struct rj_sdk_link *link, const char *code, const char *text)
{
    rj_buf_clear(&link->reason);
    rj_buf_printf(&link->reason, "%s: %s", code, text);
}

/* Ends the stream; the next one is opened by a tick, later the more often it happens. */
static void end_stream(struct rj_sdk_link *link, const char *code, const char *text)
{
    uint64_t now = rj_clock_mono_ms();
    close_socket(link);
    say_reason(link, code, text);
    if (link->state == RJ_SDK_LINK_LIVE && now - link->opened_ms >= STEADY_MS)
        link->backoff_ms = 0;
    link->state = RJ_SDK_LINK_DOWN;
    link->reopen_ms = now + link->backoff_ms;
    link->backoff_ms = link->backoff_ms ? link->backoff_ms * 2 : LEAST_BACKOFF_MS;
    if (link->backoff_ms > MOST_BACKOFF_MS)
        link->backoff_ms = MOST_BACKOFF_MS;
}

void rj_sdk_link_refuse(struct rj_sdk_link *link, enum rejoin_status status, const char *text)
{
    close_socket(link);
    say_reason(link, rejoin_status_code(status), text);
    link->state = RJ_SDK_LINK_REFUSED;
    link->refusal = status;
}

static void put_hello(struct rj_sdk_link *link)
{
    Rejoin__Hello hello = REJOIN__HELLO__INIT;
    hello.role = REJOIN__HELLO__ROLE__BACKEND;
    hello.id = link->id;
    hello.name = link->name;
    hello.software = (char *)"librejoin " REJOIN_VERSION;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = REJOIN__ITEM__KIND_HELLO;
    item.hello = &hello;
    rj_wire_put(&link->out, &item);
}

static void send_out(struct rj_sdk_link *link)
{
    if (!link->is_stuck)
        rj_wire_seal(&link->out, 0, 0);
    int rc;
    do
        rc = zmq_send(link->socket, link->out.frame.data, link->out.frame.len, ZMQ_DONTWAIT);
    while (rc < 0 && errno == EINTR);
    link->is_stuck = rc < 0;
    if (link->is_stuck)
        return;
    rj_wire_clear(&link->out);
    link->sent_ms = rj_clock_mono_ms();
}

static enum rejoin_status connect_socket(struct rj_sdk_link *link)
{
    const int none = 0, high_water = SEND_HIGH_WATER, least = RECONNECT_MS, most = RECONNECT_MAX_MS;
    const int64_t largest = LARGEST_FRAME_IN;
    link->socket = zmq_socket(link->context, ZMQ_DEALER);
    if (!link->socket)
        return REJOIN_IO;
    zmq_setsockopt(link->socket, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(link->socket, ZMQ_SNDHWM, &high_water, sizeof high_water);
    zmq_setsockopt(link->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    zmq_setsockopt(link->socket, ZMQ_RECONNECT_IVL, &least, sizeof least);
    zmq_setsockopt(link->socket, ZMQ_RECONNECT_IVL_MAX, &most, sizeof most);
    size_t size = sizeof link->socket_fd;
    if (zmq_getsockopt(link->socket, ZMQ_FD, &link->socket_fd, &size) != 0 ||
        rj_sdk_wake_add(link->wake, link->socket_fd) != REJOIN_OK) {
        zmq_close(link->socket);
        link->socket = NULL;
        return REJOIN_IO;
    }
    if (zmq_connect(link->socket, link->endpoint) != 0) {
        close_socket(link);
        return REJOIN_BAD_REQUEST;
    }
    return REJOIN_OK;
}

static enum rejoin_status open_stream(struct rj_sdk_link *link)
{
    enum rejoin_status status = connect_socket(link);
    if (status != REJOIN_OK)
        return status;
    link->state = RJ_SDK_LINK_GREETED;
    link->probes = 0;
    link->last_number = 0;
    link->owes_pong = false;
    link->is_stuck = false;
    link->opened_ms = link->heard_ms = rj_clock_mono_ms();
    rj_wire_clear(&link->out);
    put_hello(link);
    send_out(link);
    return REJOIN_OK;
}

enum rejoin_status rj_sdk_link_open(struct rj_sdk_link *link, struct rj_sdk_wake *wake, const char *endpoint,
                                    const char *name)
{
    link->context = zmq_ctx_new();
    if (!link->context)
        return REJOIN_IO;
    link->wake = wake;
    link->endpoint = rj_strndup(endpoint, strlen(endpoint));
    link->name = rj_strndup(name, strlen(name));
    link->ping_ms = DEFAULT_PING_MS;
    link->lease_ms = DEFAULT_LEASE_MS;
    link->max_frame_bytes = LARGEST_FRAME_OUT;
    rj_random_id(link->id);
    rj_buf_printf(&link->reason, "no broker answers at %s", endpoint);
    enum rejoin_status status = open_stream(link);
    if (status != REJOIN_OK)
        rj_sdk_link_close(link);
    return status;
}

void rj_sdk_link_leave(struct rj_sdk_link *link)
{
    if (!link->socket || !rj_sdk_link_is_open(link))
        return;
    const int linger_ms = LAST_WORDS_MS;
    Rejoin__Bye bye = REJOIN__BYE__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = REJOIN__ITEM__KIND_BYE;
    item.bye = &bye;
    zmq_setsockopt(link->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    rj_wire_clear(&link->out); /* nothing that waited for a turn is said after all */
    rj_wire_put(&link->out, &item);
    send_out(link);
}

void rj_sdk_link_close(struct rj_sdk_link *link)
{
    close_socket(link);
    while (zmq_ctx_term(link->context) != 0 && errno == EINTR)
        ;
    free(link->endpoint);
    free(link->name);
    rj_buf_free(&link->reason);
    rj_wire_free(&link->out);
    rj_arena_free(&link->arena);
}

static void on_welcome(struct rj_sdk_link *link, const Rejoin__Welcome *welcome)
{
    if (link->state != RJ_SDK_LINK_GREETED)
        return;
    link->state = RJ_SDK_LINK_LIVE;
    link->epoch = welcome->epoch;
    link->ping_ms = welcome->ping_ms ? welcome->ping_ms : DEFAULT_PING_MS;
    link->lease_ms = welcome->lease_ms ? welcome->lease_ms : DEFAULT_LEASE_MS;
    link->max_frame_bytes = welcome->max_frame_bytes ? welcome->max_frame_bytes : LARGEST_FRAME_OUT;
    link->on_live(link->owner);
}

/* An error about a frame of ours. Before the Welcome it is the answer to Hello. */
static void on_error(struct rj_sdk_link *link, const Rejoin__Error *error)
{
    enum rejoin_status status = rj_sdk_status_of_code(error->code);
    bool is_about_us =
        status == REJOIN_BAD_REQUEST || status == REJOIN_BAD_NAME || status == REJOIN_FORBIDDEN;
    if (status == REJOIN_BAD_VERSION || (link->state == RJ_SDK_LINK_GREETED && is_about_us))
        rj_sdk_link_refuse(link, status, error->message);
    else
        end_stream(link, error->code, error->message);
}

static void on_item(struct rj_sdk_link *link, const Rejoin__Item *item)
{
    switch (item->kind_case) {
    case REJOIN__ITEM__KIND_PING:
        link->owes_pong = true;
        link->pong_nonce = item->ping->nonce;
        break;
    case REJOIN__ITEM__KIND_PONG: break;
    case REJOIN__ITEM__KIND_WELCOME: on_welcome(link, item->welcome); break;
    case REJOIN__ITEM__KIND_NEED_HELLO:
        end_stream(link, "closed", "the broker has dropped this stream");
        break;
    case REJOIN__ITEM__KIND_ERROR: on_error(link, item->error); break;
    default:
        if (link->state == RJ_SDK_LINK_LIVE)
            link->on_item(link->owner, item);
    }
}

static void on_frame(struct rj_sdk_link *link, struct rj_span frame)
{
    link->heard_ms = rj_clock_mono_ms();
    if (frame.len == 0) {
        if (link->probes++)
            end_stream(link, "closed", "the broker was restarted");
        return;
    }
    rj_arena_reset(&link->arena);
    Rejoin__Batch *batch;
    enum rj_status status = rj_wire_unpack(frame, LARGEST_FRAME_IN, &link->arena, &batch);
    if (status == RJ_VERSION) {
        rj_sdk_link_refuse(link, REJOIN_BAD_VERSION, "the broker speaks another version");
        return;
    }
    if (status != RJ_OK) {
        end_stream(link, rj_status_code(status), "the peer does not speak as a broker does");
        return;
    }
    if (batch->number && batch->number != link->last_number + 1) {
        end_stream(link, "closed", "a batch of the broker was lost");
        return;
    }
    link->last_number = batch->number;
    for (size_t i = 0; i < batch->n_items && link->socket; i++)
        on_item(link, batch->items[i]);
}

/* No turn for a lease, as in a process that was stopped: the broker has given this handle's work to others,
 * so what still stands in the pipe is not for it to do any more. */
static bool was_asleep(const struct rj_sdk_link *link)
{
    return link->state == RJ_SDK_LINK_LIVE && rj_clock_mono_ms() - link->sent_ms >= link->lease_ms;
}

bool rj_sdk_link_receive(struct rj_sdk_link *link)
{
    if (was_asleep(link))
        end_stream(link, "closed", "this handle had no turn for longer than the lease");
    for (unsigned n = 0; n < FRAMES_A_TURN; n++) {
        if (!link->socket)
            return false;
        zmq_msg_t message;
        zmq_msg_init(&message);
        int len = zmq_msg_recv(&message, link->socket, ZMQ_DONTWAIT);
        bool is_empty = len < 0 && errno != EINTR;
        if (len >= 0)
            on_frame(link, rj_span_of(zmq_msg_data(&message), (size_t)len));
        zmq_msg_close(&message);
        if (is_empty)
            return false;
    }
    return true;
}

/* Call after rj_sdk_link_receive: what has come in the meantime tells that the broker is there. */
void rj_sdk_link_tick(struct rj_sdk_link *link)
{
    uint64_t now = rj_clock_mono_ms();
    if (link->socket && now - link->heard_ms >= link->lease_ms) {
        rj_buf_clear(&link->reason);
        rj_buf_printf(&link->reason, "no broker answers at %s", link->endpoint);
        close_socket(link);
        link->state = RJ_SDK_LINK_DOWN;
        link->reopen_ms = now;
    }
    if (link->state == RJ_SDK_LINK_DOWN && now >= link->reopen_ms && open_stream(link) != REJOIN_OK)
        end_stream(link, "io", "no further sockets can be opened");
}

bool rj_sdk_link_is_open(const struct rj_sdk_link *link)
{
    return link->state == RJ_SDK_LINK_LIVE && !link->is_stuck;
}

size_t rj_sdk_link_frame_target(const struct rj_sdk_link *link)
{
    return link->max_frame_bytes < FRAME_TARGET ? link->max_frame_bytes : FRAME_TARGET;
}

static void put_pong(struct rj_sdk_link *link)
{
    Rejoin__Pong pong = REJOIN__PONG__INIT;
    pong.nonce = link->pong_nonce;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = REJOIN__ITEM__KIND_PONG;
    item.pong = &pong;
    rj_wire_put(&link->out, &item);
    link->owes_pong = false;
}

static void put_ping(struct rj_sdk_link *link)
{
    Rejoin__Ping ping = REJOIN__PING__INIT;
    ping.nonce = ++link->ping_nonce;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = REJOIN__ITEM__KIND_PING;
    item.ping = &ping;
    rj_wire_put(&link->out, &item);
}

bool rj_sdk_link_flush(struct rj_sdk_link *link)
{
    if (!link->socket)
        return false;
    if (!link->is_stuck && link->state == RJ_SDK_LINK_LIVE) {
        if (link->owes_pong)
            put_pong(link);
        if (link->out.items == 0 && rj_clock_mono_ms() - link->sent_ms >= link->ping_ms)
            put_ping(link);
    }
    if (link->out.items == 0)
        return false;
    send_out(link);
    return !link->is_stuck;
}

bool rj_sdk_link_has_work(const struct rj_sdk_link *link)
{
    int events = 0;
    size_t size = sizeof events;
    if (!link->socket || zmq_getsockopt(link->socket, ZMQ_EVENTS, &events, &size) != 0)
        return false;
    return (events & ZMQ_POLLIN) || (link->is_stuck && (events & ZMQ_POLLOUT));
}

uint64_t rj_sdk_link_due_ms(const struct rj_sdk_link *link)
{
    switch (link->state) {
    case RJ_SDK_LINK_REFUSED: return UINT64_MAX;
    case RJ_SDK_LINK_DOWN: return link->reopen_ms;
    case RJ_SDK_LINK_GREETED: return link->heard_ms + link->lease_ms;
    case RJ_SDK_LINK_LIVE: break;
    }
    uint64_t silent = link->heard_ms + link->lease_ms, ping = link->sent_ms + link->ping_ms;
    return ping < silent && !link->is_stuck ? ping : silent;
}
