#include "broker/presence/presence_rules.h"

#include <stdlib.h>

#include "proto/base/mem.h"
#include "proto/base/quantity.h"

/* A rule as it stands in its text. */
struct parsed {
    struct rj_span pattern, nsp; /* nsp.data is NULL without one */
    bool tells, has_events, has_grace, has_burst;
    uint64_t grace_ms, burst;
};

static const char *parse_events(struct rj_span word, struct parsed *out)
{
    struct rj_span value = rj_span_from(word, strlen("events="));
    if (out->has_events)
        return "sets events twice";
    out->has_events = true;
    out->tells = rj_span_is(value, "on");
    return out->tells || rj_span_is(value, "off") ? NULL : "has events that are neither on nor off";
}

static const char *parse_grace(struct rj_span word, struct parsed *out)
{
    if (out->has_grace)
        return "sets a grace twice";
    out->has_grace = true;
    struct rj_span value = rj_span_from(word, strlen("grace="));
    return !rj_quantity_parse(RJ_QUANTITY_TIME, value, &out->grace_ms) &&
                   out->grace_ms <= RJ_PRESENCE_GRACE_MOST_MS
               ? NULL
               : "has a grace that is no whole number with " RJ_QUANTITY_TIME_UNITS ", of at most a day";
}

static const char *parse_burst(struct rj_span word, struct parsed *out)
{
    if (out->has_burst)
        return "sets a burst twice";
    out->has_burst = true;
    struct rj_span value = rj_span_from(word, strlen("burst="));
    return !rj_quantity_parse(RJ_QUANTITY_COUNT, value, &out->burst) && out->burst <= RJ_PRESENCE_BURST_MOST
               ? NULL
               : "has a burst that is no whole number (k or m may follow it) of at most 1m";
}

static const char *parse_word(struct rj_span word, struct parsed *out)
{
    if (rj_rule_has_prefix(word, "events="))
        return parse_events(word, out);
    if (rj_rule_has_prefix(word, "grace="))
        return parse_grace(word, out);
    if (rj_rule_has_prefix(word, "burst="))
        return parse_burst(word, out);
    if (rj_rule_has_prefix(word, "namespace="))
        return rj_rule_namespace(word, &out->nsp);
    return "has a word that is none of namespace=, events=, grace= and burst=";
}

static const char *parse(const char *text, struct parsed *out)
{
    *out = (struct parsed){.tells = true};
    const char *wrong = rj_rule_pattern(&text, &out->pattern);
    for (struct rj_span word; !wrong && (word = rj_rule_word(&text)).len > 0;)
        wrong = parse_word(word, out);
    return wrong;
}

const char *rj_presence_rules_check(const char *text)
{
    struct parsed parsed;
    return parse(text, &parsed);
}

void rj_presence_rules_init(struct rj_presence_rules *rules, char *const *texts, uint64_t grace_ms,
                            uint64_t burst)
{
    size_t n = 0;
    while (texts && texts[n])
        n++;
    *rules = (struct rj_presence_rules){.list = rj_calloc(n + 1, sizeof *rules->list)};
    for (; rules->n < n; rules->n++) {
        struct parsed parsed;
        if (parse(texts[rules->n], &parsed))
            abort();
        rules->list[rules->n] = (struct rj_presence_rule){
            .nsp = rj_rule_copy(parsed.nsp),
            .pattern = rj_rule_copy(parsed.pattern),
            .tells = parsed.tells,
            .grace_ms = parsed.has_grace ? parsed.grace_ms : grace_ms,
            .burst = parsed.has_burst ? parsed.burst : burst,
        };
    }
}

void rj_presence_rules_free(struct rj_presence_rules *rules)
{
    for (size_t i = 0; i < rules->n; i++) {
        free(rules->list[i].nsp);
        free(rules->list[i].pattern);
    }
    free(rules->list);
    *rules = (struct rj_presence_rules){0};
}

const struct rj_presence_rule *rj_presence_rules_pick(const struct rj_presence_rules *rules,
                                                      struct rj_span key)
{
    for (size_t i = 0; i < rules->n; i++)
        if (rj_rule_meets(rules->list[i].nsp, rules->list[i].pattern, key))
            return rules->list[i].tells ? &rules->list[i] : NULL;
    return NULL;
}
