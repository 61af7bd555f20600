#include "status.h"

#include "proto/base/status.h"

/* Each status of the library beside the one of the protocol that it stands for: the values of both lists are
 * their own, so that neither binds the other. */
static const enum rj_status protocol[] = {
    [REJOIN_OK] = RJ_OK,
    [REJOIN_BAD_REQUEST] = RJ_BAD_REQUEST,
    [REJOIN_BAD_NAME] = RJ_BAD_NAME,
    [REJOIN_BAD_NAMESPACE] = RJ_BAD_NAMESPACE,
    [REJOIN_TOO_LARGE] = RJ_TOO_LARGE,
    [REJOIN_TOO_MANY] = RJ_TOO_MANY,
    [REJOIN_NOT_FOUND] = RJ_NOT_FOUND,
    [REJOIN_NOT_JOINED] = RJ_NOT_JOINED,
    [REJOIN_FORBIDDEN] = RJ_FORBIDDEN,
    [REJOIN_CONFLICT] = RJ_CONFLICT,
    [REJOIN_GAP] = RJ_GAP,
    [REJOIN_NO_HANDLER] = RJ_NO_HANDLER,
    [REJOIN_UNAVAILABLE] = RJ_UNAVAILABLE,
    [REJOIN_TIMEOUT] = RJ_TIMEOUT,
    [REJOIN_BUSY] = RJ_BUSY,
    [REJOIN_CLOSED] = RJ_CLOSED,
    [REJOIN_BAD_VERSION] = RJ_VERSION,
    [REJOIN_CORRUPT] = RJ_CORRUPT,
    [REJOIN_FULL] = RJ_FULL,
    [REJOIN_IO] = RJ_IO,
    [REJOIN_INTERNAL] = RJ_INTERNAL,
    [REJOIN_NO_USER] = RJ_NO_USER,
    [REJOIN_RATE_LIMITED] = RJ_RATE_LIMITED,
};
enum { SHARED = sizeof protocol / sizeof protocol[0] };

const char *rejoin_strerror(enum rejoin_status status)
{
    if (status == REJOIN_MISUSE)
        return "not allowed inside a callback";
    return rj_status_text((unsigned)status < SHARED ? protocol[status] : RJ_INTERNAL);
}

const char *rejoin_status_code(enum rejoin_status status)
{
    if (status == REJOIN_MISUSE)
        return "misuse";
    return rj_status_code((unsigned)status < SHARED ? protocol[status] : RJ_INTERNAL);
}

enum rejoin_status rj_sdk_status_of_code(const char *code)
{
    enum rj_status wanted = rj_status_of_code(code);
    for (unsigned i = 0; i < SHARED; i++)
        if (protocol[i] == wanted)
            return (enum rejoin_status)i;
    return REJOIN_INTERNAL;
}
