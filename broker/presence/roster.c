#include "broker/presence/roster.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/mem.h"

struct rj_attendee *rj_roster_find(const struct rj_roster *roster, const char *user)
{
    struct rj_attendee *at = roster->root;
    int order;
    while (at && (order = strcmp(user, at->user)) != 0)
        at = order < 0 ? at->left : at->right;
    return at;
}

struct rj_attendee *rj_roster_after(const struct rj_roster *roster, const char *user)
{
    struct rj_attendee *best = NULL;
    for (struct rj_attendee *at = roster->root; at;) {
        bool is_behind = strcmp(at->user, user) > 0;
        if (is_behind)
            best = at;
        at = is_behind ? at->left : at->right;
    }
    return best;
}

/* The names below `user`, and those above. */
static void split(struct rj_attendee *tree, const char *user, struct rj_attendee **below,
                  struct rj_attendee **above)
{
    while (tree) {
        bool is_below = strcmp(tree->user, user) < 0;
        struct rj_attendee ***end = is_below ? &below : &above;
        **end = tree;
        *end = is_below ? &tree->right : &tree->left;
        tree = **end;
    }
    *below = *above = NULL;
}

/* All of `below` sort before all of `above`. */
static struct rj_attendee *merge(struct rj_attendee *below, struct rj_attendee *above)
{
    struct rj_attendee *root = NULL, **end = &root;
    while (below && above) {
        bool is_below = below->priority > above->priority;
        *end = is_below ? below : above;
        end = is_below ? &below->right : &above->left;
        if (is_below)
            below = below->right;
        else
            above = above->left;
    }
    *end = below ? below : above;
    return root;
}

/* The link at which the user stands, or where it would be looked for below those of higher priority. */
static struct rj_attendee **link_of(struct rj_roster *roster, const char *user, uint32_t priority)
{
    struct rj_attendee **link = &roster->root;
    while (*link && (*link)->priority >= priority) {
        int order = strcmp(user, (*link)->user);
        if (order == 0)
            break;
        link = order < 0 ? &(*link)->left : &(*link)->right;
    }
    return link;
}

struct rj_attendee *rj_roster_add(struct rj_roster *roster, const char *user, uint32_t random)
{
    size_t size = strlen(user) + 1;
    struct rj_attendee *who = rj_calloc(1, sizeof *who + size);
    memcpy(who->user, user, size);
    who->roster = roster;
    who->priority = random;
    struct rj_attendee **link = link_of(roster, user, random);
    split(*link, user, &who->left, &who->right);
    *link = who;
    roster->n++;
    return who;
}

void rj_roster_remove(struct rj_roster *roster, struct rj_attendee *who)
{
    struct rj_attendee **link = link_of(roster, who->user, who->priority);
    assert(*link == who && !who->is_queued && !who->away.place);
    *link = merge(who->left, who->right);
    roster->n--;
    free(who);
}
