/* A real gateway and broker with a canary among their clients: it publishes and waits for its ack, all the
 * time, on a connection of its own, while a test misbehaves on others. Functions assert.
 *
 * Behind every test: the canary's slowest round trip has a bound, the connections of the misbehaved are gone,
 * the gateway's memory has not grown for good, and both processes end cleanly.
 */
#ifndef RJ_TEST_HOSTILE_SUPPORT_H
#define RJ_TEST_HOSTILE_SUPPORT_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/support/broker_peer.h"
#include "tests/support/test.h"
#include "tests/support/ws_client.h"

enum { WAIT_MS = 20000, HANDSHAKE_MS = 1500, MAX_PAYLOAD = 100000, MAX_PACKET = 250000 };

#define POLLING   "/socket.io/?EIO=4&transport=polling"
#define WEBSOCKET "/socket.io/?EIO=4&transport=websocket"

struct canary {
    pthread_t thread;
    uint16_t port;
    atomic_bool is_over;
    atomic_uint trips;
    unsigned slowest_ms;
    const char *fault; /* NULL: all went well */
};

struct siege {
    struct rj_test_broker broker;
    struct rj_process gateway;
    char log[512];
    uint16_t port;
    struct canary canary;
    size_t rss_kib; /* of the gateway before */
};

/* For cmocka: *state is a struct siege. `env`: settings of the gateway beside those above, or NULL. */
int siege_setup(void **state);
int siege_setup_with(void **state, const char *const env[]);
/* The same with further flags of the broker, ended by NULL; or NULL. */
int siege_setup_both(void **state, const char *const env[], const char *const flags[]);
int siege_teardown(void **state);

/* The canary goes on for at least as many round trips from here. */
void canary_sings(struct siege *siege, unsigned trips);

/* The WebSocket is open, and has got its open packet … */
void open_websocket(const struct siege *siege, struct rj_ws_client *client);
/* … and is in "/" and the room "den". */
void enter(const struct siege *siege, struct rj_ws_client *client);
/* A polling session; its path goes to `path`. */
void open_polling(const struct siege *siege, char path[static 128]);

/* The status of a request on a connection of its own; 0: closed without an answer. */
int status_of(const struct siege *siege, const char *method, const char *path, const char *headers,
              const char *body);

void say(struct rj_ws_client *client, const char *text);
/* The next text starts so. */
void expect(struct rj_ws_client *client, const char *prefix);

/* A figure of /metrics, by its name without rejoin_gateway_. */
uint64_t figure(const struct siege *siege, const char *name);

size_t gateway_rss_kib(const struct siege *siege);

/* Allows this process so many descriptors. */
void allow_descriptors(size_t n);

#endif
