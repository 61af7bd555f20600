/* Why a client's connection ended, in the words that Socket.IO's own server uses for it: what backends get as
 * the reason of `disconnect`, and the label of the gateway's counter of ended clients. On the wire it is the
 * text.
 */
#ifndef RJ_REASON_H
#define RJ_REASON_H

#include <stdbool.h>

/* X(enumerator, "Socket.IO's text") */
#define RJ_REASON_LIST(X)                                                                                    \
    X(TRANSPORT_CLOSE, "transport close")              /* the other side closed, or is gone */               \
    X(TRANSPORT_ERROR, "transport error")              /* the connection broke, or its rules were */         \
    X(PING_TIMEOUT, "ping timeout")                    /* no pong in time */                                 \
    X(PARSE_ERROR, "parse error")                      /* what came is no Engine.IO packet */                \
    X(CLIENT_NAMESPACE, "client namespace disconnect") /* the client left the namespace */                   \
    X(SERVER_NAMESPACE, "server namespace disconnect") /* it was told to leave (41) */                       \
    X(FORCED_CLOSE, "forced close")               /* closed from here: an invalid packet, a slow reader */   \
    X(FORCED_SERVER_CLOSE, "forced server close") /* packets out of order, or no namespace in time */        \
    X(SERVER_SHUTTING_DOWN, "server shutting down")

enum rj_reason {
#define RJ_REASON_ENUM(name, text) RJ_REASON_##name,
    RJ_REASON_LIST(RJ_REASON_ENUM)
#undef RJ_REASON_ENUM
        RJ_REASON_COUNT
};

/* Static memory. */
const char *rj_reason_text(enum rj_reason reason);

/* False: the text is no reason's. */
bool rj_reason_of_text(const char *text, enum rj_reason *out);

#endif
