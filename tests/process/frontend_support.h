/* The real gateway with the real broker behind it, for what a raw client gets to see. Functions assert; both
 * processes must end cleanly behind every test.
 */
#ifndef RJ_TEST_FRONTEND_SUPPORT_H
#define RJ_TEST_FRONTEND_SUPPORT_H

#include "tests/support/broker_peer.h"
#include "tests/support/test.h"
#include "tests/support/ws_client.h"

enum { WAIT_MS = RJ_WS_DEADLINE_MS, PATH_BYTES = 512 };

#define POLLING   "/socket.io/?EIO=4&transport=polling"
#define WEBSOCKET "/socket.io/?EIO=4&transport=websocket"

struct system {
    struct rj_test_broker broker;
    struct rj_process gateway;
    char files[256]; /* a folder to be served */
    char log[PATH_BYTES];
    uint16_t port;
};

/* For cmocka: *state is a struct system. `env`: settings of the gateway, or NULL. */
int setup(void **state);
int setup_with(void **state, const char *const env[]);
/* One namespace a connection, ten connections, a second to join, no recovery. */
int setup_tight(void **state);
int teardown(void **state);

/* Another gateway in the place of one that has ended. */
void start_gateway(struct system *system, const char *const env[]);
bool is_ready(uint16_t port);

void open_websocket(const struct system *system, struct rj_ws_client *client);
void send_text(struct rj_ws_client *client, const char *text);
/* The next text must start so; the whole of it goes to `data`. */
void expect_in(struct rj_ws_client *client, const char *prefix, struct rj_buf *data);
void expect(struct rj_ws_client *client, const char *prefix);
/* The text of a member, of which there is one. */
void member_of(struct rj_buf *text, const char *name, char value[static 64]);

/* A client in the namespace "/" (and in the room "tea"). */
void enter(const struct system *system, struct rj_ws_client *client);
void publish(struct rj_ws_client *client, const char *data);

/* `body` NULL: whatever it is. */
void assert_http(const struct system *system, const char *path, int status, const char *body);

#endif
