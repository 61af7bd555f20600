#include "broker/presence/last_seen.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#include "broker/presence/presence_store.h"
#include "broker/sessions/session.h"

enum {
    FORMAT = 1,
    VALUE = 1 + 1 + 8 + 8,
    KEY_MAX = 2 + RJ_NAMESPACE_MAX + RJ_USER_MAX,
    SWEPT_PER_TICK = 20, /* pairs that are looked at for their age */
};

/* What is to be written of one user. */
struct rj_seen_change {
    struct rj_last_seen *seen;
    bool is_online;
    bool is_dirty;      /* among seen->dirty; else its write is under way */
    unsigned in_flight; /* writes of it */
    uint64_t at_ms;
    struct rj_seen_change *prev, *next;
    UT_hash_handle hh;
    size_t len;
    uint8_t key[];
};

static void put_u64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get_u64(const uint8_t *at)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value |= (uint64_t)at[i] << 8 * i;
    return value;
}

/* ------------------------------------------------------------------------------------------ keys */

static struct rj_span user_key(uint8_t out[static KEY_MAX], const char *nsp, const char *user)
{
    size_t nsp_len = strlen(nsp), user_len = strlen(user);
    assert(nsp_len <= RJ_NAMESPACE_MAX && user_len <= RJ_USER_MAX);
    out[0] = RJ_PRESENCE_SEEN;
    out[1] = (uint8_t)nsp_len;
    memcpy(out + 2, nsp, nsp_len);
    memcpy(out + 2 + nsp_len, user, user_len);
    return rj_span_of(out, 2 + nsp_len + user_len);
}

/* Epochs in their order. */
static struct rj_span alive_key(uint8_t out[static 9], uint64_t epoch)
{
    out[0] = RJ_PRESENCE_ALIVE;
    for (int i = 0; i < 8; i++)
        out[1 + i] = (uint8_t)(epoch >> (56 - 8 * i));
    return rj_span_of(out, 9);
}

/* ------------------------------------------------------------------------------------------ changes */

void rj_last_seen_init(struct rj_last_seen *seen, struct rj_store *store, uint64_t epoch,
                       uint64_t lifetime_ms)
{
    *seen = (struct rj_last_seen){.store = store, .epoch = epoch, .lifetime_ms = lifetime_ms};
}

static struct rj_seen_change *find(const struct rj_last_seen *seen, struct rj_span key)
{
    struct rj_seen_change *change;
    HASH_FIND(hh, seen->changes, key.data, key.len, change);
    return change;
}

static void note(struct rj_last_seen *seen, const char *nsp, const char *user, bool is_online, uint64_t at_ms)
{
    uint8_t bytes[KEY_MAX];
    struct rj_span key = user_key(bytes, nsp, user);
    struct rj_seen_change *change = find(seen, key);
    if (!seen->lifetime_ms)
        return;
    if (!change) {
        change = rj_calloc(1, sizeof *change + key.len);
        change->seen = seen;
        change->len = key.len;
        memcpy(change->key, key.data, key.len);
        HASH_ADD_KEYPTR(hh, seen->changes, change->key, change->len, change);
    }
    if (!change->is_dirty)
        DL_APPEND(seen->dirty, change);
    change->is_dirty = true;
    change->is_online = is_online;
    change->at_ms = at_ms;
}

void rj_last_seen_come(struct rj_last_seen *seen, const char *nsp, const char *user, uint64_t now_ms)
{
    seen->online++;
    note(seen, nsp, user, true, now_ms);
}

void rj_last_seen_go(struct rj_last_seen *seen, const char *nsp, const char *user, uint64_t at_ms)
{
    assert(seen->online > 0);
    seen->online--;
    note(seen, nsp, user, false, at_ms);
}

/* ------------------------------------------------------------------------------------------ writing */

static void on_written(void *ctx, enum rj_status status)
{
    struct rj_seen_change *change = ctx;
    (void)status; /* any version is expected: it cannot conflict */
    if (--change->in_flight || change->is_dirty)
        return;
    HASH_DELETE(hh, change->seen->changes, change);
    free(change);
}

static void write_first(struct rj_last_seen *seen)
{
    struct rj_seen_change *change = seen->dirty;
    uint8_t value[VALUE] = {FORMAT, change->is_online};
    put_u64(value + 2, change->at_ms);
    put_u64(value + 10, seen->epoch);
    DL_DELETE(seen->dirty, change);
    change->is_dirty = false;
    change->in_flight++;
    seen->writes++;
    rj_store_put(seen->store, RJ_TABLE_PRESENCE, rj_span_of(change->key, change->len),
                 rj_span_of(value, sizeof value), RJ_ANY_VERSION, on_written, change);
}

static void say_alive(struct rj_last_seen *seen, uint64_t wall_ms)
{
    uint8_t key[9], value[8];
    if (!seen->lifetime_ms)
        return;
    put_u64(value, wall_ms);
    seen->writes++;
    rj_store_put(seen->store, RJ_TABLE_PRESENCE, alive_key(key, seen->epoch), rj_span_of(value, sizeof value),
                 RJ_ANY_VERSION, NULL, NULL);
}

/* ------------------------------------------------------------------------------------------ forgetting */

struct sweeping {
    struct rj_last_seen *seen;
    uint64_t wall_ms;
    size_t n;
};

static bool is_too_old(const struct sweeping *sweeping, uint64_t at_ms)
{
    return at_ms + sweeping->seen->lifetime_ms < sweeping->wall_ms;
}

/* A user who is online counts by when it came: one that has been there for so long is written anew when it
 * goes, and what its pair said before is not missed. */
static bool on_swept(void *ctx, struct rj_span key, struct rj_span value)
{
    struct sweeping *sweeping = ctx;
    struct rj_last_seen *seen = sweeping->seen;
    bool is_old = false;
    sweeping->n++;
    rj_buf_clear(&seen->swept);
    rj_buf_put_span(&seen->swept, key);
    if (key.data[0] == RJ_PRESENCE_SEEN && value.len == VALUE)
        is_old = is_too_old(sweeping, get_u64(value.data + 2));
    else if (key.data[0] == RJ_PRESENCE_ALIVE && value.len == 8)
        is_old = is_too_old(sweeping, get_u64(value.data));
    if (is_old && !find(seen, key))
        rj_store_delete(seen->store, RJ_TABLE_PRESENCE, key, NULL, NULL);
    return true;
}

static void sweep(struct rj_last_seen *seen, uint64_t wall_ms)
{
    static const uint8_t first = RJ_PRESENCE_SEEN;
    struct sweeping sweeping = {seen, wall_ms, 0};
    if (!seen->swept.len)
        rj_buf_put_u8(&seen->swept, first);
    uint8_t bytes[RJ_STORE_KEY_MAX];
    struct rj_span after = rj_span_of(bytes, seen->swept.len);
    memcpy(bytes, seen->swept.data, seen->swept.len);
    rj_store_scan(seen->store, RJ_TABLE_PRESENCE, rj_span_of(bytes, 0), after, SWEPT_PER_TICK, on_swept,
                  &sweeping);
    if (sweeping.n < SWEPT_PER_TICK)
        rj_buf_clear(&seen->swept);
}

void rj_last_seen_tick(struct rj_last_seen *seen, uint64_t mono_ms, uint64_t wall_ms, size_t limit)
{
    for (; limit && seen->dirty; limit--)
        write_first(seen);
    if (seen->online && (seen->alive_ms == 0 || mono_ms - seen->alive_ms >= RJ_ALIVE_MS)) {
        seen->alive_ms = mono_ms;
        say_alive(seen, wall_ms);
    }
    sweep(seen, wall_ms);
}

void rj_last_seen_flush(struct rj_last_seen *seen, uint64_t wall_ms)
{
    while (seen->dirty)
        write_first(seen);
    if (seen->online)
        say_alive(seen, wall_ms);
}

/* ------------------------------------------------------------------------------------------ asking */

/* Until when the broker of that epoch was alive; else what we know better. */
static uint64_t end_of_epoch(const struct rj_last_seen *seen, uint64_t epoch, uint64_t came_ms)
{
    uint8_t key[9];
    struct rj_buf value = {0};
    uint64_t at_ms = came_ms;
    if (rj_store_get(seen->store, RJ_TABLE_PRESENCE, alive_key(key, epoch), &value, NULL) == RJ_OK &&
        value.len == 8 && get_u64(value.data) > came_ms)
        at_ms = get_u64(value.data);
    rj_buf_free(&value);
    return at_ms;
}

enum rj_status rj_last_seen_get(const struct rj_last_seen *seen, const char *nsp, const char *user,
                                uint64_t *at_ms)
{
    uint8_t bytes[KEY_MAX];
    struct rj_span key = user_key(bytes, nsp, user);
    const struct rj_seen_change *change = find(seen, key);
    struct rj_buf value = {0};
    if (change) {
        *at_ms = change->at_ms;
        return RJ_OK;
    }
    enum rj_status status = rj_store_get(seen->store, RJ_TABLE_PRESENCE, key, &value, NULL);
    if (status == RJ_OK && (value.len != VALUE || value.data[0] != FORMAT))
        status = RJ_NOT_FOUND;
    if (status == RJ_OK) {
        bool was_online = value.data[1];
        uint64_t written_ms = get_u64(value.data + 2);
        *at_ms = was_online ? end_of_epoch(seen, get_u64(value.data + 10), written_ms) : written_ms;
    }
    rj_buf_free(&value);
    return status;
}

void rj_last_seen_free(struct rj_last_seen *seen)
{
    struct rj_seen_change *change, *next;
    HASH_ITER (hh, seen->changes, change, next) {
        HASH_DELETE(hh, seen->changes, change);
        free(change);
    }
    seen->dirty = NULL;
    rj_buf_free(&seen->swept);
}
