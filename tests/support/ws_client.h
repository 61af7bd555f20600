/* A raw HTTP and WebSocket client for tests: it sends exactly what it is told, right or wrong, and shows
 * exactly what came. Blocking, with a deadline on every wait. Nothing here asserts; functions answer false.
 */
#ifndef RJ_WS_CLIENT_H
#define RJ_WS_CLIENT_H

#include "proto/base/buf.h"

enum { RJ_WS_DEADLINE_MS = 20000 }; /* for connecting and reading, unless a function takes its own */

struct rj_ws_client {
    int fd; /* -1: not connected */
    struct rj_buf in;
};

/* Connects to 127.0.0.1. */
bool rj_ws_connect(struct rj_ws_client *client, uint16_t port);

/* With the smallest receive buffer: what is not read soon blocks the sender. */
bool rj_ws_connect_narrow(struct rj_ws_client *client, uint16_t port);

/* Closes; with `resets`, by a RST. Harmless when it is not connected. */
void rj_ws_disconnect(struct rj_ws_client *client);
void rj_ws_reset(struct rj_ws_client *client);

/* Sends bytes as they are. */
bool rj_ws_send_raw(struct rj_ws_client *client, const void *data, size_t len);
bool rj_ws_send_str(struct rj_ws_client *client, const char *text);

/* Whether the other side closes (or resets) within the time; what comes before is kept in `in`. */
bool rj_ws_is_closed(struct rj_ws_client *client, unsigned deadline_ms);

/* ---- HTTP */

struct rj_http_answer {
    int status;
    struct rj_buf head; /* the status line and the headers */
    struct rj_buf body;
};

/* Reads one response with a Content-Length (or without a body). */
bool rj_http_read(struct rj_ws_client *client, struct rj_http_answer *answer, unsigned deadline_ms);

/* Reads the head alone: of an answer to HEAD. */
bool rj_http_read_head(struct rj_ws_client *client, struct rj_http_answer *answer, unsigned deadline_ms);

/* Sends a request on the connection. `headers`: whole lines with CRLF, or NULL. A body gets its length. */
bool rj_http_send(struct rj_ws_client *client, const char *method, const char *path, const char *headers,
                  const char *body);

/* Both, on a connection of its own. */
bool rj_http_once(uint16_t port, const char *method, const char *path, const char *headers, const char *body,
                  struct rj_http_answer *answer);

/* The body as text. */
const char *rj_http_body(struct rj_http_answer *answer);

/* Whether a header line starts with `line` (such as "ETag: "). */
bool rj_http_has(struct rj_http_answer *answer, const char *line);
void rj_http_free(struct rj_http_answer *answer);

/* ---- WebSocket */

enum {
    RJ_WS_CONTINUATION = 0,
    RJ_WS_TEXT = 1,
    RJ_WS_BINARY = 2,
    RJ_WS_CLOSE = 8,
    RJ_WS_PING = 9,
    RJ_WS_PONG = 10
};

/* Connects and upgrades; the HTTP status (101 when it worked), 0 when nothing came. */
int rj_ws_open(struct rj_ws_client *client, uint16_t port, const char *path, const char *headers);

/* Sends one masked frame; `is_final` as FIN. */
bool rj_ws_send_frame(struct rj_ws_client *client, unsigned opcode, bool is_final, const void *data,
                      size_t len);
bool rj_ws_send_text(struct rj_ws_client *client, const char *text);

/* Reads one frame of any kind into `data` (cleared first); its opcode, or -1 when none comes. */
int rj_ws_receive(struct rj_ws_client *client, struct rj_buf *data, unsigned deadline_ms);

/* Reads frames until a text frame comes that starts with `prefix`; skips others. */
bool rj_ws_expect(struct rj_ws_client *client, const char *prefix, struct rj_buf *data, unsigned deadline_ms);

/* Reads until a Close frame; its code, 0 for one without, -1 when the connection ends without or nothing
 * comes. */
int rj_ws_close_code(struct rj_ws_client *client, unsigned deadline_ms);

#endif
