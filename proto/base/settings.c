#include "proto/base/settings.h"

#include <errno.h>
#include <stdlib.h>

#include <yaml.h>

#include "proto/base/mem.h"
#include "proto/base/quantity.h"
#include "proto/base/settings_help.h"

enum { LARGEST_FILE = 1 << 20 };

/* What the process is asked to do, beside its own table. */
struct request {
    char *config;
    bool check_config;
    bool help;
    bool version;
};

static const struct rj_setting request_table[] = {
    {.name = "config",
     .type = RJ_SETTING_TEXT,
     .field = offsetof(struct request, config),
     .unit = "FILE",
     .help = "YAML file with any of the settings above"},
    {.name = "check-config",
     .type = RJ_SETTING_BOOL,
     .field = offsetof(struct request, check_config),
     .help = "check flags, environment and file, say what is wrong, and exit"},
    {.name = "version",
     .type = RJ_SETTING_BOOL,
     .field = offsetof(struct request, version),
     .help = "print the version and exit"},
    {.name = "help",
     .type = RJ_SETTING_BOOL,
     .field = offsetof(struct request, help),
     .help = "print this and exit"},
    {.name = NULL},
};

/* One load: where values go, and what was wrong so far, one line a fault. */
struct load {
    const struct rj_setting *table;
    void *values;
    bool *is_set; /* by something other than the default; a setting's place in the table is its index */
    struct request request;
    struct rj_buf *faults;
};

static const struct rj_setting *find(const struct rj_setting *table, struct rj_span name)
{
    for (; table->name; table++)
        if (rj_span_is(name, table->name))
            return table;
    return NULL;
}

static size_t count(const struct rj_setting *table)
{
    size_t n = 0;
    while (table[n].name)
        n++;
    return n;
}

/* ---- texts to values
 *
 * Each parse_* returns NULL and leaves the result in its out-parameter, or what is wrong with the text. */

/* What a number of each type is, and what is said of a text that is none. */
static const struct {
    enum rj_quantity quantity;
    const char *wrong;
} numbers[] = {
    [RJ_SETTING_COUNT] = {RJ_QUANTITY_COUNT,
                          "is no whole number (" RJ_QUANTITY_COUNT_UNITS " may follow it)"},
    [RJ_SETTING_TIME] = {RJ_QUANTITY_TIME,
                         "is no time: a whole number with " RJ_QUANTITY_TIME_UNITS " (none: ms)"},
    [RJ_SETTING_BYTES] = {RJ_QUANTITY_BYTES,
                          "is no size: a whole number with " RJ_QUANTITY_BYTES_UNITS " (none: bytes)"},
};

static const char *parse_number(const struct rj_setting *setting, const char *text, uint64_t *out,
                                struct rj_buf *why)
{
    const enum rj_quantity quantity = numbers[setting->type].quantity;
    uint64_t value = 0;
    enum rj_status status = rj_quantity_parse(quantity, rj_span_str(text), &value);
    if (status == RJ_BAD_REQUEST)
        return numbers[setting->type].wrong;
    if (status || value < setting->least || value > setting->most) {
        rj_buf_put_str(why, "is not within ");
        rj_quantity_print(quantity, setting->least, why);
        rj_buf_put_str(why, " to ");
        rj_quantity_print(quantity, setting->most, why);
        return rj_buf_cstr(why);
    }
    *out = value;
    return NULL;
}

static const char *parse_bool(const char *text, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i % 2;
            return NULL;
        }
    }
    return "is neither on nor off (true/false and yes/no will do)";
}

static const char *parse_choice(const struct rj_setting *setting, const char *text, unsigned *out,
                                struct rj_buf *why)
{
    unsigned index = 0;
    for (const char *at = setting->choices;; index++) {
        size_t len = strcspn(at, "|");
        if (len == strlen(text) && memcmp(at, text, len) == 0) {
            *out = index;
            return NULL;
        }
        at += len;
        if (!*at++)
            break;
    }
    rj_buf_printf(why, "is none of %s", setting->choices);
    return rj_buf_cstr(why);
}

static void append_item(char ***list, const char *text, size_t len)
{
    size_t n = 0;
    while ((*list)[n])
        n++;
    *list = rj_realloc(*list, n + 2, sizeof **list);
    (*list)[n] = rj_strndup(text, len);
    (*list)[n + 1] = NULL;
}

static void free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

static const char *parse_list(const char *text, char ***out)
{
    char **list = rj_calloc(1, sizeof *list);
    if (*text) {
        for (const char *at = text;; at++) {
            size_t len = strcspn(at, ",");
            size_t before = strspn(at, " ");
            size_t inner = before < len ? len - before : 0;
            while (inner && at[before + inner - 1] == ' ')
                inner--;
            if (inner == 0) {
                free_list(list);
                *out = NULL;
                return "has an empty item";
            }
            append_item(&list, at + before, inner);
            at += len;
            if (!*at)
                break;
        }
    }
    *out = list;
    return NULL;
}

static const char *check_list(const struct rj_setting *setting, char **list, struct rj_buf *why)
{
    for (; setting->check && *list; list++) {
        const char *wrong = setting->check(*list);
        if (!wrong)
            continue;
        rj_buf_printf(why, "has the item '%.100s', which %s", *list, wrong);
        return rj_buf_cstr(why);
    }
    return NULL;
}

static void *field_of(const struct rj_setting *setting, void *values)
{
    return (char *)values + setting->field;
}

static void replace_list(const struct rj_setting *setting, void *values, char **list)
{
    char ***field = field_of(setting, values);
    free_list(*field);
    *field = list;
}

/* Parses `text` into the setting's field; NULL, or what is wrong (in `why` or static). */
static const char *store(const struct rj_setting *setting, const char *text, void *values, struct rj_buf *why)
{
    void *field = field_of(setting, values);
    switch (setting->type) {
    case RJ_SETTING_TEXT:
        free(*(char **)field);
        *(char **)field = rj_strndup(text, strlen(text));
        return NULL;
    case RJ_SETTING_COUNT:
    case RJ_SETTING_TIME:
    case RJ_SETTING_BYTES: return parse_number(setting, text, field, why);
    case RJ_SETTING_BOOL: return parse_bool(text, field);
    case RJ_SETTING_CHOICE: return parse_choice(setting, text, field, why);
    case RJ_SETTING_LIST: break;
    }
    char **list;
    const char *wrong = parse_list(text, &list);
    if (!wrong && !(wrong = check_list(setting, list, why)))
        replace_list(setting, values, list);
    else if (list)
        free_list(list);
    return wrong;
}

static void mark_set(struct load *load, const struct rj_setting *setting)
{
    if (load->is_set)
        load->is_set[setting - load->table] = true;
}

/* `where` says what gave the text: "--data", "REJOIN_DATA", "rejoin.yaml:3: data". */
static void apply(struct load *load, const struct rj_setting *setting, const char *where, const char *text)
{
    struct rj_buf why = {0};
    const char *wrong = store(setting, text, load->values, &why);
    if (wrong)
        rj_buf_printf(load->faults, "%s: '%.100s' %s\n", where, text, wrong);
    mark_set(load, setting);
    rj_buf_free(&why);
}

static void apply_defaults(struct load *load)
{
    for (const struct rj_setting *setting = load->table; setting->name; setting++) {
        if (!setting->fallback)
            continue;
        apply(load, setting, setting->name, setting->fallback);
        load->is_set[setting - load->table] = false;
    }
}

/* ---- the YAML file */

struct yaml_source {
    const char *name;
    yaml_document_t *document;
};

static void yaml_fault(struct load *load, const char *name, const yaml_mark_t *mark, const char *what)
{
    rj_buf_printf(load->faults, "%s:%zu: %s\n", name, mark->line + 1, what);
}

/* The text of a scalar; NULL (and a fault) for anything else, for null and for text with a NUL in it. */
static const char *scalar_text(struct load *load, const struct yaml_source *source, const yaml_node_t *node,
                               const char *key)
{
    const char *text = node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
    const char *wrong = NULL;
    bool is_plain = text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (!text)
        wrong = "must be a single value";
    else if (strlen(text) != node->data.scalar.length)
        wrong = "contains a NUL";
    else if (is_plain && (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0))
        wrong = "has no value";
    if (!wrong)
        return text;
    rj_buf_printf(load->faults, "%s:%zu: %s %s\n", source->name, node->start_mark.line + 1, key, wrong);
    return NULL;
}

static void apply_sequence(struct load *load, const struct yaml_source *source,
                           const struct rj_setting *setting, const yaml_node_t *node)
{
    char **list = rj_calloc(1, sizeof *list);
    bool is_whole = true;
    const yaml_node_item_t *item = node->data.sequence.items.start;
    for (; item < node->data.sequence.items.top; item++) {
        const yaml_node_t *element = yaml_document_get_node(source->document, *item);
        const char *text = scalar_text(load, source, element, setting->name);
        const char *wrong = text && setting->check ? setting->check(text) : NULL;
        if (wrong)
            rj_buf_printf(load->faults, "%s:%zu: %s: '%.100s' %s\n", source->name,
                          element->start_mark.line + 1, setting->name, text, wrong);
        if (text)
            append_item(&list, text, strlen(text));
        is_whole &= text != NULL && !wrong;
    }
    if (is_whole)
        replace_list(setting, load->values, list);
    else
        free_list(list);
    mark_set(load, setting);
}

static bool is_given_before(const struct yaml_source *source, const yaml_node_t *root,
                            const yaml_node_pair_t *pair, const yaml_node_t *key)
{
    for (const yaml_node_pair_t *p = root->data.mapping.pairs.start; p < pair; p++) {
        const yaml_node_t *other = yaml_document_get_node(source->document, p->key);
        if (other->type == YAML_SCALAR_NODE && other->data.scalar.length == key->data.scalar.length &&
            memcmp(other->data.scalar.value, key->data.scalar.value, key->data.scalar.length) == 0)
            return true;
    }
    return false;
}

static void apply_pair(struct load *load, const struct yaml_source *source, const yaml_node_t *root,
                       const yaml_node_pair_t *pair)
{
    const yaml_node_t *key = yaml_document_get_node(source->document, pair->key);
    const yaml_node_t *value = yaml_document_get_node(source->document, pair->value);
    if (key->type != YAML_SCALAR_NODE) {
        yaml_fault(load, source->name, &key->start_mark, "a key must be the name of a setting");
        return;
    }
    struct rj_span name = rj_span_of(key->data.scalar.value, key->data.scalar.length);
    const struct rj_setting *setting = find(load->table, name);
    struct rj_buf where = {0};
    rj_buf_printf(&where, "%s:%zu: %.100s", source->name, key->start_mark.line + 1,
                  (const char *)key->data.scalar.value);
    if (find(request_table, name))
        rj_buf_printf(load->faults, "%s: cannot be set in the file\n", rj_buf_cstr(&where));
    else if (!setting)
        rj_buf_printf(load->faults, "%s: no such setting\n", rj_buf_cstr(&where));
    else if (is_given_before(source, root, pair, key))
        rj_buf_printf(load->faults, "%s: is set twice\n", rj_buf_cstr(&where));
    else if (setting->type == RJ_SETTING_LIST && value->type == YAML_SEQUENCE_NODE)
        apply_sequence(load, source, setting, value);
    else {
        const char *text = scalar_text(load, source, value, setting->name);
        if (text)
            apply(load, setting, rj_buf_cstr(&where), text);
        mark_set(load, setting);
    }
    rj_buf_free(&where);
}

static void apply_document(struct load *load, const char *name, yaml_document_t *document)
{
    struct yaml_source source = {.name = name, .document = document};
    const yaml_node_t *root = yaml_document_get_root_node(document);
    if (!root)
        return;
    if (root->type != YAML_MAPPING_NODE) {
        bool is_nothing = root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0;
        if (!is_nothing)
            yaml_fault(load, name, &root->start_mark, "expected lines of `setting: value`");
        return;
    }
    const yaml_node_pair_t *pair = root->data.mapping.pairs.start;
    for (; pair < root->data.mapping.pairs.top; pair++)
        apply_pair(load, &source, root, pair);
}

/* The scanner and the parser mark the place; the reader (bad UTF-8) knows only the byte's number. */
static yaml_mark_t fault_mark(const yaml_parser_t *parser, struct rj_span yaml)
{
    if (parser->error != YAML_READER_ERROR)
        return parser->problem_mark;
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < yaml.len && i < parser->problem_offset; i++)
        mark.line += yaml.data[i] == '\n';
    return mark;
}

static void apply_yaml(struct load *load, struct rj_span yaml, const char *name)
{
    static const uint8_t none[1];
    yaml_parser_t parser;
    yaml_document_t document;
    if (!yaml_parser_initialize(&parser))
        rj_oom(sizeof parser);
    yaml_parser_set_input_string(&parser, yaml.len ? yaml.data : none, yaml.len);
    for (unsigned documents = 0;; documents++) {
        if (!yaml_parser_load(&parser, &document)) {
            yaml_mark_t mark = fault_mark(&parser, yaml);
            yaml_fault(load, name, &mark, parser.problem ? parser.problem : "is no YAML");
            break;
        }
        bool is_end = !yaml_document_get_root_node(&document);
        if (documents == 0)
            apply_document(load, name, &document);
        else if (!is_end)
            yaml_fault(load, name, &document.start_mark, "only one document is expected");
        yaml_document_delete(&document);
        if (is_end || documents > 0)
            break;
    }
    yaml_parser_delete(&parser);
}

enum rj_status rj_settings_parse_yaml(const struct rj_setting *table, struct rj_span yaml, const char *name,
                                      void *values, struct rj_buf *faults)
{
    struct load load = {.table = table, .values = values, .faults = faults};
    size_t before = faults->len;
    apply_yaml(&load, yaml, name);
    return faults->len == before ? RJ_OK : RJ_BAD_REQUEST;
}

static void apply_file(struct load *load, const char *path)
{
    struct rj_buf text = {0};
    size_t got = 0;
    FILE *file = fopen(path, "re");
    errno = file ? 0 : errno;
    while (file && text.len <= LARGEST_FILE && (got = fread(rj_buf_reserve(&text, 4096), 1, 4096, file)) > 0)
        text.len += got;
    if (!file || ferror(file))
        rj_buf_printf(load->faults, "%s: cannot be read: %s\n", path, strerror(errno));
    else if (text.len > LARGEST_FILE)
        rj_buf_printf(load->faults, "%s: is larger than %d bytes\n", path, LARGEST_FILE);
    else
        apply_yaml(load, rj_buf_span(&text), path);
    if (file)
        fclose(file);
    rj_buf_free(&text);
}

/* ---- the environment */

static const char *lookup(char **environ_, const char *variable)
{
    size_t len = strlen(variable);
    for (; environ_ && *environ_; environ_++)
        if (strncmp(*environ_, variable, len) == 0 && (*environ_)[len] == '=')
            return *environ_ + len + 1;
    return NULL;
}

static void apply_environment(struct load *load, char **environ_)
{
    struct rj_buf variable = {0};
    for (const struct rj_setting *setting = load->table; setting->name; setting++) {
        const char *text = lookup(environ_, rj_settings_variable(setting, &variable));
        if (text)
            apply(load, setting, rj_buf_cstr(&variable), text);
    }
    rj_buf_free(&variable);
}

/* ---- the flags */

/* The text of a flag: behind its `=`, the next argument, or for a bare switch "true". NULL: there is none. */
static const char *flag_text(const struct rj_setting *setting, const char *equals, char **argv, int *at)
{
    const char *next = argv[*at + 1];
    bool ignored;
    if (equals)
        return equals + 1;
    if (setting->type == RJ_SETTING_BOOL && (!next || parse_bool(next, &ignored)))
        return "true";
    if (!next || strncmp(next, "--", 2) == 0)
        return NULL;
    ++*at;
    return next;
}

/* Reads the flags of one table; those of `other` are passed over. The values of the process and the request
 * are read in two walks, because the file that --config names comes before the flags. */
static void apply_flags(struct load *load, const struct rj_setting *other, char **argv, bool tell_unknown)
{
    for (int at = 1; argv[at]; at++) {
        const char *arg = strcmp(argv[at], "-h") == 0 ? "--help" : argv[at];
        const char *equals = strchr(arg, '=');
        size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
        struct rj_span name = rj_span_from(rj_span_of(arg, len), 2);
        bool is_flag = strncmp(arg, "--", 2) == 0;
        const struct rj_setting *setting = is_flag ? find(load->table, name) : NULL;
        const struct rj_setting *foreign = is_flag ? find(other, name) : NULL;
        if (!setting && !foreign) {
            if (tell_unknown)
                rj_buf_printf(load->faults, "%.100s: %s\n", arg,
                              is_flag ? "no such flag (--help lists them)" : "is no flag");
            continue;
        }
        const char *text = flag_text(setting ? setting : foreign, equals, argv, &at);
        struct rj_buf where = {0};
        rj_buf_printf(&where, "%.*s", (int)len, arg);
        if (setting && text)
            apply(load, setting, rj_buf_cstr(&where), text);
        else if (setting)
            rj_buf_printf(load->faults, "%s: needs a value\n", rj_buf_cstr(&where));
        rj_buf_free(&where);
    }
}

/* ---- all of it */

static void check_required(struct load *load)
{
    struct rj_buf variable = {0};
    for (const struct rj_setting *setting = load->table; setting->name; setting++) {
        if (!setting->required)
            continue;
        bool is_empty = setting->type == RJ_SETTING_TEXT && *(char **)field_of(setting, load->values) &&
                        !**(char **)field_of(setting, load->values);
        if (is_empty)
            rj_buf_printf(load->faults, "--%s: must not be empty\n", setting->name);
        else if (!setting->fallback && !load->is_set[setting - load->table])
            rj_buf_printf(load->faults, "--%s: is required (or %s, or `%s:` in the file)\n", setting->name,
                          rj_settings_variable(setting, &variable), setting->name);
    }
    rj_buf_free(&variable);
}

/* Reads what is asked for (--config, --help …) from the environment and the flags. */
static void read_request(struct load *load, char **argv, char **environ_)
{
    bool is_set[sizeof request_table / sizeof *request_table] = {0};
    struct load own = {
        .table = request_table, .values = &load->request, .is_set = is_set, .faults = load->faults};
    struct rj_buf variable = {0};
    const char *config = lookup(environ_, rj_settings_variable(request_table, &variable));
    if (config && *config)
        apply(&own, request_table, rj_buf_cstr(&variable), config);
    rj_buf_free(&variable);
    apply_flags(&own, load->table, argv, true);
}

static enum rj_settings_outcome tell(const struct rj_settings_program *program, const struct load *load)
{
    if (load->request.help) {
        rj_settings_print_help(stdout, program, request_table);
        return RJ_SETTINGS_EXIT;
    }
    if (load->request.version) {
        printf("%s %s\n", program->name, program->version);
        return RJ_SETTINGS_EXIT;
    }
    if (load->faults->len) {
        fwrite(load->faults->data, 1, load->faults->len, stderr);
        return RJ_SETTINGS_WRONG;
    }
    if (load->request.check_config) {
        printf("%s: the configuration is valid\n", program->name);
        return RJ_SETTINGS_EXIT;
    }
    return RJ_SETTINGS_RUN;
}

enum rj_settings_outcome rj_settings_load(const struct rj_settings_program *program, int argc, char **argv,
                                          char **environ_, void *values)
{
    (void)argc; /* argv ends with NULL */
    struct rj_buf faults = {0};
    struct load load = {.table = program->table, .values = values, .faults = &faults};
    load.is_set = rj_calloc(count(program->table), sizeof *load.is_set);
    read_request(&load, argv, environ_);
    apply_defaults(&load);
    if (load.request.config)
        apply_file(&load, load.request.config);
    apply_environment(&load, environ_);
    apply_flags(&load, request_table, argv, false);
    check_required(&load);
    const char *wrong = program->fault_of && !faults.len ? program->fault_of(values) : NULL;
    if (wrong)
        rj_buf_printf(&faults, "%s: %s\n", program->name, wrong);
    enum rj_settings_outcome outcome = tell(program, &load);
    if (outcome != RJ_SETTINGS_RUN)
        rj_settings_free(program->table, values);
    free(load.request.config);
    free(load.is_set);
    rj_buf_free(&faults);
    return outcome;
}

void rj_settings_free(const struct rj_setting *table, void *values)
{
    for (; table->name; table++) {
        void *field = field_of(table, values);
        if (table->type == RJ_SETTING_TEXT) {
            free(*(char **)field);
            *(char **)field = NULL;
        } else if (table->type == RJ_SETTING_LIST) {
            replace_list(table, values, NULL);
        }
    }
}
