/* What backend-driver is made of: its state, and the callbacks that tell the test what librejoin calls back
 * with, one JSON object a line on stdout.
 */
#ifndef RJ_TEST_DRIVER_H
#define RJ_TEST_DRIVER_H

#include <rejoin_serve.h>

#include "proto/base/arena.h"
#include "proto/base/buf.h"

enum { SERVICES_MAX = 8 };

struct driver {
    struct rejoin *broker;
    struct {
        char *group;
        struct rejoin_service *service;
    } services[SERVICES_MAX];
    struct rj_buf input;   /* what is not a whole line yet */
    struct rj_buf out;     /* the line being told */
    struct rj_arena arena; /* of one command */
};

/* What an answer is to be told with. */
struct asked {
    struct driver *driver;
    uint64_t id;
};

/* The callbacks of a service; `arg` is the driver. */
void driver_on_event(void *arg, struct rejoin *broker, const struct rejoin_event *event);
void driver_on_connect(void *arg, struct rejoin *broker, const struct rejoin_admission *admission);
void driver_on_open(void *arg, struct rejoin *broker, const struct rejoin_opened *opened);
void driver_on_close(void *arg, struct rejoin *broker, const struct rejoin_closed *closed);
void driver_on_note(void *arg, struct rejoin *broker, const struct rejoin_note *note);
void driver_on_state(void *arg, struct rejoin *broker, enum rejoin_service_state state,
                     enum rejoin_status status, uint64_t sockets);

/* The callbacks of a call; `arg` is what was asked, which they free. */
void driver_on_published(void *arg, enum rejoin_status status, const struct rejoin_published *published);
void driver_on_answers(void *arg, enum rejoin_status status, struct rejoin_answers *answers);
void driver_on_replies(void *arg, enum rejoin_status status, struct rejoin_replies *replies);
void driver_on_affected(void *arg, enum rejoin_status status, uint64_t sockets);
void driver_on_done(void *arg, enum rejoin_status status);
void driver_on_sockets(void *arg, enum rejoin_status status, struct rejoin_socket_page *page);
void driver_on_rooms(void *arg, enum rejoin_status status, struct rejoin_room_page *page);

#endif
