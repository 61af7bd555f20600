/* The real gateway between raw WebSocket clients and a broker that the test plays: a stage for what a gateway
 * does with whatever a broker says. Functions assert.
 */
#ifndef RJ_TEST_GATEWAY_SUPPORT_H
#define RJ_TEST_GATEWAY_SUPPORT_H

#include "tests/support/fake_broker.h"
#include "tests/support/process.h"
#include "tests/support/test.h"
#include "tests/support/ws_client.h"

enum { WAIT_MS = 20000, SOON_MS = 300, EPOCH = 7, HEAD = 40 };

struct guest {
    struct rj_ws_client ws;
    const char *nsp;
    uint64_t handle;
};

struct stage {
    char folder[256];
    char log[300]; /* what the gateway writes there; empty: the test's own stderr */
    struct rj_fake_broker broker;
    struct rj_process gateway;
    uint16_t port;
    struct guest guest; /* for tests with one client */
    struct rj_buf text; /* what was expected last */
};

/* For cmocka: *state is a struct stage. The gateway must end cleanly. `env`: its settings, or NULL. */
int stage_setup(void **state);
int stage_setup_with(void **state, const char *const env[]);
int stage_teardown(void **state);

/* The broker's part of a stream's beginning, up to the gateway's Ready. */
Rejoin__Hello *link_up(struct stage *stage);
void link_down(struct stage *stage); /* NeedHello: the gateway opens a fresh stream */

/* ---- clients */

/* What the broker says of a client that it lets in. */
struct entry {
    const char *nsp;  /* NULL: "/" */
    const char *sid;  /* NULL: "S" */
    const char *user; /* NULL: anonymous */
    const char *room; /* NULL: in none; else a member since pos 3 */
    bool recovered;
    uint64_t from_pos; /* 0: HEAD */
};

/* Opens a connection, which asks for nothing yet. */
void arrive(struct stage *stage, struct guest *guest);
/* Asks for a namespace; the broker's view of it. */
Rejoin__Command *knock(struct stage *stage, struct guest *guest, const char *nsp, const char *auth);
/* The broker's answers. */
void let_in(struct stage *stage, struct guest *guest, const Rejoin__Command *command,
            const struct entry *entry);
void turn_away(struct stage *stage, const Rejoin__Command *command, const char *code, const char *message,
               const char *data);
/* All of it. */
void enter(struct stage *stage, struct guest *guest, const struct entry *entry);

void say(struct guest *guest, const char *text);
/* The next text is exactly, or starts with, this one. */
void expect_text(struct stage *stage, struct guest *guest, const char *text);
void expect_start(struct stage *stage, struct guest *guest, const char *prefix);
/* No text comes that starts so. */
void expect_none(struct stage *stage, struct guest *guest, const char *prefix);

/* ---- deliveries */

struct target {
    Rejoin__Target__Kind kind;
    const char *name;
};

struct what {
    uint64_t pos;    /* 0: volatile */
    uint64_t client; /* a replay */
    uint64_t ask;    /* a question */
    uint32_t ask_ms;
    const char *nsp;              /* NULL: "/" */
    const struct target *targets; /* ended by a NULL name */
    const char *data;             /* NULL: "1" */
    bool is_plain;
    const char *attachment;
    const char *except_sid, *except_room;
    const char *id, *from_sid;
    bool is_pending; /* accepted, not committed */
};

/* The event is called "m"; the seq in every target is the pos. */
void deliver(struct stage *stage, const struct what *what);

void caught_up(struct stage *stage, const struct guest *guest, uint64_t upto);
void kick(struct stage *stage, const struct guest *guest, Rejoin__Kick__How how);
void moved(struct stage *stage, const struct guest *guest, const char *room, bool left, uint64_t since_pos);
void reply_error(struct stage *stage, const Rejoin__Command *command, const char *code, const char *message);
void reply_event(struct stage *stage, const Rejoin__Command *command, const char *args,
                 const char *attachment);

/* ---- what the gateway says */

Rejoin__Command *get_command(struct stage *stage, Rejoin__Command__KindCase kind);
Rejoin__Asked *get_asked(struct stage *stage);
Rejoin__AskAnswer *get_answer(struct stage *stage);
void expect_no_item(struct stage *stage, Rejoin__Item__KindCase kind);
/* The next Disconnect is of this client. */
void expect_gone(struct stage *stage, const struct guest *guest, const char *reason, bool left);

/* A figure of /metrics, by its whole name. */
uint64_t metric(struct stage *stage, const char *name);
bool log_has(const struct stage *stage, const char *text);

#endif
