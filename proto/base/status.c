#include "proto/base/status.h"

#include <string.h>

static const char *const codes[RJ_STATUS_COUNT] = {
#define RJ_STATUS_CODE(name, code, text) code,
    RJ_STATUS_LIST(RJ_STATUS_CODE)
#undef RJ_STATUS_CODE
};

static const char *const texts[RJ_STATUS_COUNT] = {
#define RJ_STATUS_TEXT(name, code, text) text,
    RJ_STATUS_LIST(RJ_STATUS_TEXT)
#undef RJ_STATUS_TEXT
};

const char *rj_status_code(enum rj_status status)
{
    return status < RJ_STATUS_COUNT ? codes[status] : codes[RJ_INTERNAL];
}

const char *rj_status_text(enum rj_status status)
{
    return status < RJ_STATUS_COUNT ? texts[status] : texts[RJ_INTERNAL];
}

enum rj_status rj_status_of_code(const char *code)
{
    for (unsigned i = 0; i < RJ_STATUS_COUNT; i++)
        if (strcmp(codes[i], code) == 0)
            return (enum rj_status)i;
    return RJ_INTERNAL;
}
