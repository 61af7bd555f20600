/* The HTTP side of a peer: HTTP/1.1 as RFC 9112 has it, with kept connections and pipelining, without
 * libwebsockets (4.1 hangs on some pipelined requests, shows no raw head, and knows no chunks).
 *
 * - One exchange at a time, in order. Nothing is read from the socket behind the current request until its
 * reply has been written: heads and chunks are peeked at, and just what belongs to them is taken. What a
 * client sends ahead so waits in the kernel, whose buffer bounds it, and costs us nothing.
 * - Every head is held to the same limits: its size and form (head.h), its meaning (request.h), its time.
 * - A reply waits until the request's body has been read, since many clients do not look before; unless it
 * ends the connection, when nothing that follows matters.
 * - The other side may end its half as soon as it has asked: what can be answered by then is. A request that
 * is held beyond that turn is lost: from here a client that has gone looks the same.
 * - Nobody is served more than STEPS_A_TURN at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/frontends/linger.h"
#include "gateway/frontends/peer_internal.h"
#include "gateway/frontends/request.h"
#include "proto/base/mem.h"

enum { STEPS_A_TURN = 32 };

enum progress {
    GOES_ON,
    WAITS,   /* for the socket, for time, or for whoever has to reply */
    IS_OVER, /* the connection is to be closed */
    HAS_LEFT /* it is no longer ours, and the peer perhaps gone */
};

/* A body that nobody wants is read and discarded up to this size, so that the connection lives on. */
static uint64_t discard_limit(const struct rj_peer *peer)
{
    const uint64_t least = 64U << 20, message = rj_server_options(peer->server)->max_message_bytes;
    return message > least ? message : least;
}

/* -------------------------------------------------------------------------------------------- the socket */

static bool is_early(ssize_t got)
{
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

/* What the socket gave when it was not bytes. */
static enum progress nothing_came(const struct rj_peer *peer, ssize_t got)
{
    return is_early(got) && !peer->is_ended ? WAITS : IS_OVER;
}

/* Takes bytes that were peeked at out of the socket, over what shows them: they do not change. */
static bool take(const struct rj_peer *peer, struct rj_span peeked)
{
    return recv(peer->source.fd, (void *)(uintptr_t)peeked.data, peeked.len, 0) == (ssize_t)peeked.len;
}

/* --------------------------------------------------------------------------------------------- the reply */

static bool ends_connection(const struct rj_peer *peer)
{
    return peer->must_close || peer->is_last;
}

static void await_request(struct rj_peer *peer)
{
    rj_buf_free(&peer->reply);
    rj_buf_free(&peer->input);
    free(peer->allow_origin);
    peer->allow_origin = NULL;
    peer->varies_by_origin = false;
    peer->reply_sent = 0;
    peer->has_begun = false;
    peer->head = (struct rj_head_look){0};
    peer->state = RJ_PEER_IDLE;
    rj_server_wait(peer->server, peer, RJ_WAIT_NEXT);
}

static enum progress write_reply(struct rj_peer *peer)
{
    struct rj_span rest = rj_span_from(rj_buf_span(&peer->reply), peer->reply_sent);
    ssize_t sent = send(peer->source.fd, rest.data, rest.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && !is_early(sent))
        return IS_OVER;
    if (sent < (ssize_t)rest.len) {
        peer->reply_sent += sent > 0 ? (size_t)sent : 0;
        if (!rj_timeq_holds(&peer->limit)) /* who does not read is not waited for forever */
            rj_server_wait(peer->server, peer, RJ_WAIT_STUCK);
        return WAITS;
    }
    if (ends_connection(peer)) {
        peer->state = RJ_PEER_FLUSHING;
        return IS_OVER;
    }
    await_request(peer);
    return GOES_ON;
}

void rj_peer_reply(struct rj_peer *peer, const struct rj_response *response)
{
    struct rj_response whole = *response;
    rj_peer_detach(peer);
    if (peer->state != RJ_PEER_EXCHANGE)
        return;
    peer->must_close = peer->must_close || response->wants_close;
    whole.wants_close = ends_connection(peer);
    whole.says_keep = peer->says_keep;
    whole.is_head = peer->is_head;
    whole.allow_origin = rj_span_str(peer->allow_origin);
    whole.allows_credentials = peer->allows_credentials;
    whole.varies_by_origin = peer->varies_by_origin;
    rj_response_put(&peer->reply, &whole);
    peer->state = RJ_PEER_ANSWERED;
    if (!peer->is_served)
        rj_server_serve_later(peer->server, peer);
}

void rj_peer_reply_read_only(struct rj_peer *peer)
{
    rj_peer_reply(peer, &(struct rj_response){.status = 405, .allow = "GET, HEAD"});
}

bool rj_peer_apply_cors(struct rj_peer *peer, const struct rj_cors *cors, const struct rj_request *request)
{
    if (!rj_cors_is_on(cors) || !rj_origin_is_valid(request->origin))
        return false;
    struct rj_span allowed = rj_cors_allowed(cors, request->origin);
    peer->allows_credentials = cors->has_credentials;
    peer->varies_by_origin = !rj_span_is(allowed, "*");
    free(peer->allow_origin);
    peer->allow_origin = allowed.len ? rj_strndup((const char *)allowed.data, allowed.len) : NULL;
    return true;
}

/* A reply without a handler: nobody can tell what the request means, or where it ends. */
static enum progress refuse(struct rj_peer *peer, unsigned status, const char *why)
{
    rj_server_count(peer->server)->unreadable++;
    rj_server_log_refusal(peer->server, peer->address, why);
    peer->state = RJ_PEER_EXCHANGE;
    peer->expects_body = peer->is_head = peer->says_keep = false;
    rj_peer_reply(peer, &(struct rj_response){.status = status, .wants_close = true});
    return GOES_ON;
}

/* ------------------------------------------------------------------------------------------- the request */

size_t rj_peer_put_headers(struct rj_peer *peer, size_t limit_bytes, struct rj_buf *out)
{
    return peer->request ? rj_request_put_headers(peer->request, limit_bytes, out) : 0;
}

static void route(struct rj_peer *peer, const struct rj_request *request)
{
    const struct rj_server_options *options = rj_server_options(peer->server);
    if (request->is_to_server) { /* whoever asks wants to know that somebody answers (RFC 9110 §9.3.7) */
        rj_peer_reply(peer, &(struct rj_response){.status = 200, .allow = "GET, HEAD, POST, OPTIONS"});
        return;
    }
    for (size_t i = 0; i < options->n_routes; i++) {
        const struct rj_route *one = &options->routes[i];
        if (one->on_request && one->on_request(one->context, peer, request))
            return;
    }
    rj_peer_reply(
        peer, &(struct rj_response){.status = 404, .type = "text/plain", .body = rj_span_str("Not Found\n")});
}

/* The client waits for a word before it sends the body (RFC 9110 §10.1.1). That may be the reply, if it
 * stands already; then nobody knows whether the body will come, and it ends the connection. */
static enum progress invite_body(struct rj_peer *peer)
{
    static const char word[] = "HTTP/1.1 100 Continue\r\n\r\n";
    enum { LEN = sizeof word - 1 };
    if (peer->state != RJ_PEER_EXCHANGE)
        return GOES_ON;
    peer->must_close = false;
    return send(peer->source.fd, word, LEN, MSG_NOSIGNAL | MSG_DONTWAIT) == LEN ? GOES_ON : IS_OVER;
}

static void start_exchange(struct rj_peer *peer, const struct rj_request *request)
{
    peer->state = RJ_PEER_EXCHANGE;
    peer->is_last = request->is_last;
    peer->says_keep = request->is_http_1_0 && !request->is_last;
    peer->is_head = request->method == RJ_HTTP_HEAD;
    peer->must_close = request->length > discard_limit(peer);
    /* A POST has one whose end is told, also when it is empty. */
    peer->expects_body = request->method == RJ_HTTP_POST || request->is_chunked || request->length > 0;
    peer->is_overlong = false;
    peer->body_bytes = 0;
    rj_body_start(&peer->body, request->is_chunked, request->length);
    if (peer->expects_body)
        rj_server_wait(peer->server, peer, RJ_WAIT_MESSAGE);
    else
        rj_timeq_cancel(&peer->limit);
}

static enum progress answer_or_begin(struct rj_peer *peer, const struct rj_request *request)
{
    bool must_invite = request->expects_continue && peer->expects_body && !peer->must_close;
    if (request->is_upgrade && !request->is_to_server)
        return rj_peer_upgrade(peer, request) ? HAS_LEFT : GOES_ON;
    peer->must_close = peer->must_close || must_invite;
    route(peer, request);
    return must_invite ? invite_body(peer) : GOES_ON;
}

static enum progress read_request(struct rj_peer *peer, struct rj_span head)
{
    struct rj_request request;
    unsigned status = rj_request_read(head, rj_server_arena(peer->server), &request);
    rj_server_set_half_open(peer->server, peer, false);
    peer->has_asked = true;
    if (status)
        return refuse(peer, status,
                      status == 411 ? "a body without a length" : "a request that can be read in two ways");
    peer->request = &request;
    start_exchange(peer, &request);
    enum progress progress = answer_or_begin(peer, &request);
    if (progress != HAS_LEFT)
        peer->request = NULL;
    return progress;
}

/* From its first byte on, a head has its own time. */
static void note_begun(struct rj_peer *peer)
{
    if (!peer->has_begun && !peer->is_half_open)
        rj_server_wait(peer->server, peer, RJ_WAIT_HEAD);
    peer->has_begun = true;
}

static enum progress read_head(struct rj_peer *peer)
{
    const struct rj_head_limits limits = {rj_server_options(peer->server)->max_header_bytes,
                                          RJ_MAX_HEADER_LINES};
    struct rj_bytes room = rj_server_room(peer->server);
    ssize_t got = recv(peer->source.fd, room.data, limits.bytes + 1, MSG_PEEK);
    if (got <= 0)
        return nothing_came(peer, got);
    note_begun(peer);
    struct rj_span bytes = rj_span_of(room.data, (size_t)got);
    switch (rj_head_look(&peer->head, bytes, &limits)) {
    case RJ_HEAD_MORE: return peer->is_ended ? IS_OVER : WAITS;
    case RJ_HEAD_BAD: return refuse(peer, 400, "no request");
    case RJ_HEAD_TOO_LONG: return refuse(peer, 431, "a request's head that is too long");
    case RJ_HEAD_WHOLE: break;
    }
    bytes.len = peer->head.seen;
    return take(peer, bytes) ? read_request(peer, bytes) : IS_OVER;
}

/* ---------------------------------------------------------------------------------------------- the body */

static void keep_content(struct rj_peer *peer, struct rj_span data)
{
    peer->body_bytes += data.len;
    if (peer->state != RJ_PEER_EXCHANGE || !peer->events)
        return; /* nobody wants it any more */
    if (peer->input.len + data.len > rj_server_options(peer->server)->max_message_bytes) {
        rj_buf_free(&peer->input);
        peer->is_overlong = true;
        rj_peer_lose(peer, "a body that is too large");
        return;
    }
    rj_buf_put_span(&peer->input, data);
}

static enum progress end_body(struct rj_peer *peer)
{
    const struct rj_peer_events *events = peer->events;
    peer->expects_body = false;
    rj_timeq_cancel(&peer->limit);
    if (peer->state == RJ_PEER_EXCHANGE && events && events->on_body)
        events->on_body(peer->owner, peer, rj_buf_span(&peer->input));
    if (peer->state == RJ_PEER_EXCHANGE) /* whom it was for is gone */
        rj_peer_reply(peer, &(struct rj_response){.status = peer->is_overlong ? 413 : 400});
    return GOES_ON;
}

/* Whoever waited for the body learns it, and nothing behind it can be read. */
static enum progress break_off(struct rj_peer *peer, unsigned status, const char *why)
{
    rj_peer_lose(peer, why);
    rj_buf_clear(&peer->reply); /* one that stood already did not say that the connection ends */
    return refuse(peer, status, why);
}

static enum progress read_body(struct rj_peer *peer)
{
    struct rj_bytes room = rj_server_room(peer->server);
    bool peeks = rj_body_may_end_early(&peer->body);
    size_t wanted = rj_body_wants(&peer->body, room.len);
    ssize_t got = wanted ? recv(peer->source.fd, room.data, wanted, peeks ? MSG_PEEK : 0) : 0;
    if (wanted && got <= 0)
        return nothing_came(peer, got);
    struct rj_span all = rj_span_of(room.data, (size_t)got), rest = all, data;
    enum rj_body_kind kind;
    while ((kind = rj_body_next(&peer->body, &rest, &data)) == RJ_BODY_DATA)
        keep_content(peer, data);
    if (kind == RJ_BODY_BAD)
        return break_off(peer, 400, "a body that is no chunks");
    if (peer->body_bytes > discard_limit(peer))
        return break_off(peer, 413, "a body that is too large");
    if (peeks && !take(peer, rj_span_of(all.data, all.len - rest.len)))
        return IS_OVER;
    return kind == RJ_BODY_END ? end_body(peer) : GOES_ON;
}

/* --------------------------------------------------------------------------------------------- serving */

static enum progress step(struct rj_peer *peer)
{
    bool is_answered = peer->state == RJ_PEER_ANSWERED;
    if (peer->state == RJ_PEER_IDLE)
        return read_head(peer);
    if (peer->expects_body && !(is_answered && peer->must_close))
        return read_body(peer);
    return is_answered ? write_reply(peer) : WAITS;
}

/* The last that a client said was a request that nobody has answered, though all could have. */
static bool is_abandoned(const struct rj_peer *peer)
{
    return peer->is_ended && peer->state == RJ_PEER_EXCHANGE && !peer->expects_body;
}

bool rj_peer_serve(struct rj_peer *peer, bool is_due)
{
    enum progress progress = is_due && is_abandoned(peer) ? IS_OVER : GOES_ON;
    if (peer->is_closing)
        return false; /* its end is decided */
    peer->is_served = true;
    peer->has_asked = false;
    for (int i = 0; i < STEPS_A_TURN && progress == GOES_ON; i++)
        progress = step(peer);
    if (progress == HAS_LEFT)
        return true;
    bool has_asked = peer->has_asked;
    peer->is_served = false;
    if (progress == IS_OVER) {
        rj_peer_http_end(peer);
        rj_peer_free(peer);
    } else if (progress == GOES_ON || is_abandoned(peer)) {
        rj_server_serve_later(peer->server, peer);
    }
    return has_asked;
}

static void on_ready(struct rj_source *source, bool is_ended)
{
    struct rj_peer *peer = (struct rj_peer *)((char *)source - offsetof(struct rj_peer, source));
    peer->is_ended = peer->is_ended || is_ended;
    rj_peer_serve(peer, false);
}

bool rj_peer_http_start(struct rj_peer *peer, int fd)
{
    peer->state = RJ_PEER_IDLE;
    peer->source.fd = fd;
    peer->source.on_ready = on_ready;
    rj_server_set_half_open(peer->server, peer, true);
    rj_server_wait(peer->server, peer, RJ_WAIT_HEAD);
    return rj_receiver_add(rj_server_receiver(peer->server), &peer->source, fd);
}

/* A reply that was ready and waited for the end of the body says more than any other farewell. What was said
 * last has to outlive the input that nobody reads (linger.h). */
void rj_peer_http_end(struct rj_peer *peer)
{
    bool has_reply = peer->state == RJ_PEER_ANSWERED && peer->expects_body;
    bool has_spoken = peer->state == RJ_PEER_FLUSHING;
    struct rj_span last = has_reply ? rj_buf_span(&peer->reply) : rj_span_str(peer->farewell);
    int fd = peer->source.fd;
    peer->state = RJ_PEER_CLOSED;
    rj_receiver_remove(rj_server_receiver(peer->server), &peer->source);
    if (last.len && !has_spoken)
        has_spoken = send(fd, last.data, last.len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
    if (has_spoken)
        rj_linger_add(rj_server_linger(peer->server), fd);
    else
        close(fd);
}
