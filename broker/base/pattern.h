/* Patterns of names, in which * stands for any bytes (none, too). Pure. */
#ifndef RJ_PATTERN_H
#define RJ_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/status.h"

enum { RJ_PATTERN_MAX = 255, RJ_PATTERN_STARS_MAX = 8 };

/* The length of the shortest text that it matches, in bytes. */
size_t rj_pattern_shortest(const char *pattern);

/* RJ_BAD_NAME unless it has 1 to RJ_PATTERN_MAX bytes of valid UTF-8 and at most RJ_PATTERN_STARS_MAX stars.
 */
enum rj_status rj_pattern_check(const char *pattern);

bool rj_pattern_matches(const char *pattern, const char *text);

/* A list of them, on the heap. Zero-initialise. */
struct rj_patterns {
    char **list;
    size_t n;
};

/* Replaces the list by copies. */
void rj_patterns_set(struct rj_patterns *patterns, char *const *list, size_t n);
bool rj_patterns_match(const struct rj_patterns *patterns, const char *text);
void rj_patterns_free(struct rj_patterns *patterns);

#endif
