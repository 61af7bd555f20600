#include "broker/room_pattern.h"

#include <stdlib.h>

#include "broker/room.h"
#include "proto/base/mem.h"
#include "rejoin.pb-c.h"

struct rj_room_pattern {
    char *nsp; /* NULL: any */
    char *name;
};

/* Each star takes as little as it can; on a mismatch the last one takes a byte more. Earlier ones need not be
 * tried again, so the time is bounded by the product of the lengths. */
bool rj_room_name_matches(const char *pattern, struct rj_span name)
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

/* ------------------------------------------------------------------------------------------ text */

struct parsed {
    struct rj_span name, nsp; /* nsp.data is NULL without one */
};

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
    static const char prefix[] = "namespace=";
    const size_t prefix_len = sizeof prefix - 1;
    *out = (struct parsed){.name = next_word(&text)};
    if (out->name.len == 0)
        return "has no pattern";
    if (out->name.len > RJ_ROOM_NAME_MAX)
        return "has a pattern longer than the name of a room";
    for (struct rj_span word; (word = next_word(&text)).len > 0;) {
        if (word.len < prefix_len || memcmp(word.data, prefix, prefix_len) != 0)
            return "has a word that is not namespace=";
        if (out->nsp.data)
            return "names two namespaces";
        out->nsp = rj_span_from(word, prefix_len);
        if (out->nsp.len == 0 || out->nsp.len > RJ_NAMESPACE_MAX || out->nsp.data[0] != '/')
            return "names a namespace that does not begin with / or is too long";
    }
    return NULL;
}

const char *rj_room_pattern_check(const char *text)
{
    struct parsed parsed;
    return parse(text, &parsed);
}

/* ------------------------------------------------------------------------------------------ lists */

static char *copy(struct rj_span span)
{
    return span.data ? rj_strndup((const char *)span.data, span.len) : NULL;
}

void rj_room_patterns_init(struct rj_room_patterns *patterns, char *const *texts)
{
    size_t n = 0;
    *patterns = (struct rj_room_patterns){0};
    while (texts && texts[n])
        n++;
    patterns->list = rj_calloc(n + 1, sizeof *patterns->list);
    for (; patterns->n < n; patterns->n++) {
        struct parsed parsed;
        if (parse(texts[patterns->n], &parsed))
            abort();
        patterns->list[patterns->n] = (struct rj_room_pattern){copy(parsed.nsp), copy(parsed.name)};
    }
}

void rj_room_patterns_free(struct rj_room_patterns *patterns)
{
    for (size_t i = 0; i < patterns->n; i++) {
        free(patterns->list[i].nsp);
        free(patterns->list[i].name);
    }
    free(patterns->list);
    *patterns = (struct rj_room_patterns){0};
}

bool rj_room_patterns_match(const struct rj_room_patterns *patterns, struct rj_span key)
{
    if (key.len < 2 || key.data[0] != REJOIN__TARGET__KIND__ROOM || 2 + (size_t)key.data[1] > key.len)
        return false;
    struct rj_span nsp = rj_span_of(key.data + 2, key.data[1]), name = rj_target_key_name(key);
    for (size_t i = 0; i < patterns->n; i++) {
        const struct rj_room_pattern *pattern = &patterns->list[i];
        if ((!pattern->nsp || rj_span_is(nsp, pattern->nsp)) && rj_room_name_matches(pattern->name, name))
            return true;
    }
    return false;
}
