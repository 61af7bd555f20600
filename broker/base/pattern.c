#include "broker/base/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/mem.h"
#include "proto/base/utf8.h"

size_t rj_pattern_shortest(const char *pattern)
{
    size_t n = 0;
    for (; *pattern; pattern++)
        n += *pattern != '*';
    return n;
}

enum rj_status rj_pattern_check(const char *pattern)
{
    struct rj_span text = rj_span_str(pattern);
    size_t stars = text.len - rj_pattern_shortest(pattern);
    bool is_valid =
        text.len > 0 && text.len <= RJ_PATTERN_MAX && stars <= RJ_PATTERN_STARS_MAX && rj_utf8_is_valid(text);
    return is_valid ? RJ_OK : RJ_BAD_NAME;
}

/* What follows the last star is tried at each later place of the text; an earlier star never has to take more
 * than it took first. */
bool rj_pattern_matches(const char *pattern, const char *text)
{
    const char *after_star = NULL, *retry = NULL;
    while (*text) {
        if (*pattern == '*') {
            after_star = ++pattern;
            retry = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (after_star) {
            pattern = after_star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

void rj_patterns_set(struct rj_patterns *patterns, char *const *list, size_t n)
{
    rj_patterns_free(patterns);
    patterns->list = (char **)rj_calloc(n + 1, sizeof *patterns->list);
    for (size_t i = 0; i < n; i++)
        patterns->list[i] = rj_strndup(list[i], strlen(list[i]));
    patterns->n = n;
}

bool rj_patterns_match(const struct rj_patterns *patterns, const char *text)
{
    for (size_t i = 0; i < patterns->n; i++)
        if (rj_pattern_matches(patterns->list[i], text))
            return true;
    return false;
}

void rj_patterns_free(struct rj_patterns *patterns)
{
    for (size_t i = 0; i < patterns->n; i++)
        free(patterns->list[i]);
    free(patterns->list);
    *patterns = (struct rj_patterns){0};
}
