/* engineio-echo under test, and a raw client's steps towards it. Functions assert. The server must end
 * cleanly behind every test: its sanitizers see to the rest.
 */
#ifndef RJ_TEST_ENGINEIO_SUPPORT_H
#define RJ_TEST_ENGINEIO_SUPPORT_H

#include "tests/support/process.h"
#include "tests/support/test.h"
#include "tests/support/ws_client.h"

enum { WAIT_MS = RJ_WS_DEADLINE_MS, BRIEFLY_MS = 300 };

#define POLLING   "/engine.io/?EIO=4&transport=polling"
#define WEBSOCKET "/engine.io/?EIO=4&transport=websocket"

/* The headers of a request to upgrade. */
#define UPGRADE                                                                                              \
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                             \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

struct server {
    struct rj_process process;
    uint16_t port;
};

/* For cmocka: *state is a struct server with a limit of 10000 bytes and the reference's heartbeat … */
int engineio_setup(void **state);
/* … or one of 400 ms, with a second for the pong; … */
int engineio_setup_quick(void **state);
/* … or two seconds for an upgrade; … */
int engineio_setup_brief_upgrade(void **state);
/* … or for the pages of http://good.example. */
int engineio_setup_origins(void **state);
/* … which may send cookies, and get one; … */
int engineio_setup_credentials(void **state);
/* … or with limits that are soon reached. */
int engineio_setup_limits(void **state);
/* … or with one alone, on handshakes that are half open, which have longer. */
int engineio_setup_half_open(void **state);
int engineio_teardown(void **state);

/* The path with the session's id; valid until the next call. */
char *with_sid(const char *path, const char *sid);

/* The sid in an open packet. */
void sid_of(const char *open, char sid[static 64]);

void open_polling(const struct server *server, char sid[static 64]);
void open_websocket(const struct server *server, struct rj_ws_client *client);

/* A request on a connection of its own, and its answer. */
void assert_answer(const struct server *server, const char *method, const char *path, const char *headers,
                   const char *body, int status, const char *expected);

/* The next answer on this connection. */
void assert_read(struct rj_ws_client *client, int status, const char *expected);

/* The session is unknown to the server. */
void assert_gone(const struct server *server, const char *sid);

/* Sends a poll on a connection of its own, and waits until the server has it. */
void hold_poll(const struct server *server, const char *sid, struct rj_ws_client *poll);

/* The next frame is this text. */
void assert_text(struct rj_ws_client *client, const char *expected);

/* An upgrade to a new session is done: it gets its open packet and its message back. */
void assert_echoes(struct rj_ws_client *client);

/* A fresh client gets its message back. */
void assert_serves(const struct server *server);

#endif
