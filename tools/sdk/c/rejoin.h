/* librejoin: publish to a Rejoin broker, ask its clients, read its history and follow its log, from a service
 * written in C. rejoin_serve.h adds what answers the clients' events, rejoin_sockets.h what commands their
 * sockets.
 *
 * A `struct rejoin` is one conversation with one broker's backend endpoint. It connects by itself and keeps
 * doing so: while the broker is away calls wait, and when it is back (or another process has taken its place)
 * everything unanswered is repeated in its old order. A publish is repeated under the same id, which the
 * broker stores once: nothing is lost and nothing is doubled.
 *
 * Turns. Nothing is sent or received behind your back: the handle works inside rejoin_process(),
 * rejoin_run_once() and the calls that take a timeout ("waiting calls"), and that is where your callbacks
 * run. A handle that gets no turn for longer than the broker's lease (some seconds) is forgotten by the
 * broker and comes back by itself at its next turn.
 *
 * Threads. A handle belongs to one thread at a time: no two calls on it at once. Different handles are
 * independent. rejoin_post alone may be called from any thread at any time: it has a function run in the
 * handle's own. A handle does not survive fork().
 *
 * Callbacks may start further calls, tails and services included, and stop them; a waiting call,
 * rejoin_process, rejoin_run_once or rejoin_close inside one returns REJOIN_MISUSE.
 *
 * Text is UTF-8 with a terminating NUL. What you pass in is copied before the call returns, and what a
 * callback is given is valid until that callback returns, unless a function says otherwise. Times are in
 * milliseconds; a timeout of 0 means one turn without waiting, a negative one means for ever. Structures that
 * you fill are to be zero-initialised first: zero means the default. Out-parameters are untouched when a call
 * fails. A process that is out of memory is ended.
 */
#ifndef REJOIN_H
#define REJOIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------ errors */

enum rejoin_status {
    REJOIN_OK = 0,
    REJOIN_BAD_REQUEST, /* malformed: data that is no JSON, an offset that is none, a missing field */
    REJOIN_BAD_NAME,    /* a room, event or peer name is empty, too long or not valid UTF-8 */
    REJOIN_BAD_NAMESPACE,
    REJOIN_TOO_LARGE,
    REJOIN_TOO_MANY,
    REJOIN_NOT_FOUND,
    REJOIN_NOT_JOINED,
    REJOIN_FORBIDDEN,
    REJOIN_CONFLICT,
    REJOIN_GAP,
    REJOIN_NO_HANDLER,
    REJOIN_UNAVAILABLE,
    REJOIN_TIMEOUT, /* no answer in time; of a publish it is not known whether it was stored */
    REJOIN_BUSY,    /* as much as the options allow is unanswered: give the handle a turn, then try again */
    REJOIN_CLOSED,  /* the handle was closed before the answer came */
    REJOIN_BAD_VERSION, /* this library and that broker do not understand each other */
    REJOIN_CORRUPT,
    REJOIN_FULL,
    REJOIN_IO,
    REJOIN_INTERNAL,
    REJOIN_NO_USER,
    REJOIN_RATE_LIMITED,
    REJOIN_MISUSE, /* the call is not allowed here, inside a callback */
};

/* A sentence for a person; static memory, never NULL. */
const char *rejoin_strerror(enum rejoin_status status);

/* The stable code, such as "bad_request"; static memory, never NULL. */
const char *rejoin_status_code(enum rejoin_status status);

/* ------------------------------------------------------------------------------------------------ handle */

struct rejoin;

struct rejoin_options {
    const char *endpoint;  /* the broker's --backends endpoint, ipc://… or tcp://HOST:PORT; required */
    const char *name;      /* this service's stable name, required: publish ids are unique within it, so two
                              instances that may repeat each other's publishes share it */
    size_t max_unanswered; /* calls that may wait for their answer; 0 = 10,000 */
    size_t max_unanswered_bytes; /* and the bytes that they hold; 0 = 64 MiB */
};

/* Opens a handle; does not wait for the broker, nor need one to be there. On success the caller owns `*out`.
 * REJOIN_BAD_REQUEST: no or no valid endpoint or name; REJOIN_IO: no descriptors left. */
enum rejoin_status rejoin_open(const struct rejoin_options *options, struct rejoin **out);

/* Closes the handle, frees it and sets `*handle` to NULL. Calls without an answer end with REJOIN_CLOSED:
 * use rejoin_flush first to have them answered. Accepts NULL in `*handle`. REJOIN_MISUSE inside a callback.
 */
enum rejoin_status rejoin_close(struct rejoin **handle);

/* Waits until the broker has welcomed this handle. Not needed before other calls; it tells early that there
 * is no broker. REJOIN_TIMEOUT, or what the broker refused this handle for. */
enum rejoin_status rejoin_connect(struct rejoin *handle, int timeout_ms);

/* Whether the broker had welcomed this handle, and was heard within its lease, at the last turn. */
bool rejoin_is_connected(const struct rejoin *handle);

/* More about the most recent failure that a call on this handle returned or a callback was given: the
 * broker's own words, or what the connection is waiting for. Never NULL; valid until the next call on the
 * handle. */
const char *rejoin_detail(struct rejoin *handle);

/* A descriptor for poll, epoll or any event loop: readable when rejoin_process has something to do, timers
 * included. It stays the same for the handle's life. Wait for readability only; level-triggered. */
int rejoin_fd(const struct rejoin *handle);

/* One turn without waiting: receives, calls back, sends. REJOIN_OK also when the broker is away; another
 * status means that the broker has refused this handle for good (every call then ends with it). */
enum rejoin_status rejoin_process(struct rejoin *handle);

/* Waits up to `timeout_ms` for something to do, then takes one turn. A signal ends the wait. As
 * rejoin_process. */
enum rejoin_status rejoin_run_once(struct rejoin *handle, int timeout_ms);

/* Waits until every call that was started has its answer. */
enum rejoin_status rejoin_flush(struct rejoin *handle, int timeout_ms);

/* The number of calls that wait for their answer. */
size_t rejoin_unanswered(const struct rejoin *handle);

/* Has `function` run once in the handle's next turn, as a callback: with the handle's thread, and with the
 * rules for callbacks. The only call that any thread may make, also while another one is in a call on the
 * handle; it makes rejoin_fd readable and ends a wait. What was posted runs in the order of posting. What has
 * not run yet when the handle is closed runs inside rejoin_close, where every call returns REJOIN_CLOSED: so
 * `arg` can always be freed by `function`. Nobody may post once rejoin_close has begun. */
void rejoin_post(struct rejoin *handle, void (*function)(struct rejoin *handle, void *arg), void *arg);

/* ------------------------------------------------------------------------------------------- what is said */

enum { REJOIN_OFFSET_SIZE = 32, REJOIN_ID_SIZE = 48 }; /* bytes, with the NUL */
enum { REJOIN_TARGETS_MAX = 64 };                      /* of one message */

struct rejoin_bytes {
    const void *data;
    size_t len;
};

/* A list of texts: rooms, users, ids. */
struct rejoin_names {
    const char *const *names;
    size_t count;
};

#ifndef __cplusplus
/* .rooms = REJOIN_NAMES("lobby", "bar"); lives as long as the block that it stands in. */
#define REJOIN_NAMES(...)                                                                                    \
    ((struct rejoin_names){(const char *const[]){__VA_ARGS__},                                               \
                           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)})
#endif

/* The arguments of an event, an ack or a note. */
struct rejoin_args {
    const char *json; /* a JSON array; to the library NULL means [], from it the text ends with a NUL */
    size_t len;       /* its bytes; to the library 0 means that a NUL ends it */
    const struct rejoin_bytes *attachments; /* binaries that placeholders in `json`,
                                               {"_placeholder":true,"num":0}, point to; at most 10 */
    size_t attachment_count;
};

enum rejoin_target_kind { REJOIN_ROOM, REJOIN_NAMESPACE, REJOIN_SOCKET, REJOIN_USER };

struct rejoin_target {
    enum rejoin_target_kind kind;
    const char *name; /* the room, socket id or user; "" for the whole namespace */
    uint64_t seq;     /* of a message that was received: its number there; else of no meaning */
};

/* ----------------------------------------------------------------------------------------------- publish */

struct rejoin_publish {
    const char *nsp;                        /* the namespace; NULL = "/" */
    const char *room;                       /* for whom: this room, */
    const struct rejoin_target *targets;    /* or, with `room` NULL, all of these, each client once */
    size_t target_count;                    /* at most REJOIN_TARGETS_MAX, distinct; a socket must exist */
    struct rejoin_names except_rooms;       /* but not who is in one of these rooms, */
    struct rejoin_names except_sids;        /* and not these sockets */
    const char *event;                      /* what the members' listeners get it as; NULL = "room:message" */
    const char *data;                       /* one JSON text; required */
    size_t data_len;                        /* its bytes; 0: `data` ends with a NUL */
    const struct rejoin_bytes *attachments; /* binaries that placeholders in `data` point to; at most 10 */
    size_t attachment_count;
    const char *id; /* the idempotency key: a second publish with it (also after a restart of this program or
                       of the broker, within the broker's window) is not stored but gets the first answer.
                       NULL: the library makes one, so that its own repetitions are harmless */
    bool is_plain;  /* `data` is a JSON array, the event's arguments: listeners get them as they are, not in
                       the envelope that tells room, seq and sender. Needs an event's name */
    bool is_volatile; /* not logged: whoever is there gets it; answered without offset and seq. One that was
                         on its way when the broker went away is not repeated: REJOIN_UNAVAILABLE */
};

struct rejoin_published {
    char offset[REJOIN_OFFSET_SIZE]; /* the message's place in the log; empty for a volatile one */
    uint64_t seq;      /* its number in the room (or first target), from 1; 0 for a volatile one */
    uint64_t ts_ms;    /* when the broker accepted it, Unix time */
    bool is_duplicate; /* the id was known: this is the first answer again */
    size_t seq_count;  /* as many as targets; 0 for a volatile one */
    uint64_t seqs[REJOIN_TARGETS_MAX];
};

/* `result` is NULL unless `status` is REJOIN_OK. */
typedef void rejoin_on_published(void *arg, enum rejoin_status status, const struct rejoin_published *result);

/* Starts a publish; it leaves at the next turn. `callback` (may be NULL) is called exactly once, when the
 * broker has the message on disk or has refused it, or when the handle is closed. There is no time limit:
 * while the broker is away the publish waits. Messages reach a room in the order in which they were started.
 * REJOIN_BUSY: the options' bounds are reached, nothing was started. REJOIN_BAD_REQUEST: a required field is
 * missing. REJOIN_TOO_LARGE: larger than `max_unanswered_bytes`. */
enum rejoin_status rejoin_publish(struct rejoin *handle, const struct rejoin_publish *publish,
                                  rejoin_on_published *callback, void *arg);

/* Publishes and waits for the answer; `out` may be NULL. After REJOIN_TIMEOUT the library forgets the
 * publish, and it is not known whether it was stored: repeat it with the same id. */
enum rejoin_status rejoin_publish_wait(struct rejoin *handle, const struct rejoin_publish *publish,
                                       int timeout_ms, struct rejoin_published *out);

struct rejoin_outcome {
    enum rejoin_status status;
    struct rejoin_published published; /* when `status` is REJOIN_OK */
};

/* `outcomes` has one for each message of the batch, in its order. */
typedef void rejoin_on_batch(void *arg, const struct rejoin_outcome *outcomes, size_t count);

/* Starts all of these publishes, or none of them: REJOIN_BUSY when not all have room within the options'
 * bounds (then also when they never will have: keep batches well below), or what is wrong with the first bad
 * one. `callback` (may be NULL) is called once, when each has its answer; each stands for itself, one may be
 * stored and another refused. */
enum rejoin_status rejoin_publish_batch(struct rejoin *handle, const struct rejoin_publish *publishes,
                                        size_t count, rejoin_on_batch *callback, void *arg);

/* The same, waiting; `outcomes` has room for `count` and is filled on REJOIN_OK, which says only that all
 * have an answer. After REJOIN_TIMEOUT it is not known which of them were stored. */
enum rejoin_status rejoin_publish_batch_wait(struct rejoin *handle, const struct rejoin_publish *publishes,
                                             size_t count, int timeout_ms, struct rejoin_outcome *outcomes);

/* A fresh idempotency key, for callers that want to repeat a publish themselves. */
void rejoin_make_id(struct rejoin *handle, char out[REJOIN_ID_SIZE]);

/* ---------------------------------------------------------------------------------------------- messages */

/* A message of the log. No pointer is NULL; a missing text is "". */
struct rejoin_message {
    const char *offset; /* its place in the log, to resume a tail after it; "" for a volatile one */
    uint64_t ts_ms;     /* when the broker accepted it, Unix time */
    const char *nsp;
    const struct rejoin_target *targets; /* whom it is meant for; at least one */
    size_t target_count;
    const char *event;
    const char *data; /* one JSON text, `data_len` bytes and a NUL */
    size_t data_len;
    const struct rejoin_bytes *attachments;
    size_t attachment_count;
    const char *id;        /* the publisher's idempotency key */
    const char *from_user; /* set by the broker when a client published it */
    const char *from_sid;
    const char *source; /* the backend that published it */
    bool is_plain;      /* `data` holds the event's arguments, see rejoin_publish */
};

/* --------------------------------------------------------------------------------------------------- ask */

struct rejoin_ask {
    struct rejoin_publish message; /* whom to ask and what; `data` holds the event's arguments, as with
                                      is_plain. `id`, `is_plain` and `is_volatile` have no meaning here */
    uint32_t timeout_ms;           /* how long clients may take; 0 = 10,000, at most 600,000 */
    uint32_t max_answers;          /* enough after so many; 0 = wait for all */
};

struct rejoin_answer {
    const char *sid;
    struct rejoin_args args; /* what the client gave its ack */
};

/* Owned by whoever received it; valid also after the handle is closed. */
struct rejoin_answers {
    const struct rejoin_answer *answers; /* in the order in which they came */
    size_t count;
    struct rejoin_names missing; /* sids of those who got the event and did not answer in time, or left */
    uint64_t asked;              /* clients that got it */
    bool is_truncated;           /* there was no room for all answers: some are in neither list */
};

/* `answers` belongs to the callback, which frees it; NULL unless `status` is REJOIN_OK. That is also the
 * status when some, or all, did not answer. */
typedef void rejoin_on_answers(void *arg, enum rejoin_status status, struct rejoin_answers *answers);

/* Sends an event to all clients that the message names and collects their acks. It is not logged: who is not
 * connected is not asked. Bounds and failures as for rejoin_publish; a question that was on its way when the
 * broker went away is not repeated, but ends with REJOIN_UNAVAILABLE. */
enum rejoin_status rejoin_ask(struct rejoin *handle, const struct rejoin_ask *ask,
                              rejoin_on_answers *callback, void *arg);

/* Asks and waits; `timeout_ms` should be longer than the clients'. On success the caller owns `*out`. */
enum rejoin_status rejoin_ask_wait(struct rejoin *handle, const struct rejoin_ask *ask, int timeout_ms,
                                   struct rejoin_answers **out);

/* Frees the answers and sets `*answers` to NULL; NULL inside is fine. */
void rejoin_answers_free(struct rejoin_answers **answers);

/* ----------------------------------------------------------------------------------------------- history */

struct rejoin_query {
    const char *nsp;  /* NULL = "/" */
    const char *room; /* required */
    uint64_t before;  /* > 0: the newest messages with a lower seq */
    bool has_after;   /* else: the oldest messages with a seq higher than `after` */
    uint64_t after;   /* neither: the newest messages */
    uint32_t limit;   /* 0 = the broker's default; more than its maximum = its maximum */
};

/* Owned by whoever received it; valid also after the handle is closed. */
struct rejoin_page {
    const struct rejoin_message *messages; /* ascending by seq, whichever way they were asked for */
    size_t count;
    bool has_more; /* there are further ones in the direction that was asked for */
};

/* `page` belongs to the callback, which frees it; NULL unless `status` is REJOIN_OK. */
typedef void rejoin_on_page(void *arg, enum rejoin_status status, struct rejoin_page *page);

/* Asks for a page of a room's history; bounds and failures as for rejoin_publish. */
enum rejoin_status rejoin_history(struct rejoin *handle, const struct rejoin_query *query,
                                  rejoin_on_page *callback, void *arg);

/* Asks and waits. On success the caller owns `*out`. */
enum rejoin_status rejoin_history_wait(struct rejoin *handle, const struct rejoin_query *query,
                                       int timeout_ms, struct rejoin_page **out);

/* Frees the page and sets `*page` to NULL; NULL inside is fine. */
void rejoin_page_free(struct rejoin_page **page);

/* -------------------------------------------------------------------------------------------------- tail */

struct rejoin_tail;

enum rejoin_tail_state {
    REJOIN_TAIL_STARTED, /* messages follow; also after each reconnect */
    REJOIN_TAIL_GAP,   /* the same, but part of what should follow is no longer kept: there is a hole here */
    REJOIN_TAIL_ENDED, /* the broker refused it; nothing follows */
};

struct rejoin_tail_options {
    const char *nsp;           /* with a room; NULL = "/" */
    const char *room;          /* NULL or "", with no `rooms` either: every room of every namespace */
    struct rejoin_names rooms; /* further rooms of that namespace: what went to any of them, once each */
    const char *offset; /* follow from after this one; NULL or "": from now on; "0": from the oldest kept */
    uint32_t window;    /* messages that may be on their way before you have taken them; 0 = 1,000 */

    /* Every message, once and in the order of the log. Once it has returned, the message counts as taken:
     * after a reconnect the tail goes on behind it. To go on after a restart of your program too, keep
     * `message->offset` together with what you made of the message. Required. */
    void (*on_message)(void *arg, const struct rejoin_message *message);

    /* `offset` is where the tail goes on; "" when it has ended. May be NULL. After REJOIN_TAIL_ENDED no
     * callback follows; the tail is still to be stopped. REJOIN_NOT_FOUND: the log does not know the offset
     * (any more): the broker came back with an older backup of its store, or with another one. */
    void (*on_state)(void *arg, enum rejoin_tail_state state, enum rejoin_status status, const char *offset);
    void *arg;
};

/* Follows the log. The caller owns `*out` and ends it with rejoin_tail_stop or by closing the handle.
 * A handful of tails on a handle is fine. REJOIN_BAD_REQUEST: no on_message, or an offset that is none. */
enum rejoin_status rejoin_tail(struct rejoin *handle, const struct rejoin_tail_options *options,
                               struct rejoin_tail **out);

/* Ends the tail and sets `*tail` to NULL: no callback of it follows. Allowed inside its own callbacks. */
void rejoin_tail_stop(struct rejoin_tail **tail);

/* ------------------------------------------------------------------------------------------------- stats */

struct rejoin_metric {
    const char *name; /* a Prometheus name */
    double value;
};

/* Owned by whoever received it; valid also after the handle is closed. */
struct rejoin_metrics {
    const struct rejoin_metric *metrics;
    size_t count;
};

/* `metrics` belongs to the callback, which frees it; NULL unless `status` is REJOIN_OK. */
typedef void rejoin_on_metrics(void *arg, enum rejoin_status status, struct rejoin_metrics *metrics);

/* Asks for the broker's figures; bounds and failures as for rejoin_publish. */
enum rejoin_status rejoin_stats(struct rejoin *handle, rejoin_on_metrics *callback, void *arg);

/* Asks and waits. On success the caller owns `*out`. */
enum rejoin_status rejoin_stats_wait(struct rejoin *handle, int timeout_ms, struct rejoin_metrics **out);

/* Frees the metrics and sets `*metrics` to NULL; NULL inside is fine. */
void rejoin_metrics_free(struct rejoin_metrics **metrics);

#ifdef __cplusplus
}
#endif

#endif
