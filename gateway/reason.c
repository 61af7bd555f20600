#include "gateway/reason.h"

const char *rj_reason_text(enum rj_reason reason)
{
    static const char *const texts[] = {
#define TEXT(name, text) [RJ_REASON_##name] = (text),
        RJ_REASON_LIST(TEXT)
#undef TEXT
    };
    return texts[reason];
}
