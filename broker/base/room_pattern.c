#include "broker/base/room_pattern.h"

#include <stdlib.h>

#include "broker/base/rule_text.h"
#include "proto/base/mem.h"

struct rj_room_pattern {
    char *nsp; /* NULL: any */
    char *name;
};

/* ------------------------------------------------------------------------------------------ text */

struct parsed {
    struct rj_span name, nsp; /* nsp.data is NULL without one */
};

static const char *parse(const char *text, struct parsed *out)
{
    *out = (struct parsed){.nsp = {0}};
    const char *wrong = rj_rule_pattern(&text, &out->name);
    for (struct rj_span word; !wrong && (word = rj_rule_word(&text)).len > 0;)
        wrong = rj_rule_has_prefix(word, "namespace=") ? rj_rule_namespace(word, &out->nsp)
                                                       : "has a word that is not namespace=";
    return wrong;
}

const char *rj_room_pattern_check(const char *text)
{
    struct parsed parsed;
    return parse(text, &parsed);
}

/* ------------------------------------------------------------------------------------------ lists */

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
        patterns->list[patterns->n] =
            (struct rj_room_pattern){rj_rule_copy(parsed.nsp), rj_rule_copy(parsed.name)};
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
    for (size_t i = 0; i < patterns->n; i++)
        if (rj_rule_meets(patterns->list[i].nsp, patterns->list[i].name, key))
            return true;
    return false;
}
