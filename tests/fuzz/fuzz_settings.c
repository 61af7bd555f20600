/* A YAML file with settings of every type, and the numbers in it: whatever is read is within its bounds, and
 * what is printed of a number is read back as the same. */
#include "proto/base/quantity.h"
#include "proto/base/settings.h"
#include "tests/fuzz/fuzz.h"

struct values {
    char *text;
    uint64_t number, time_ms, size_bytes;
    bool flag;
    char **list;
    unsigned choice;
};

static const struct rj_setting table[] = {
    {.name = "text", .type = RJ_SETTING_TEXT, .field = offsetof(struct values, text)},
    {.name = "number",
     .type = RJ_SETTING_COUNT,
     .field = offsetof(struct values, number),
     .least = 10,
     .most = 2000000},
    {.name = "time",
     .type = RJ_SETTING_TIME,
     .field = offsetof(struct values, time_ms),
     .least = 1000,
     .most = 3650 * 86400000ULL},
    {.name = "size",
     .type = RJ_SETTING_BYTES,
     .field = offsetof(struct values, size_bytes),
     .least = 1,
     .most = UINT64_MAX},
    {.name = "flag", .type = RJ_SETTING_BOOL, .field = offsetof(struct values, flag)},
    {.name = "list", .type = RJ_SETTING_LIST, .field = offsetof(struct values, list)},
    {.name = "choice",
     .type = RJ_SETTING_CHOICE,
     .field = offsetof(struct values, choice),
     .choices = "one|two|three"},
    {.name = NULL},
};

/* The digits at the beginning, in a type that holds any product with a unit; false: none, or too many. */
static bool slow_digits(struct rj_span text, size_t *digits, unsigned __int128 *out)
{
    *out = 0;
    for (*digits = 0; *digits < text.len && text.data[*digits] >= '0' && text.data[*digits] <= '9'; ++*digits)
        if (*out <= UINT64_MAX)
            *out = *out * 10 + (unsigned)(text.data[*digits] - '0');
    return *digits > 0;
}

static void try_quantity(enum rj_quantity kind, struct rj_span text)
{
    uint64_t value = 7, again = 8;
    size_t digits;
    unsigned __int128 slow;
    enum rj_status status = rj_quantity_parse(kind, text, &value);
    bool has_digits = slow_digits(text, &digits, &slow);
    if (status)
        HOLDS(value == 7 && (status == RJ_TOO_LARGE ? has_digits : status == RJ_BAD_REQUEST));
    if (digits == text.len && has_digits)
        HOLDS(status == (slow > UINT64_MAX ? RJ_TOO_LARGE : RJ_OK) && (status || value == slow));
    if (status)
        return;
    HOLDS(has_digits && slow <= value && (slow == 0 ? value == 0 : value % slow == 0));
    struct rj_buf printed = {0};
    rj_quantity_print(kind, value, &printed);
    HOLDS(rj_quantity_parse(kind, rj_buf_span(&printed), &again) == RJ_OK && again == value);
    rj_buf_free(&printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct values values = {.number = 10, .time_ms = 1000, .size_bytes = 1};
    struct rj_buf faults = {0};
    enum rj_status status =
        rj_settings_parse_yaml(table, rj_span_of(data, size), "fuzz.yaml", &values, &faults);
    HOLDS((status == RJ_OK) == (faults.len == 0));
    HOLDS(faults.len == 0 || faults.data[faults.len - 1] == '\n');
    HOLDS(values.number >= 10 && values.number <= 2000000 && values.choice < 3);
    HOLDS(values.time_ms >= 1000 && values.time_ms <= 3650 * 86400000ULL && values.size_bytes >= 1);
    rj_settings_free(table, &values);
    HOLDS(!values.text && !values.list);
    rj_buf_free(&faults);
    for (unsigned kind = RJ_QUANTITY_COUNT; kind <= RJ_QUANTITY_BYTES; kind++)
        try_quantity((enum rj_quantity)kind, rj_span_of(data, size));
    return 0;
}
