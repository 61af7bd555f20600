/* Patterns and the rules of retention and presence, compared with a slow and obvious matcher. The input is a
 * line with a rule (or a pattern), a line with a namespace, and the name that is to be matched.
 */
#include <ctype.h>

#include "broker/pattern.h"
#include "broker/presence_rules.h"
#include "broker/retention.h"
#include "broker/room.h"
#include "rejoin.pb-c.h"
#include "tests/fuzz/fuzz.h"

/* Whether the pattern matches, by a table: what[i] tells it for the first i bytes of the text. `one` stands
 * for any one byte; 0: nothing does. */
static bool slow_matches(struct rj_span pattern, struct rj_span text, uint8_t one)
{
    bool what[RJ_ROOM_NAME_MAX + 2] = {true};
    for (size_t p = 0; p < pattern.len; p++) {
        bool before = what[0];
        uint8_t byte = pattern.data[p];
        what[0] = byte == '*' && before;
        for (size_t i = 1; i <= text.len; i++) {
            bool was = what[i];
            what[i] = byte == '*' ? was || what[i - 1]
                                  : before && ((one && byte == one) || byte == text.data[i - 1]);
            before = was;
        }
    }
    return what[text.len];
}

static struct rj_span take_line(struct rj_span *rest)
{
    const uint8_t *end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
    struct rj_span line = rj_span_of(rest->data, end ? (size_t)(end - rest->data) : rest->len);
    *rest = rj_span_from(*rest, line.len + 1);
    return line;
}

static void try_pattern(const char *pattern, const char *name)
{
    if (rj_pattern_check(pattern) == RJ_OK)
        HOLDS(rj_pattern_matches(pattern, name) == slow_matches(rj_span_str(pattern), rj_span_str(name), 0));
}

static void try_rule(char *rule, const char *nsp, const char *name)
{
    struct rj_retention retention;
    char *rules[] = {rule, NULL};
    uint8_t key[RJ_TARGET_KEY_MAX];
    const char *wrong = rj_retention_check(rule);
    HOLDS(!wrong || *wrong);
    if (wrong)
        return;
    rj_retention_init(&retention, rules);
    HOLDS(retention.n == 1);
    const struct rj_retention_rule *parsed = &retention.rules[0];
    bool is_meant = (!parsed->nsp || strcmp(parsed->nsp, nsp) == 0) &&
                    slow_matches(rj_span_str(parsed->pattern), rj_span_str(name), '?');
    for (uint8_t kind = 0; kind <= REJOIN__TARGET__KIND__USER; kind++) {
        size_t len = rj_target_key(key, kind, nsp, name);
        size_t picked = rj_retention_pick(&retention, rj_span_of(key, len));
        HOLDS(picked == (kind == REJOIN__TARGET__KIND__ROOM && is_meant ? 0 : SIZE_MAX));
    }
    rj_retention_free(&retention);
}

static void try_presence_rule(char *rule, const char *nsp, const char *name)
{
    struct rj_presence_rules rules;
    char *texts[] = {rule, NULL};
    uint8_t key[RJ_TARGET_KEY_MAX];
    const char *wrong = rj_presence_rules_check(rule);
    HOLDS(!wrong || *wrong);
    if (wrong)
        return;
    rj_presence_rules_init(&rules, texts, 5000, 100);
    HOLDS(rules.n == 1);
    const struct rj_presence_rule *parsed = &rules.list[0];
    HOLDS(parsed->grace_ms <= RJ_PRESENCE_GRACE_MOST_MS && parsed->burst <= RJ_PRESENCE_BURST_MOST);
    bool is_meant = parsed->tells && (!parsed->nsp || strcmp(parsed->nsp, nsp) == 0) &&
                    slow_matches(rj_span_str(parsed->pattern), rj_span_str(name), '?');
    for (uint8_t kind = 0; kind <= REJOIN__TARGET__KIND__USER; kind++) {
        size_t len = rj_target_key(key, kind, nsp, name);
        const struct rj_presence_rule *picked = rj_presence_rules_pick(&rules, rj_span_of(key, len));
        HOLDS(picked == (kind == REJOIN__TARGET__KIND__ROOM && is_meant ? parsed : NULL));
    }
    rj_presence_rules_free(&rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char rule[1024], nsp[RJ_NAMESPACE_MAX + 1], name[RJ_ROOM_NAME_MAX + 1];
    struct rj_span rest = rj_span_of(data, size), line = take_line(&rest);
    snprintf(rule, sizeof rule, "%.*s", (int)line.len, (const char *)line.data);
    line = take_line(&rest);
    snprintf(nsp, sizeof nsp, "%.*s", (int)line.len, (const char *)line.data);
    snprintf(name, sizeof name, "%.*s", (int)rest.len, (const char *)rest.data);
    try_pattern(rule, name);
    try_rule(rule, nsp, name);
    try_presence_rule(rule, nsp, name);

    /* What comes from a damaged store need not have the shape of a key. */
    struct rj_span key = rj_span_of(data, size < RJ_TARGET_KEY_MAX ? size : RJ_TARGET_KEY_MAX);
    HOLDS(rj_target_key_name(key).len <= key.len);
    HOLDS(!rj_target_key_is_room_of(key, nsp) || rj_target_key_name(key).len == key.len - 2 - strlen(nsp));
    return 0;
}
