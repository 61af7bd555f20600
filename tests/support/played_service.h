/* A service of librejoin whose broker the test plays: what its callbacks see becomes lines. Everything
 * asserts.
 */
#ifndef RJ_TEST_PLAYED_SERVICE_H
#define RJ_TEST_PLAYED_SERVICE_H

#include <rejoin_serve.h>

#include "tests/support/played.h"

enum { SEEN_MAX = 16 };

/* What the callbacks of a service have seen, as lines. */
struct seen {
    unsigned count, started, ended;
    enum rejoin_status status; /* of the end */
    uint64_t job;              /* the last one */
    char lines[SEEN_MAX][160];
    bool acks_at_once;
    struct rejoin_service *service;
};

void note(struct seen *seen, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Notes "event …" and may answer at once. */
void on_event(void *arg, struct rejoin *handle, const struct rejoin_event *event);

/* The group "workers", with a callback for everything there is; `seen` is their argument. */
struct rejoin_service_options everything(struct seen *seen);

/* The opened peer's handle serves, up to Served. */
void serve_played(struct played *peer, const struct rejoin_service_options *options, struct seen *seen);
/* Opens a peer whose handle serves everything. */
void begin(struct played *peer, struct seen *seen);

char *text(const char *given);
ProtobufCBinaryData bytes(const char *given);

/* What a broker says: a Reply to Serve, the event "hello" of the socket s1, sockets of the group. */
void say_served(struct played *peer, uint64_t id);
void say_event(struct played *peer, uint64_t id, const char *args, bool repeated);
void say_opened(struct played *peer, const char *sid, bool adopted);
void say_closed(struct played *peer, const char *sid, const char *reason);

/* The next Answer is to this job. */
const Rejoin__Answer *hear_answer(struct played *peer, uint64_t job);
void expect_bytes(const ProtobufCBinaryData *got, const char *expected);

#endif
