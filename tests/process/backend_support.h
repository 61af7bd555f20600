/* A real broker with data of its own, and handles on it, for the tests of backends. Everything asserts. */
#ifndef RJ_TEST_BACKEND_SUPPORT_H
#define RJ_TEST_BACKEND_SUPPORT_H

#include <rejoin.h>

#include "tests/support/process.h"
#include "tests/support/test.h"

enum { PATIENCE_MS = 20000 };

struct broker {
    struct rj_process process;
    char folder[128];   /* data, sockets and the log of the broker */
    char endpoint[160]; /* for backends */
};

/* A fixture for cmocka: `*state` is a running broker in a fresh folder. */
int broker_setup(void **state);
int broker_teardown(void **state);

void broker_kill(struct broker *broker);  /* kill -9 */
void broker_start(struct broker *broker); /* on the same data; waits until it is ready */

/* A handle named `name`, connected. */
struct rejoin *backend_open(const struct broker *broker, const char *name);

/* Publishes `data` to `room` and expects it to be stored. */
struct rejoin_published backend_publish(struct rejoin *handle, const char *room, const char *data);

/* Gives the handle turns until `*count` has reached `wanted`. */
void backend_run_until(struct rejoin *handle, const unsigned *count, unsigned wanted);

/* Expects the room's history to be the numbers 0 … n-1 in that order, with seq 1 … n. */
void backend_expect_numbers(struct rejoin *handle, const char *room, unsigned n);

#endif
