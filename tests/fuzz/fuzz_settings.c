#include "proto/base/settings.h"
#include "tests/fuzz/fuzz.h"

struct values {
    char *text;
    uint64_t number;
    bool flag;
    char **list;
    unsigned choice;
};

static const struct rj_setting table[] = {
    {.name = "text", .type = RJ_SETTING_TEXT, .field = offsetof(struct values, text)},
    {.name = "number",
     .type = RJ_SETTING_U64,
     .field = offsetof(struct values, number),
     .least = 10,
     .most = 2000000},
    {.name = "flag", .type = RJ_SETTING_BOOL, .field = offsetof(struct values, flag)},
    {.name = "list", .type = RJ_SETTING_LIST, .field = offsetof(struct values, list)},
    {.name = "choice",
     .type = RJ_SETTING_CHOICE,
     .field = offsetof(struct values, choice),
     .choices = "one|two|three"},
    {.name = NULL},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct values values = {.number = 10};
    struct rj_buf faults = {0};
    enum rj_status status =
        rj_settings_parse_yaml(table, rj_span_of(data, size), "fuzz.yaml", &values, &faults);
    HOLDS((status == RJ_OK) == (faults.len == 0));
    HOLDS(faults.len == 0 || faults.data[faults.len - 1] == '\n');
    HOLDS(values.number >= 10 && values.number <= 2000000 && values.choice < 3);
    rj_settings_free(table, &values);
    HOLDS(!values.text && !values.list);
    rj_buf_free(&faults);
    return 0;
}
