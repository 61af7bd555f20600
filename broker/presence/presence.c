#include "broker/presence/presence.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <utlist.h>

#include "proto/base/mem.h"

enum { RECALLED_AGAIN_MS = 250 /* when those that are held are looked at again */ };

/* xorshift64*: only the shape of trees depends on it, and nobody outside sees it. */
static uint32_t random_of(struct rj_presence *presence)
{
    uint64_t x = presence->random ? presence->random : 1;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    presence->random = x;
    return (uint32_t)((x * 0x2545f4914f6cdd1dULL) >> 32);
}

/* ------------------------------------------------------------------------------------------ rosters */

struct rj_roster *rj_presence_find(const struct rj_presence *presence, struct rj_span key)
{
    struct rj_roster *roster;
    HASH_FIND(hh, presence->rosters, key.data, key.len, roster);
    return roster;
}

static void on_window(void *ctx, struct rj_deadline *deadline);

struct rj_roster *rj_presence_open(struct rj_presence *presence, struct rj_span key,
                                   const struct rj_presence_rule *rule)
{
    struct rj_roster *roster = rj_calloc(1, sizeof *roster + key.len);
    roster->rule = rule;
    roster->window.on_due = on_window;
    roster->key_len = key.len;
    memcpy(roster->key, key.data, key.len);
    HASH_ADD_KEYPTR(hh, presence->rosters, roster->key, roster->key_len, roster);
    return roster;
}

static void unqueue(struct rj_attendee *who)
{
    if (!who->is_queued)
        return;
    DL_DELETE(who->roster->changes, who);
    who->roster->n_changes--;
    who->is_queued = false;
}

static void come_back(struct rj_presence *presence, struct rj_attendee *who)
{
    rj_deadline_clear(&presence->deadlines, &who->away);
    who->is_recalled = false;
    who->roster->n_away--;
    presence->n_away--;
}

/* Without a word. */
static void forget(struct rj_presence *presence, struct rj_attendee *who)
{
    if (who->sockets == 0 && who->is_told)
        come_back(presence, who);
    who->roster->n_sockets -= who->sockets;
    unqueue(who);
    presence->n_users--;
    rj_roster_remove(who->roster, who);
}

void rj_presence_close(struct rj_presence *presence, struct rj_roster **roster_)
{
    struct rj_roster *roster = *roster_;
    *roster_ = NULL;
    while (roster->root)
        forget(presence, roster->root);
    if (roster->is_ready)
        DL_DELETE(presence->ready, roster);
    rj_deadline_clear(&presence->deadlines, &roster->window);
    HASH_DELETE(hh, presence->rosters, roster);
    free(roster);
}

void rj_presence_fini(struct rj_presence *presence)
{
    while (presence->rosters) {
        struct rj_roster *roster = presence->rosters;
        rj_presence_close(presence, &roster);
    }
    assert(presence->n_users == 0 && presence->n_away == 0);
    rj_deadlines_free(&presence->deadlines);
}

/* ------------------------------------------------------------------------------------------ changes */

static void settle(struct rj_presence *presence, struct rj_roster *roster)
{
    if (roster->n == 0)
        presence->ops.emptied(presence->ctx, roster);
}

static void make_ready(struct rj_presence *presence, struct rj_roster *roster)
{
    if (roster->is_ready || roster->window.place || !roster->changes)
        return;
    DL_APPEND(presence->ready, roster);
    roster->is_ready = true;
}

static void on_window(void *ctx, struct rj_deadline *deadline)
{
    make_ready(ctx, (struct rj_roster *)(void *)((char *)deadline - offsetof(struct rj_roster, window)));
}

static void queue(struct rj_presence *presence, struct rj_attendee *who)
{
    struct rj_roster *roster = who->roster;
    if (!who->is_queued) {
        DL_APPEND(roster->changes, who);
        roster->n_changes++;
        who->is_queued = true;
    }
    make_ready(presence, roster);
}

static void on_away(void *ctx, struct rj_deadline *deadline)
{
    struct rj_presence *presence = ctx;
    struct rj_attendee *who =
        (struct rj_attendee *)(void *)((char *)deadline - offsetof(struct rj_attendee, away));
    if (who->is_recalled && presence->holds_recalled)
        rj_deadline_set(&presence->deadlines, deadline, presence->now_ms + RECALLED_AGAIN_MS);
    else
        queue(presence, who);
}

static struct rj_attendee *add(struct rj_presence *presence, struct rj_roster *roster, const char *user,
                               uint64_t since_ms)
{
    struct rj_attendee *who = rj_roster_add(roster, user, random_of(presence));
    who->since_ms = since_ms;
    who->away.on_due = on_away;
    presence->n_users++;
    return who;
}

static void go_away(struct rj_presence *presence, struct rj_attendee *who, uint64_t until_ms)
{
    who->roster->n_away++;
    presence->n_away++;
    rj_deadline_set(&presence->deadlines, &who->away, until_ms);
}

void rj_presence_enter(struct rj_presence *presence, struct rj_roster *roster, const char *user,
                       uint64_t since_ms)
{
    struct rj_attendee *who = rj_roster_find(roster, user);
    if (!who)
        who = add(presence, roster, user, since_ms);
    else if (who->sockets == 0) {
        come_back(presence, who);
        unqueue(who);
    }
    who->sockets++;
    roster->n_sockets++;
    if (since_ms < who->since_ms)
        who->since_ms = since_ms;
    if (roster->rule && !who->is_told)
        queue(presence, who);
}

void rj_presence_exit(struct rj_presence *presence, struct rj_roster *roster, const char *user,
                      uint64_t until_ms)
{
    struct rj_attendee *who = rj_roster_find(roster, user);
    assert(who && who->sockets > 0);
    who->sockets--;
    roster->n_sockets--;
    if (who->sockets > 0)
        return;
    if (!who->is_told) { /* nobody has heard of it */
        forget(presence, who);
        settle(presence, roster);
        return;
    }
    go_away(presence, who, until_ms);
    if (until_ms <= presence->now_ms) {
        rj_deadline_clear(&presence->deadlines, &who->away);
        queue(presence, who);
    }
}

void rj_presence_recall(struct rj_presence *presence, struct rj_roster *roster, const char *user,
                        uint64_t since_ms, uint64_t until_ms)
{
    if (rj_roster_find(roster, user))
        return;
    struct rj_attendee *who = add(presence, roster, user, since_ms);
    who->is_told = who->is_recalled = true;
    go_away(presence, who, until_ms);
}

/* ------------------------------------------------------------------------------------------ telling */

/* The first change; true: the user has come. */
static bool tell_first(struct rj_presence *presence, struct rj_roster *roster, bool is_single)
{
    struct rj_attendee *who = roster->changes;
    bool is_here = who->sockets > 0;
    assert(is_here != who->is_told); /* what has changed back is not in the queue */
    unqueue(who);
    presence->ops.told(presence->ctx, roster, who, is_here, is_single);
    if (is_here)
        who->is_told = true;
    else
        forget(presence, who);
    return is_here;
}

static void sum_up(struct rj_presence *presence, struct rj_roster *roster)
{
    uint64_t joined = 0, left = 0;
    while (roster->changes) {
        if (tell_first(presence, roster, false))
            joined++;
        else
            left++;
    }
    presence->ops.summed(presence->ctx, roster, joined, left);
    roster->told_in_window = roster->rule->burst + 1;
}

/* What the roster may tell in its present second, at most `limit` events; returns how many it told. */
static size_t tell(struct rj_presence *presence, struct rj_roster *roster, size_t limit)
{
    size_t n = 0;
    if (presence->now_ms >= roster->window_ms + RJ_PRESENCE_WINDOW_MS || roster->window_ms == 0) {
        roster->window_ms = presence->now_ms;
        roster->told_in_window = 0;
    }
    if (roster->told_in_window == 0 && roster->n_changes > roster->rule->burst) {
        sum_up(presence, roster);
        return 1;
    }
    for (; n < limit && roster->changes && roster->told_in_window < roster->rule->burst; n++) {
        tell_first(presence, roster, true);
        roster->told_in_window++;
    }
    return n;
}

/* The next roster's turn; returns how many events it told. */
static size_t serve(struct rj_presence *presence, size_t limit)
{
    struct rj_roster *roster = presence->ready;
    DL_DELETE(presence->ready, roster);
    roster->is_ready = false;
    size_t told = roster->changes ? tell(presence, roster, limit) : 0;
    if (roster->changes && roster->told_in_window >= roster->rule->burst)
        rj_deadline_set(&presence->deadlines, &roster->window, roster->window_ms + RJ_PRESENCE_WINDOW_MS);
    make_ready(presence, roster);
    settle(presence, roster);
    return told;
}

bool rj_presence_step(struct rj_presence *presence, uint64_t now_ms, size_t limit)
{
    presence->now_ms = now_ms;
    rj_deadlines_run(&presence->deadlines, now_ms, presence);
    for (size_t told = 0; presence->ready && told < limit;)
        told += serve(presence, limit - told);
    return presence->ready != NULL;
}
