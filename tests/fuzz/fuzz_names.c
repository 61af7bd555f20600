/* Patterns and retention rules, compared with a slow and obvious matcher. The input is a line with a rule (or
 * a pattern), a line with a namespace, and the name that is to be matched.
 */
#include <ctype.h>

#include "broker/base/pattern.h"
#include "broker/base/room_pattern.h"
#include "broker/presence/presence_rules.h"
#include "broker/rooms/retention.h"
#include "broker/rooms/room.h"
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

/* A rule's pattern and namespace as it was understood, and what is asked of it. */
static bool is_meant(const char *rule_nsp, const char *pattern, const char *nsp, const char *name)
{
    return (!rule_nsp || strcmp(rule_nsp, nsp) == 0) &&
           slow_matches(rj_span_str(pattern), rj_span_str(name), '?');
}

static void try_retention(char *rule, struct rj_span key, bool is_room, const char *nsp, const char *name)
{
    struct rj_retention retention;
    char *rules[] = {rule, NULL};
    const char *wrong = rj_retention_check(rule);
    HOLDS(!wrong || *wrong);
    if (wrong)
        return;
    rj_retention_init(&retention, rules);
    HOLDS(retention.n == 1);
    const struct rj_retention_rule *parsed = &retention.rules[0];
    bool meant = is_room && is_meant(parsed->nsp, parsed->pattern, nsp, name);
    HOLDS(rj_retention_pick(&retention, key) == (meant ? 0 : SIZE_MAX));
    rj_retention_free(&retention);
}

static void try_presence(char *rule, struct rj_span key, bool is_room, const char *nsp, const char *name)
{
    struct rj_presence_rules presence = {0};
    char *rules[] = {rule, NULL};
    const char *wrong = rj_presence_rules_check(rule);
    HOLDS(!wrong || *wrong);
    if (wrong)
        return;
    rj_presence_rules_init(&presence, rules, 5000, 100);
    HOLDS(presence.n == 1);
    const struct rj_presence_rule *parsed = &presence.list[0];
    HOLDS(parsed->grace_ms <= RJ_PRESENCE_GRACE_MOST_MS && parsed->burst <= RJ_PRESENCE_BURST_MOST);
    bool meant = is_room && parsed->tells && is_meant(parsed->nsp, parsed->pattern, nsp, name);
    HOLDS((rj_presence_rules_pick(&presence, key) != NULL) == meant);
    rj_presence_rules_free(&presence);
}

static void try_rooms(char *rule, struct rj_span key, bool is_room)
{
    struct rj_room_patterns patterns = {0};
    char *rules[] = {rule, NULL};
    const char *wrong = rj_room_pattern_check(rule);
    HOLDS(!wrong || *wrong);
    if (wrong)
        return;
    rj_room_patterns_init(&patterns, rules);
    HOLDS(patterns.n == 1);
    HOLDS(is_room || !rj_room_patterns_match(&patterns, key));
    rj_room_patterns_free(&patterns);
}

static void try_rules(char *rule, const char *nsp, const char *name)
{
    uint8_t bytes[RJ_TARGET_KEY_MAX];
    for (uint8_t kind = 0; kind <= REJOIN__TARGET__KIND__USER; kind++) {
        bool is_room = kind == REJOIN__TARGET__KIND__ROOM;
        struct rj_span key = rj_span_of(bytes, rj_target_key(bytes, kind, nsp, name));
        try_retention(rule, key, is_room, nsp, name);
        try_presence(rule, key, is_room, nsp, name);
        try_rooms(rule, key, is_room);
    }
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
    try_rules(rule, nsp, name);

    /* What comes from a damaged store need not have the shape of a key. */
    struct rj_span key = rj_span_of(data, size < RJ_TARGET_KEY_MAX ? size : RJ_TARGET_KEY_MAX);
    HOLDS(rj_target_key_name(key).len <= key.len);
    HOLDS(!rj_target_key_is_room_of(key, nsp) || rj_target_key_name(key).len == key.len - 2 - strlen(nsp));
    return 0;
}
