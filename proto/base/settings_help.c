#include "proto/base/settings_help.h"

#include <ctype.h>

#include "proto/base/quantity.h"

enum { HELP_COLUMN = 34, HELP_WIDTH = 100 };

const char *rj_settings_variable(const struct rj_setting *setting, struct rj_buf *out)
{
    rj_buf_clear(out);
    rj_buf_put_str(out, "REJOIN_");
    for (const char *c = setting->name; *c; c++)
        rj_buf_put_u8(out, *c == '-' ? '_' : (uint8_t)toupper((unsigned char)*c));
    return rj_buf_cstr(out);
}

static bool is_named(const struct rj_setting *table, const char *name)
{
    for (; table->name; table++)
        if (strcmp(table->name, name) == 0)
            return true;
    return false;
}

static void put_upper(struct rj_buf *out, const char *text)
{
    for (; *text; text++)
        rj_buf_put_u8(out, (uint8_t)toupper((unsigned char)*text));
}

static void put_placeholder(struct rj_buf *out, const struct rj_setting *setting)
{
    switch (setting->type) {
    case RJ_SETTING_BOOL: rj_buf_put_str(out, setting->fallback ? " on|off" : ""); return;
    case RJ_SETTING_CHOICE: rj_buf_printf(out, " %s", setting->choices); return;
    case RJ_SETTING_LIST:
        rj_buf_put_u8(out, ' ');
        put_upper(out, setting->unit ? setting->unit : "ITEM");
        rj_buf_put_str(out, ",…");
        return;
    case RJ_SETTING_TEXT:
        rj_buf_put_u8(out, ' ');
        put_upper(out, setting->unit ? setting->unit : "TEXT");
        return;
    case RJ_SETTING_COUNT: rj_buf_put_str(out, " N"); return;
    case RJ_SETTING_TIME: rj_buf_put_str(out, " TIME"); return;
    case RJ_SETTING_BYTES: rj_buf_put_str(out, " BYTES"); return;
    }
}

static size_t count_characters(struct rj_span text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += (text.data[i] & 0xc0) != 0x80;
    return n;
}

/* Prints `text` word by word from HELP_COLUMN on. `column` is where the line stands now. */
static void print_wrapped(FILE *out, size_t column, const char *text)
{
    bool is_first = true;
    while (*text) {
        size_t len = strcspn(text, " ");
        size_t wide = count_characters(rj_span_of(text, len));
        if (is_first ? column + 1 > HELP_COLUMN : column + 1 + wide > HELP_WIDTH) {
            fputc('\n', out);
            column = 0;
            is_first = true;
        }
        if (is_first)
            column += (size_t)fprintf(out, "%*s", (int)(HELP_COLUMN - column), "");
        else
            column += (size_t)fprintf(out, " ");
        fwrite(text, 1, len, out);
        column += wide;
        is_first = false;
        text += len + strspn(text + len, " ");
    }
    fputc('\n', out);
}

static void print_setting(FILE *out, const struct rj_setting *setting)
{
    struct rj_buf left = {0}, right = {0};
    rj_buf_printf(&left, "  --%s", setting->name);
    put_placeholder(&left, setting);
    rj_buf_put_span(&right, rj_span_str(setting->help));
    if (setting->required)
        rj_buf_put_str(&right, " (required)");
    else if (setting->fallback && *setting->fallback)
        rj_buf_printf(&right, " (default: %s)", setting->fallback);
    fwrite(left.data, 1, left.len, out);
    print_wrapped(out, count_characters(rj_buf_span(&left)), rj_buf_cstr(&right));
    rj_buf_free(&left);
    rj_buf_free(&right);
}

void rj_settings_print_help(FILE *out, const struct rj_settings_program *program,
                            const struct rj_setting *general)
{
    fprintf(out, "%s %s: %s\n\nUsage: %s", program->name, program->version, program->summary, program->name);
    struct rj_buf placeholder = {0};
    for (const struct rj_setting *setting = program->table; setting->name; setting++) {
        if (!setting->required)
            continue;
        rj_buf_clear(&placeholder);
        put_placeholder(&placeholder, setting);
        fprintf(out, " --%s%s", setting->name, rj_buf_cstr(&placeholder));
    }
    rj_buf_free(&placeholder);
    fprintf(out, " [flags]\n");
    for (const struct rj_setting *setting = program->table; setting->name; setting++) {
        if (setting->group || setting == program->table)
            fprintf(out, "\n%s\n", setting->group ? setting->group : "Settings");
        if (!is_named(general, setting->name))
            print_setting(out, setting);
    }
    fprintf(out, "\nGeneral\n");
    for (const struct rj_setting *setting = general; setting->name; setting++)
        print_setting(out, setting);
    struct rj_buf variable = {0};
    const struct rj_setting *example = program->table->name ? program->table : general;
    fprintf(out,
            "\n--%s may also be given as %s in the environment or as `%s: …` in the file;\nso may every "
            "other setting. A flag beats the environment, and that beats the file.\nA TIME is a number "
            "with " RJ_QUANTITY_TIME_UNITS " (none: ms), BYTES one with\n" RJ_QUANTITY_BYTES_UNITS
            " (none: bytes); other numbers take " RJ_QUANTITY_COUNT_UNITS
            "\n(a thousand, a million, a thousand million).\n",
            example->name, rj_settings_variable(example, &variable), example->name);
    rj_buf_free(&variable);
}
