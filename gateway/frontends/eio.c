#include "gateway/frontends/eio.h"

#include <stdlib.h>

#include "gateway/frontends/addresses.h"
#include "gateway/frontends/eio_internal.h"
#include "gateway/frontends/packet_frame.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"

enum { HANDSHAKE_HEADER_BYTES = 8192, ASLEEP_MS = 100 };

#define SESSION_OF(entry, member)                                                                            \
    ((struct rj_eio_session *)((char *)(entry)-offsetof(struct rj_eio_session, member)))

/* --------------------------------------------------------------------------------------------- requests */

const char *rj_eio_error_text(enum rj_eio_error error)
{
    static const char *const texts[] = {
        [EIO_UNKNOWN_TRANSPORT] = "Transport unknown",
        [EIO_UNKNOWN_SID] = "Session ID unknown",
        [EIO_BAD_HANDSHAKE_METHOD] = "Bad handshake method",
        [EIO_BAD_REQUEST] = "Bad request",
        [EIO_FORBIDDEN] = "Forbidden",
        [EIO_UNSUPPORTED_VERSION] = "Unsupported protocol version",
        [EIO_OK] = "",
    };
    return texts[error];
}

void rj_eio_note_refusal(struct rj_eio *eio, struct rj_peer *peer, const char *why)
{
    unsigned held;
    char address[RJ_ADDRESS_MAX];
    eio->counters.refused++;
    if (!rj_log_allowed(&eio->refusal_log, &held))
        return;
    rj_peer_address(peer, address);
    rj_log(RJ_LOG_INFO, "request_refused", RJ_KV_STR("address", address), RJ_KV_STR("why", why),
           RJ_KV_U64("held", held));
}

void rj_eio_reply_error(struct rj_eio *eio, struct rj_peer *peer, enum rj_eio_error error)
{
    struct rj_buf body = {0};
    rj_buf_printf(&body, "{\"code\":%u,\"message\":\"%s\"}", (unsigned)error, rj_eio_error_text(error));
    rj_eio_note_refusal(eio, peer, rj_eio_error_text(error));
    rj_peer_reply(peer, &(struct rj_response){
                            .status = error == EIO_FORBIDDEN ? 403 : 400,
                            .type = "application/json",
                            .body = rj_buf_span(&body),
                        });
    rj_buf_free(&body);
}

bool rj_eio_is_asked(const struct rj_eio *eio, struct rj_span path)
{
    size_t len = strlen(eio->options.path);
    if (path.len + 1 == len)
        return memcmp(path.data, eio->options.path, path.len) == 0;
    return path.len >= len && memcmp(path.data, eio->options.path, len) == 0;
}

static struct rj_eio_session *find(struct rj_eio *eio, struct rj_span sid)
{
    struct rj_eio_session *session = NULL;
    if (sid.len == RJ_ID_LEN)
        HASH_FIND(hh, eio->sessions, sid.data, RJ_ID_LEN, session);
    return session;
}

static void expire_pongs(struct rj_eio *eio, uint64_t now_ms)
{
    struct rj_timeq_entry *entry;
    while ((entry = rj_timeq_expired(&eio->pongs, now_ms))) {
        eio->counters.ping_timeouts++;
        rj_eio_session_note_close(SESSION_OF(entry, beat), RJ_REASON_PING_TIMEOUT, "no pong");
        rj_eio_session_end(SESSION_OF(entry, beat), RJ_REASON_PING_TIMEOUT, "1");
    }
}

/* A busy loop reads requests before it looks at the clock; one that comes after its session's last moment
 * must find none all the same. Unless this process was asleep: then the pong may stand behind this request,
 * unread. */
static void expire_before_request(struct rj_eio *eio)
{
    uint64_t now_ms = rj_clock_mono_ms(), due_ms = rj_timeq_first(&eio->pongs);
    if (due_ms <= now_ms && now_ms - due_ms < ASLEEP_MS)
        expire_pongs(eio, now_ms);
}

static bool has_our_version(const struct rj_request *request)
{
    struct rj_span version;
    return rj_request_arg(request, "EIO", &version) && rj_span_is(version, "4");
}

static enum rj_eio_error check_handshake(const struct rj_request *request, bool is_websocket,
                                         bool wants_websocket)
{
    if (request->method != RJ_HTTP_GET)
        return EIO_BAD_HANDSHAKE_METHOD;
    if (is_websocket != wants_websocket)
        return EIO_BAD_REQUEST;
    return has_our_version(request) ? EIO_OK : EIO_UNSUPPORTED_VERSION;
}

/* A request for a live session must use its transport; only an upgrade may name another. And its version
 * (CVE-2026-102599). */
static enum rj_eio_error check_session(const struct rj_eio_session *session, const struct rj_request *request,
                                       bool is_websocket, bool wants_websocket)
{
    bool is_right = is_websocket ? wants_websocket : !wants_websocket && session->state != EIO_WEBSOCKET;
    return is_right && has_our_version(request) ? EIO_OK : EIO_BAD_REQUEST;
}

enum rj_eio_error rj_eio_check(struct rj_eio *eio, const struct rj_request *request, bool is_websocket,
                               struct rj_eio_session **session)
{
    struct rj_span transport = {0}, sid;
    *session = NULL;
    rj_request_arg(request, "transport", &transport);
    bool wants_websocket = rj_span_is(transport, "websocket");
    if (!wants_websocket && !rj_span_is(transport, "polling"))
        return EIO_UNKNOWN_TRANSPORT;
    if (!rj_origin_is_valid(request->origin))
        return EIO_BAD_REQUEST;
    if (!rj_request_arg(request, "sid", &sid) || sid.len == 0)
        return check_handshake(request, is_websocket, wants_websocket);
    expire_before_request(eio);
    *session = find(eio, sid);
    return *session ? check_session(*session, request, is_websocket, wants_websocket) : EIO_UNKNOWN_SID;
}

/* A session costs its opener one request and no connection: without a bound, one connection could open as
 * many as it likes until they are missed. */
unsigned rj_eio_refusal(const struct rj_eio *eio, const struct rj_peer *peer)
{
    const struct rj_eio_options *options = &eio->options;
    if (eio->refuses || (options->max_sessions && HASH_COUNT(eio->sessions) >= options->max_sessions))
        return 503;
    if (options->max_sessions_address && rj_peer_site(peer)->sessions >= options->max_sessions_address)
        return 429;
    return 0;
}

const char *rj_eio_refusal_text(unsigned status)
{
    return status == 429 ? "too many sessions of its address" : "no room for sessions";
}

struct rj_eio_handshake *rj_eio_handshake_new(struct rj_eio *eio, struct rj_peer *peer,
                                              const struct rj_request *request, const char *transport)
{
    char address[RJ_ADDRESS_MAX];
    struct rj_buf *bytes = &eio->scratch;
    rj_peer_address(peer, address);
    rj_buf_clear(bytes);
    size_t n = rj_peer_put_headers(peer, HANDSHAKE_HEADER_BYTES, bytes);
    size_t address_at = bytes->len;
    rj_buf_put(bytes, address, strlen(address) + 1);
    size_t url_at = bytes->len;
    rj_buf_put_span(bytes, request->url);
    rj_buf_put_u8(bytes, '\0');
    struct rj_eio_handshake *handshake = rj_alloc(sizeof *handshake + bytes->len);
    const char *text = memcpy(handshake + 1, bytes->data, bytes->len);
    *handshake = (struct rj_eio_handshake){.site = rj_address_hold(rj_peer_site(peer)),
                                           .address = text + address_at,
                                           .url = text + url_at,
                                           .transport = transport,
                                           .issued_ms = rj_clock_wall_ms(),
                                           .headers = text,
                                           .n_headers = n};
    return handshake;
}

void rj_eio_handshake_free(struct rj_eio_handshake *handshake)
{
    if (!handshake)
        return;
    rj_address_let_go(&handshake->site);
    free(handshake);
}

/* --------------------------------------------------------------------------------------------- the turn */

void rj_eio_mark_dirty(struct rj_eio_session *session)
{
    struct rj_eio *eio = session->eio;
    if (session->is_dirty)
        return;
    session->is_dirty = true;
    if (eio->n_dirty == eio->cap_dirty) {
        eio->cap_dirty = eio->cap_dirty ? eio->cap_dirty * 2 : 64;
        eio->dirty = rj_realloc(eio->dirty, eio->cap_dirty, sizeof(struct rj_eio_session *));
    }
    eio->dirty[eio->n_dirty++] = session;
}

void rj_eio_flush(struct rj_eio *eio)
{
    for (size_t i = 0; i < eio->n_dirty; i++) { /* grows when `drained` leads to more */
        struct rj_eio_session *session = eio->dirty[i];
        session->is_dirty = false;
        rj_eio_session_flush(session);
    }
    eio->n_dirty = 0;
    for (struct rj_eio_session *session; (session = eio->dead);) {
        eio->dead = session->next_dead;
        rj_eio_session_free(session);
    }
}

/* The wait for the pong counts from when the ping was due: that is what the client was told. But a ping that
 * is very late leaves half of the wait at least. Both grow from ping to ping, as the queue wants it. */
static void ping(struct rj_eio_session *session, uint64_t now_ms)
{
    struct rj_eio *eio = session->eio;
    uint64_t due_ms = session->beat.deadline_ms, late_ms = now_ms - due_ms;
    uint64_t most_ms = eio->options.ping_timeout_ms / 2;
    rj_eio_session_ping(session);
    rj_timeq_set(&eio->pongs, &session->beat, late_ms < most_ms ? due_ms : now_ms - most_ms);
}

void rj_eio_tick(struct rj_eio *eio, uint64_t now_ms)
{
    struct rj_timeq_entry *entry;
    expire_pongs(eio, now_ms);
    while ((entry = rj_timeq_expired(&eio->pings, now_ms)))
        ping(SESSION_OF(entry, beat), now_ms);
    while ((entry = rj_timeq_expired(&eio->upgrades, now_ms)))
        rj_eio_ws_drop_candidate(SESSION_OF(entry, upgrade), "an upgrade that does not end");
    while ((entry = rj_timeq_expired(&eio->closes, now_ms)))
        rj_eio_session_end(SESSION_OF(entry, beat), RJ_REASON_FORCED_CLOSE, "1");
}

uint64_t rj_eio_deadline(const struct rj_eio *eio)
{
    const struct rj_timeq *queues[] = {&eio->pings, &eio->pongs, &eio->upgrades, &eio->closes};
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < sizeof queues / sizeof *queues; i++) {
        uint64_t one = rj_timeq_first(queues[i]);
        first = one < first ? one : first;
    }
    return first;
}

/* ------------------------------------------------------------------------------------------- the service */

struct rj_eio *rj_eio_new(const struct rj_eio_options *options)
{
    struct rj_eio *eio = rj_calloc(1, sizeof *eio);
    eio->options = *options;
    eio->ping = rj_packet_frame_text(rj_span_str("2"));
    eio->probe = rj_packet_frame_text(rj_span_str("3probe"));
    rj_timeq_init(&eio->pings, options->ping_interval_ms);
    rj_timeq_init(&eio->pongs, options->ping_timeout_ms);
    rj_timeq_init(&eio->upgrades, options->upgrade_timeout_ms);
    rj_timeq_init(&eio->closes, options->close_timeout_ms);
    return eio;
}

void rj_eio_refuse(struct rj_eio *eio)
{
    eio->refuses = true;
}

size_t rj_eio_close_some(struct rj_eio *eio, size_t most, enum rj_reason reason)
{
    struct rj_eio_session *session, *next;
    size_t left = 0;
    HASH_ITER (hh, eio->sessions, session, next) {
        if (!rj_eio_session_listens(session))
            continue;
        if (most > 0) {
            most--;
            rj_eio_close(session, reason, NULL);
        } else {
            left++;
        }
    }
    return left;
}

const struct rj_eio_counters *rj_eio_counters(const struct rj_eio *eio)
{
    return &eio->counters;
}

void rj_eio_free(struct rj_eio **taken, enum rj_reason reason)
{
    struct rj_eio *eio = *taken;
    struct rj_eio_session *session, *next;
    if (!eio)
        return;
    *taken = NULL;
    HASH_ITER (hh, eio->sessions, session, next)
        rj_eio_session_end(session, reason, "1");
    rj_eio_flush(eio);
    rj_frame_unref(eio->ping);
    rj_frame_unref(eio->probe);
    rj_buf_free(&eio->scratch);
    rj_buf_free(&eio->decoded);
    free(eio->dirty);
    free(eio);
}
