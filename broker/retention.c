#include "broker/retention.h"

#include <ctype.h>
#include <stdlib.h>

#include "broker/room.h"
#include "broker/room_pattern.h"
#include "proto/base/mem.h"
#include "proto/wire.h"

/* ------------------------------------------------------------------------------------------ text */

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit times[] = {
    {"ms", 1}, {"", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 86400 * 1000}, {0}};
static const struct unit counts[] = {{"", 1}, {"k", 1000}, {"m", 1000000}, {"g", 1000000000}, {0}};

static bool parse_number(struct rj_span text, const struct unit *units, uint64_t *out)
{
    uint64_t value = 0;
    size_t at = 0;
    bool is_over = false;
    for (; at < text.len && isdigit(text.data[at]); at++)
        is_over |= __builtin_mul_overflow(value, 10U, &value) ||
                   __builtin_add_overflow(value, (unsigned)(text.data[at] - '0'), &value);
    if (at == 0)
        return false;
    while (units->name && !rj_span_is(rj_span_from(text, at), units->name))
        units++;
    if (!units->name || is_over || __builtin_mul_overflow(value, units->factor, &value))
        return false;
    *out = value;
    return true;
}

/* A rule as it stands in its text. */
struct parsed {
    struct rj_span pattern, nsp; /* nsp.data is NULL without one */
    struct rj_store_limits limits;
    bool has_age, has_count, has_bytes;
};

static bool has_prefix(struct rj_span word, const char *prefix)
{
    size_t len = strlen(prefix);
    return word.len >= len && memcmp(word.data, prefix, len) == 0;
}

static const char *parse_limit(struct rj_span word, const char *prefix, const struct unit *units,
                               uint64_t *out, bool *is_given, const char *wrong)
{
    if (*is_given)
        return "sets a limit twice";
    *is_given = true;
    return parse_number(rj_span_from(word, strlen(prefix)), units, out) ? NULL : wrong;
}

static const char *parse_age(struct rj_span word, struct parsed *out)
{
    const uint64_t most = 36500 * 86400000ULL;
    const char *wrong = parse_limit(word, "age=", times, &out->limits.age_ms, &out->has_age,
                                    "has an age that is no whole number with ms, s, m, h or d");
    return !wrong && out->limits.age_ms > most ? "has an age above 36500 days" : wrong;
}

static const char *parse_word(struct rj_span word, struct parsed *out)
{
    if (has_prefix(word, "age="))
        return parse_age(word, out);
    if (has_prefix(word, "count="))
        return parse_limit(word, "count=", counts, &out->limits.count, &out->has_count,
                           "has a count that is no whole number (k, m or g may follow it)");
    if (has_prefix(word, "bytes="))
        return parse_limit(word, "bytes=", counts, &out->limits.bytes, &out->has_bytes,
                           "has bytes that are no whole number (k, m or g may follow it)");
    if (!has_prefix(word, "namespace="))
        return "has a word that is none of namespace=, age=, count= and bytes=";
    if (out->nsp.data)
        return "names two namespaces";
    out->nsp = rj_span_from(word, strlen("namespace="));
    return out->nsp.len == 0 || out->nsp.len > RJ_NAMESPACE_MAX || out->nsp.data[0] != '/'
               ? "names a namespace that does not begin with / or is too long"
               : NULL;
}

static struct rj_span next_word(const char **at)
{
    *at += strspn(*at, " \t");
    size_t len = strcspn(*at, " \t");
    struct rj_span word = rj_span_of((const uint8_t *)*at, len);
    *at += len;
    return word;
}

static const char *parse(const char *text, struct parsed *out)
{
    *out = (struct parsed){0};
    out->pattern = next_word(&text);
    if (out->pattern.len == 0)
        return "has no pattern";
    if (out->pattern.len > RJ_ROOM_NAME_MAX)
        return "has a pattern longer than the name of a room";
    for (struct rj_span word; (word = next_word(&text)).len > 0;) {
        const char *wrong = parse_word(word, out);
        if (wrong)
            return wrong;
    }
    if (!out->has_age && !out->has_count && !out->has_bytes)
        return "sets no limit (age=, count= or bytes=)";
    return NULL;
}

const char *rj_retention_check(const char *text)
{
    struct parsed parsed;
    return parse(text, &parsed);
}

/* ------------------------------------------------------------------------------------------ rules */

static char *copy(struct rj_span span)
{
    return span.data ? rj_strndup((const char *)span.data, span.len) : NULL;
}

/* FNV-1a over the text and its end: the same text gives the same number in every run and build. */
static uint64_t add_text(uint64_t id, const char *text)
{
    const uint64_t prime = 0x100000001b3;
    do
        id = (id ^ (uint8_t)*text) * prime;
    while (*text++);
    return id;
}

void rj_retention_init(struct rj_retention *retention, char *const *texts)
{
    size_t n = 0;
    *retention = (struct rj_retention){.id = 0xcbf29ce484222325};
    while (texts && texts[n])
        n++;
    retention->rules = rj_calloc(n + 1, sizeof *retention->rules);
    retention->limits = rj_calloc(n + 1, sizeof *retention->limits);
    for (; retention->n < n; retention->n++) {
        struct parsed parsed;
        if (parse(texts[retention->n], &parsed))
            abort();
        retention->rules[retention->n] =
            (struct rj_retention_rule){.nsp = copy(parsed.nsp), .pattern = copy(parsed.pattern)};
        retention->limits[retention->n] = parsed.limits;
        retention->id = add_text(retention->id, texts[retention->n]);
    }
}

void rj_retention_free(struct rj_retention *retention)
{
    for (size_t i = 0; i < retention->n; i++) {
        free(retention->rules[i].nsp);
        free(retention->rules[i].pattern);
    }
    free(retention->rules);
    free(retention->limits);
    *retention = (struct rj_retention){0};
}

size_t rj_retention_pick(void *ctx, struct rj_span key)
{
    const struct rj_retention *retention = ctx;
    struct rj_span name = rj_target_key_name(key), nsp;
    if (key.len < 2 || key.data[0] != REJOIN__TARGET__KIND__ROOM || 2 + (size_t)key.data[1] > key.len)
        return SIZE_MAX;
    nsp = rj_span_of(key.data + 2, key.data[1]);
    for (size_t i = 0; i < retention->n; i++) {
        const struct rj_retention_rule *rule = &retention->rules[i];
        if ((!rule->nsp || rj_span_is(nsp, rule->nsp)) && rj_room_name_matches(rule->pattern, name))
            return i;
    }
    return SIZE_MAX;
}
