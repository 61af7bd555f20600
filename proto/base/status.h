/* The one list of what can go wrong. Every call that can fail returns `enum rj_status`; 0 is success.
 *
 * The code string is part of the public protocol (the `error.code` of an ack, Error.code on the wire), so
 * an entry may be added but never renamed. Codes of foreign libraries are translated where they enter.
 */
#ifndef RJ_STATUS_H
#define RJ_STATUS_H

/* X(enumerator, "stable code", "text for a person") */
#define RJ_STATUS_LIST(X)                                                                                    \
    X(OK, "ok", "success")                                                                                   \
    X(BAD_REQUEST, "bad_request", "the request is malformed")                                                \
    X(BAD_NAME, "bad_name", "the name is empty, too long or not valid UTF-8")                                \
    X(BAD_NAMESPACE, "invalid_namespace", "Invalid namespace")                                               \
    X(TOO_LARGE, "too_large", "larger than the configured limit")                                            \
    X(TOO_MANY, "too_many", "a configured limit of number is reached")                                       \
    X(NOT_FOUND, "not_found", "no such thing")                                                               \
    X(NOT_JOINED, "not_joined", "the room must be joined first")                                             \
    X(NO_USER, "no_user", "only a client with a user can do that")                                           \
    X(FORBIDDEN, "forbidden", "not permitted")                                                               \
    X(CONFLICT, "conflict", "changed meanwhile")                                                             \
    X(GAP, "gap", "what was asked for is no longer kept")                                                    \
    X(NO_HANDLER, "no_handler", "no backend serves this event")                                              \
    X(UNAVAILABLE, "unavailable", "the broker cannot be reached")                                            \
    X(TIMEOUT, "timeout", "no answer in time")                                                               \
    X(BUSY, "busy", "too much is queued already, try again")                                                 \
    X(RATE_LIMITED, "rate_limited", "too many events a second")                                              \
    X(CLOSED, "closed", "the connection is closed")                                                          \
    X(VERSION, "version", "the version is not supported")                                                    \
    X(CORRUPT, "corrupt", "stored data fails its checksum")                                                  \
    X(FULL, "full", "the disk or the map is full")                                                           \
    X(IO, "io", "an input or output error")                                                                  \
    X(INTERNAL, "internal", "internal error")

enum rj_status {
#define RJ_STATUS_ENUM(name, code, text) RJ_##name,
    RJ_STATUS_LIST(RJ_STATUS_ENUM)
#undef RJ_STATUS_ENUM
        RJ_STATUS_COUNT
};

/* The stable code, such as "not_joined". Never NULL; static memory. */
const char *rj_status_code(enum rj_status status);

/* The text for a person. Never NULL; static memory. */
const char *rj_status_text(enum rj_status status);

/* The status with this code, or RJ_INTERNAL for a code that this version does not know. */
enum rj_status rj_status_of_code(const char *code);

#endif
