#include "proto/reason.h"

#include <string.h>

const char *rj_reason_text(enum rj_reason reason)
{
    static const char *const texts[] = {
#define TEXT(name, text) [RJ_REASON_##name] = (text),
        RJ_REASON_LIST(TEXT)
#undef TEXT
    };
    return texts[reason];
}

bool rj_reason_of_text(const char *text, enum rj_reason *out)
{
    for (int i = 0; i < RJ_REASON_COUNT; i++) {
        if (strcmp(text, rj_reason_text((enum rj_reason)i)) == 0) {
            *out = (enum rj_reason)i;
            return true;
        }
    }
    return false;
}
