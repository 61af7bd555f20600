#include "broker/base/rule_text.h"

#include "broker/rooms/room.h"
#include "proto/base/mem.h"
#include "proto/wire.h"

/* ------------------------------------------------------------------------------------------ words */

struct rj_span rj_rule_word(const char **at)
{
    *at += strspn(*at, " \t");
    size_t len = strcspn(*at, " \t");
    struct rj_span word = rj_span_of((const uint8_t *)*at, len);
    *at += len;
    return word;
}

bool rj_rule_has_prefix(struct rj_span word, const char *prefix)
{
    size_t len = strlen(prefix);
    return word.len >= len && memcmp(word.data, prefix, len) == 0;
}

const char *rj_rule_pattern(const char **at, struct rj_span *pattern)
{
    *pattern = rj_rule_word(at);
    if (pattern->len == 0)
        return "has no pattern";
    return pattern->len > RJ_ROOM_NAME_MAX ? "has a pattern longer than the name of a room" : NULL;
}

const char *rj_rule_namespace(struct rj_span word, struct rj_span *nsp)
{
    if (nsp->data)
        return "names two namespaces";
    *nsp = rj_span_from(word, strlen("namespace="));
    return nsp->len == 0 || nsp->len > RJ_NAMESPACE_MAX || nsp->data[0] != '/'
               ? "names a namespace that does not begin with / or is too long"
               : NULL;
}

char *rj_rule_copy(struct rj_span text)
{
    return text.data ? rj_strndup((const char *)text.data, text.len) : NULL;
}

/* ------------------------------------------------------------------------------------------ matching */

/* Each star takes as little as it can; on a mismatch the last one takes a byte more. Earlier ones need not be
 * tried again, so the time is bounded by the product of the lengths. */
bool rj_rule_matches(const char *pattern, struct rj_span name)
{
    const char *star = NULL;
    size_t at = 0, star_at = 0;
    while (at < name.len) {
        if (*pattern == '*') {
            star = ++pattern;
            star_at = at;
        } else if (*pattern && (*pattern == '?' || (uint8_t)*pattern == name.data[at])) {
            pattern++;
            at++;
        } else if (star) {
            pattern = star;
            at = ++star_at;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

bool rj_rule_meets(const char *nsp, const char *pattern, struct rj_span key)
{
    if (key.len < 2 || key.data[0] != REJOIN__TARGET__KIND__ROOM || 2 + (size_t)key.data[1] > key.len)
        return false;
    if (nsp && !rj_span_is(rj_span_of(key.data + 2, key.data[1]), nsp))
        return false;
    return rj_rule_matches(pattern, rj_target_key_name(key));
}
