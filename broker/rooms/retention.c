#include "broker/rooms/retention.h"

#include <stdlib.h>

#include "broker/base/rule_text.h"
#include "proto/base/mem.h"
#include "proto/base/quantity.h"

/* ------------------------------------------------------------------------------------------ text */

/* A rule as it stands in its text. */
struct parsed {
    struct rj_span pattern, nsp; /* nsp.data is NULL without one */
    struct rj_store_limits limits;
    bool has_age, has_count, has_bytes;
};

/* `*is_given` becomes true. NULL, or what is wrong: `wrong` for a text that is no such number. */
static const char *parse_limit(struct rj_span word, const char *prefix, enum rj_quantity quantity,
                               uint64_t *out, bool *is_given, const char *wrong)
{
    if (*is_given)
        return "sets a limit twice";
    *is_given = true;
    switch (rj_quantity_parse(quantity, rj_span_from(word, strlen(prefix)), out)) {
    case RJ_OK: return NULL;
    case RJ_TOO_LARGE: return "has a number above 64 bits";
    default: return wrong;
    }
}

static const char *parse_age(struct rj_span word, struct parsed *out)
{
    const uint64_t most = 36500 * 86400000ULL;
    const char *wrong = parse_limit(word, "age=", RJ_QUANTITY_TIME, &out->limits.age_ms, &out->has_age,
                                    "has an age that is no whole number with " RJ_QUANTITY_TIME_UNITS);
    return !wrong && out->limits.age_ms > most ? "has an age above 36500 days" : wrong;
}

static const char *parse_word(struct rj_span word, struct parsed *out)
{
    if (rj_rule_has_prefix(word, "age="))
        return parse_age(word, out);
    if (rj_rule_has_prefix(word, "count="))
        return parse_limit(word, "count=", RJ_QUANTITY_COUNT, &out->limits.count, &out->has_count,
                           "has a count that is no whole number (" RJ_QUANTITY_COUNT_UNITS " may follow it)");
    if (rj_rule_has_prefix(word, "bytes="))
        return parse_limit(word, "bytes=", RJ_QUANTITY_BYTES, &out->limits.bytes, &out->has_bytes,
                           "has bytes that are no whole number (" RJ_QUANTITY_BYTES_UNITS " may follow it)");
    if (!rj_rule_has_prefix(word, "namespace="))
        return "has a word that is none of namespace=, age=, count= and bytes=";
    return rj_rule_namespace(word, &out->nsp);
}

static const char *parse(const char *text, struct parsed *out)
{
    *out = (struct parsed){0};
    const char *bad_pattern = rj_rule_pattern(&text, &out->pattern);
    if (bad_pattern)
        return bad_pattern;
    for (struct rj_span word; (word = rj_rule_word(&text)).len > 0;) {
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
        retention->rules[retention->n] = (struct rj_retention_rule){.nsp = rj_rule_copy(parsed.nsp),
                                                                    .pattern = rj_rule_copy(parsed.pattern)};
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
    for (size_t i = 0; i < retention->n; i++)
        if (rj_rule_meets(retention->rules[i].nsp, retention->rules[i].pattern, key))
            return i;
    return SIZE_MAX;
}
