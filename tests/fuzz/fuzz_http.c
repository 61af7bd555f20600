/* The gateway's door as a whole: bytes come over sockets into the request reader, libwebsockets, Engine.IO
 * and its WebSockets, on the real loop, with a user behind that sends every message back. Clients speak the
 * protocol or anything else, several at once; time passes when the target says so.
 *
 * Among the requests are some with tickets, which come back in the answers: in order, and none twice. When
 * all clients have gone nothing may be left of them. The server lives through all inputs. Steps as in
 * steps.h.
 */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "gateway/frontends/eio.h"
#include "gateway/frontends/packet_frame.h"
#include "gateway/frontends/server.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/fuzz/fake_clock.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/steps.h"

enum {
    CLIENTS = 4,
    STEPS_MAX = 40,
    SIDS = 4,
    ANSWER_MAX = 1 << 16,
    PING_INTERVAL_MS = 25000,
    PING_TIMEOUT_MS = 20000,
    WAIT_MS = 5000,
    TICKET_LEN = 15, /* with its NUL */
    REST_LEN = TICKET_LEN + 3,
};

/* libFuzzer hands no context to an input, and a server for each would take far longer than the input. */
static struct {
    uv_loop_t loop;
    struct rj_eio *eio;
    struct rj_route routes[2];
    struct rj_server *server;
    int clients[CLIENTS];                       /* -1: not connected */
    uint32_t given[CLIENTS], returned[CLIENTS]; /* tickets, on this connection */
    char rest[CLIENTS][REST_LEN];               /* of what came last, for a ticket that came in two pieces */
    char sids[SIDS][64];                        /* seen last, the newest first */
} door;

/* ------------------------------------------------------------------------------------------------ the user
 */

static void *on_open(void *context, struct rj_eio_session *session, const struct rj_eio_handshake *handshake)
{
    (void)context;
    HOLDS(handshake->url && handshake->address && handshake->transport);
    const char *at = handshake->headers;
    for (size_t i = 0; i < 2 * handshake->n_headers; i++)
        at += strlen(at) + 1;
    return session;
}

static void on_message(void *conn, bool is_binary, struct rj_span data)
{
    struct rj_buf text = {0};
    rj_buf_put_u8(&text, '4');
    rj_buf_put_span(&text, data);
    struct rj_frame *frame =
        is_binary ? rj_packet_frame_binary(data) : rj_packet_frame_text(rj_buf_span(&text));
    rj_eio_send(conn, frame);
    rj_frame_unref(frame);
    rj_buf_free(&text);
    if (rj_span_is(data, "close"))
        rj_eio_close(conn, RJ_REASON_FORCED_CLOSE, NULL);
}

static void on_nothing(void *conn)
{
    (void)conn;
}

static void on_closed(void *conn, enum rj_reason reason)
{
    (void)conn;
    HOLDS(reason < RJ_REASON_COUNT);
}

/* ------------------------------------------------------------------------------------------------ tickets
 */

/* Nothing that an input holds by chance. */
static void write_ticket(size_t which, uint32_t n, char out[static TICKET_LEN])
{
    snprintf(out, TICKET_LEN, "<~%zu-%08x~>", which, n * 0x9e3779b1U ^ 0x5bd1e995U);
}

static bool on_ticket(void *context, struct rj_peer *peer, const struct rj_request *request)
{
    (void)context;
    if (request->path.len != TICKET_LEN || memcmp(request->path.data, "/<~", 3) != 0)
        return false;
    rj_peer_reply(peer, &(struct rj_response){.status = 200, .body = rj_span_from(request->path, 1)});
    return true;
}

/* Byte by byte: what is compared by a function of the library becomes a word of libFuzzer's, which would put
 * tickets into messages that come back. */
static bool is_ticket(const char *text, size_t which, uint32_t n)
{
    char ticket[TICKET_LEN];
    size_t same = 0;
    write_ticket(which, n, ticket);
    while (same < TICKET_LEN - 1 && text[same] == ticket[same])
        same++;
    return same == TICKET_LEN - 1;
}

/* Which of a client's tickets the text begins with; their number: none. */
static uint32_t find_ticket(const char *text, size_t which)
{
    uint32_t n = 0;
    while (n < door.given[which] && !is_ticket(text, which, n))
        n++;
    return n;
}

/* Those that are bodies, in what came: newer ones than before, and no other client's. A request may have been
 * lost in another's body; a message that comes back may begin like a ticket. */
static void see_tickets(size_t which, const char *text)
{
    for (const char *at = text; (at = strstr(at, "\r\n\r\n<~")) && strlen(at) >= TICKET_LEN + 3; at++) {
        for (size_t i = 0; i < CLIENTS; i++) {
            uint32_t n = find_ticket(at + 4, i);
            HOLDS(n == door.given[i] || (i == which && n >= door.returned[i]));
            if (n < door.given[i])
                door.returned[i] = n + 1;
        }
    }
}

/* ------------------------------------------------------------------------------------------------ the turn
 */

static void see_sid(const char *answer)
{
    const char *at = strstr(answer, "\"sid\":\"");
    size_t len = at ? strcspn(at + 7, "\"") : 0;
    if (!at || len >= sizeof door.sids[0])
        return;
    memmove(door.sids[1], door.sids[0], sizeof door.sids - sizeof door.sids[0]);
    snprintf(door.sids[0], sizeof door.sids[0], "%.*s", (int)len, at + 7);
}

static void drop(size_t which)
{
    if (door.clients[which] >= 0)
        close(door.clients[which]);
    door.clients[which] = -1;
}

/* Keeps the end of the text, where a ticket may have begun. */
static void keep_rest(size_t which, const char *text, size_t len)
{
    size_t from = len < REST_LEN - 1 ? 0 : len - (REST_LEN - 1);
    snprintf(door.rest[which], REST_LEN, "%s", text + from);
}

static void listen_to(size_t which)
{
    static char answer[REST_LEN + ANSWER_MAX + 1];
    while (door.clients[which] >= 0) {
        size_t before = strlen(door.rest[which]);
        memcpy(answer, door.rest[which], before);
        ssize_t got = recv(door.clients[which], answer + before, ANSWER_MAX, MSG_DONTWAIT);
        if (got < 0)
            return;
        if (got == 0) {
            drop(which);
            return;
        }
        size_t len = before + (size_t)got;
        for (size_t i = before; i < len; i++) /* frames have zeroes */
            answer[i] = answer[i] ? answer[i] : ' ';
        answer[len] = '\0';
        see_sid(answer + before);
        see_tickets(which, answer);
        keep_rest(which, answer, len);
    }
}

static void turn(void)
{
    for (int i = 0; i < 3; i++) {
        uv_run(&door.loop, UV_RUN_NOWAIT);
        rj_eio_tick(door.eio, rj_clock_mono_ms());
        rj_eio_flush(door.eio);
        rj_server_flush(door.server);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        listen_to(i);
}

/* ------------------------------------------------------------------------------------------------ clients */

static void say(size_t which, const void *bytes, size_t len)
{
    if (door.clients[which] < 0) {
        int ends[2];
        HOLDS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
        door.clients[which] = ends[0];
        door.given[which] = door.returned[which] = 0;
        door.rest[which][0] = '\0';
        rj_server_adopt(door.server, ends[1]);
    }
    (void)!send(door.clients[which], bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

typedef void step_action(size_t which, struct fuzz_bytes *how);

static void do_raw(size_t which, struct fuzz_bytes *how)
{
    say(which, how->at, fuzz_left(how));
}

/* `sid=…&` of a session that was seen, or nothing. */
static void put_sid(struct rj_buf *out, struct fuzz_bytes *how)
{
    uint8_t choice = fuzz_u8(how);
    const char *sid = choice % 8 == 7 ? "__proto__" : choice % 8 == 6 ? "" : door.sids[choice % SIDS];
    if (sid[0])
        rj_buf_printf(out, "&sid=%s", sid);
}

static void do_handshake(size_t which, struct fuzz_bytes *how)
{
    static const char get[] = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n";
    (void)how;
    say(which, get, sizeof get - 1);
}

/* The last header, and the rest of the input as the body. */
static void put_body(struct rj_buf *out, struct fuzz_bytes *how)
{
    size_t left = fuzz_left(how);
    if (left)
        rj_buf_printf(out, "Content-Length: %zu\r\n", left);
    rj_buf_put_str(out, "\r\n");
    rj_buf_put(out, how->at, left);
}

static void put_chunks(struct rj_buf *out, struct fuzz_bytes *how)
{
    rj_buf_put_str(out, "Transfer-Encoding: chunked\r\n\r\n");
    while (fuzz_left(how) > 1) {
        struct fuzz_bytes chunk = fuzz_take(how, 1 + fuzz_below(how, 40));
        size_t len = fuzz_left(&chunk);
        rj_buf_printf(out, "%zx%s\r\n", len, len % 3 ? "" : ";a=b");
        rj_buf_put(out, chunk.at, len);
        rj_buf_put_str(out, "\r\n");
    }
    rj_buf_put_str(out, fuzz_left(how) ? "0\r\na: b\r\n\r\n" : "0\r\n\r\n");
}

static void do_request(size_t which, struct fuzz_bytes *how)
{
    static const char *const methods[] = {"GET", "POST",   "OPTIONS", "HEAD",
                                          "PUT", "DELETE", "PATCH",   "CONNECT"};
    static const char *const headers[] = {
        "",
        "Origin: http://a\r\n",
        "Content-Type: application/octet-stream\r\n",
        "Host: b\r\n",
        "Connection: close\r\n",
        "Upgrade: websocket\r\nConnection: Upgrade\r\n",
        "Expect: 100-continue\r\n",
        "Content-Length: 9999999999\r\n",
    };
    struct rj_buf out = {0};
    rj_buf_printf(&out, "%s /socket.io/?EIO=%u&transport=%s", methods[fuzz_below(how, 8)],
                  fuzz_seldom(how, 8) ? 3 : 4, fuzz_seldom(how, 4) ? "websocket" : "polling");
    put_sid(&out, how);
    rj_buf_printf(&out, " HTTP/1.%u\r\nHost: a\r\n%s", fuzz_seldom(how, 8) ? 0 : 1,
                  headers[fuzz_below(how, 8)]);
    if (fuzz_seldom(how, 4))
        put_chunks(&out, how);
    else
        put_body(&out, how);
    say(which, out.data, out.len);
    rj_buf_free(&out);
}

/* Requests with tickets, one behind the other. */
static void do_tickets(size_t which, struct fuzz_bytes *how)
{
    struct rj_buf out = {0};
    char ticket[TICKET_LEN];
    say(which, "", 0); /* connects */
    for (size_t n = 1 + fuzz_below(how, 12); n > 0; n--) {
        bool is_post = fuzz_seldom(how, 4);
        struct fuzz_bytes body = fuzz_take(how, is_post ? fuzz_below(how, 16) : 0);
        write_ticket(which, door.given[which]++, ticket);
        rj_buf_printf(&out, "%s /%s HTTP/1.1\r\nHost: a\r\n", is_post ? "POST" : "GET", ticket);
        put_body(&out, &body);
    }
    say(which, out.data, out.len);
    rj_buf_free(&out);
}

/* What the query says, and a header, out of the input. */
static void do_query(size_t which, struct fuzz_bytes *how)
{
    struct rj_buf out = {0};
    struct fuzz_bytes query = fuzz_take(how, fuzz_u8(how));
    rj_buf_put_str(&out, "GET /socket.io/?");
    rj_buf_put(&out, query.at, fuzz_left(&query));
    rj_buf_put_str(&out, " HTTP/1.1\r\nHost: a\r\n");
    rj_buf_put(&out, how->at, fuzz_left(how));
    rj_buf_put_str(&out, "\r\n\r\n");
    say(which, out.data, out.len);
    rj_buf_free(&out);
}

static void do_upgrade(size_t which, struct fuzz_bytes *how)
{
    struct rj_buf out = {0};
    rj_buf_put_str(&out, "GET /socket.io/?EIO=4&transport=websocket");
    if (fuzz_u8(how) % 2)
        put_sid(&out, how);
    rj_buf_put_str(&out, " HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    if (!fuzz_seldom(how, 8))
        rj_buf_put_str(&out, "Sec-WebSocket-Version: 13\r\n");
    rj_buf_put(&out, how->at, fuzz_left(how));
    rj_buf_put_str(&out, "\r\n");
    say(which, out.data, out.len);
    rj_buf_free(&out);
}

static void put_frame(struct rj_buf *out, unsigned opcode, bool is_final, struct rj_span data)
{
    rj_buf_put_u8(out, (uint8_t)((is_final ? 0x80 : 0) | opcode));
    if (data.len < 126) {
        rj_buf_put_u8(out, (uint8_t)(0x80 | data.len));
    } else {
        rj_buf_put_u8(out, 0x80 | 126);
        rj_buf_put_u8(out, (uint8_t)(data.len >> 8));
        rj_buf_put_u8(out, (uint8_t)data.len);
    }
    rj_buf_put(out, "\0\0\0\0", 4); /* a mask that changes nothing */
    rj_buf_put_span(out, data);
}

static void do_frame(size_t which, struct fuzz_bytes *how)
{
    static const char *const packets[] = {"2probe", "5", "3", "4hello", "1", "2", "40", "4close"};
    static const unsigned opcodes[] = {1, 1, 1, 2, 0, 8, 9, 10};
    struct rj_buf out = {0};
    uint8_t choice = fuzz_u8(how), kind = fuzz_u8(how);
    struct rj_span data =
        fuzz_left(how) ? rj_span_of(how->at, fuzz_left(how)) : rj_span_str(packets[choice % 8]);
    put_frame(&out, opcodes[kind % 8], kind % 16 < 12, data);
    say(which, out.data, out.len);
    rj_buf_free(&out);
}

static void do_close(size_t which, struct fuzz_bytes *how)
{
    if (door.clients[which] >= 0 && fuzz_u8(how) % 2)
        shutdown(door.clients[which], SHUT_WR);
    else
        drop(which);
}

static void do_wait(size_t which, struct fuzz_bytes *how)
{
    static const uint64_t passes[] = {10, 1000, WAIT_MS, PING_INTERVAL_MS,
                                      PING_INTERVAL_MS + PING_TIMEOUT_MS};
    (void)which;
    fake_clock_pass(passes[fuzz_below(how, 5)]);
}

static step_action *const actions[] = {
    do_raw,     do_handshake, do_request, do_request, do_query, do_upgrade,
    do_tickets, do_frame,     do_frame,   do_frame,   do_close, do_wait,
};
enum { ACTIONS = sizeof actions / sizeof *actions };

/* ------------------------------------------------------------------------------------------------ life */

static void leave(void)
{
    for (size_t i = 0; i < CLIENTS; i++)
        drop(i);
    for (int i = 0; i < 20 && (rj_server_peers(door.server) || rj_eio_counters(door.eio)->sessions); i++) {
        turn();
        fake_clock_pass(PING_INTERVAL_MS);
    }
    HOLDS(rj_eio_counters(door.eio)->sessions == 0 && rj_eio_counters(door.eio)->websockets == 0);
    HOLDS(rj_server_peers(door.server) == 0);
    memset(door.sids, 0, sizeof door.sids);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct rj_eio_callbacks callbacks = {
        .open = on_open,
        .message = on_message,
        .drained = on_nothing,
        .mark = on_nothing,
        .proved = on_nothing,
        .alive = on_nothing,
        .closed = on_closed,
    };
    static char *origins[] = {"http://a", NULL};
    (void)argc, (void)argv;
    rj_log_setup(getenv("FUZZ_LOG") ? RJ_LOG_DEBUG : RJ_LOG_ERROR + 1, RJ_LOG_TEXT, "fuzz");
    signal(SIGPIPE, SIG_IGN);
    fake_clock_reset();
    uv_loop_init(&door.loop);
    door.eio = rj_eio_new(&(struct rj_eio_options){
        .path = "/socket.io/",
        .ping_interval_ms = PING_INTERVAL_MS,
        .ping_timeout_ms = PING_TIMEOUT_MS,
        .upgrade_timeout_ms = 10000,
        .close_timeout_ms = 30000,
        .max_payload_bytes = 1000,
        .cors = {.origins = origins},
        .callbacks = &callbacks,
    });
    door.routes[0] = (struct rj_route){.on_request = on_ticket};
    door.routes[1] = (struct rj_route){door.eio, rj_eio_on_request, rj_eio_on_upgrade};
    struct rj_server_options options = {
        .loop = &door.loop,
        .routes = door.routes,
        .n_routes = 2,
        .max_message_bytes = 1000,
        .max_fragments = 8,
        .max_header_bytes = 2048,
        .max_of_address = CLIENTS,
        .max_half_open = CLIENTS,
        .handshake_timeout_ms = WAIT_MS,
        .keepalive_timeout_ms = WAIT_MS,
        .message_timeout_ms = WAIT_MS,
        .stuck_timeout_ms = 60000,
    };
    HOLDS(rj_server_open(&options, &door.server) == RJ_OK);
    for (size_t i = 0; i < CLIENTS; i++)
        door.clients[i] = -1;
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    return fuzz_mutate_steps(data, size, max_size, seed, 0);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *out, size_t max_size, unsigned seed)
{
    return fuzz_cross_steps(fuzz_bytes(a, a_size), fuzz_bytes(b, b_size), out, max_size, seed, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_bytes input = fuzz_bytes(data, size);
    struct fuzz_step step;
    for (int i = 0; i < STEPS_MAX && fuzz_next_step(&input, &step); i++) {
        actions[step.what % ACTIONS](step.what / ACTIONS % CLIENTS, &step.how);
        if (!(step.what & 0x80))
            turn();
    }
    turn();
    leave();
    return 0;
}
