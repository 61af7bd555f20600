#include "broker/presence/presence_store.h"

#include "broker/sessions/session.h"
#include "proto/base/utf8.h"
#include "proto/wire.h"

enum {
    HEAD = 1 + 4, /* kind and room */
    SINCE = 8,
    PAIRS_PER_READ = 5000, /* a few milliseconds */
};

struct pair {
    uint8_t key[HEAD + RJ_USER_MAX];
    size_t len;
};

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static struct rj_span key_of(struct pair *pair, rj_room_id room, const char *user)
{
    size_t len = strlen(user);
    pair->key[0] = RJ_PRESENCE_TOLD;
    put_u32(pair->key + 1, room);
    memcpy(pair->key + HEAD, user, len);
    pair->len = HEAD + len;
    return rj_span_of(pair->key, pair->len);
}

void rj_presence_store_put(struct rj_store *store, rj_room_id room, struct rj_span room_key, const char *user,
                           uint64_t since_ms, rj_store_written *done, void *ctx)
{
    struct pair pair;
    uint8_t value[SINCE + RJ_TARGET_KEY_MAX];
    for (int i = 0; i < SINCE; i++)
        value[i] = (uint8_t)(since_ms >> 8 * i);
    memcpy(value + SINCE, room_key.data, room_key.len);
    rj_store_put(store, RJ_TABLE_PRESENCE, key_of(&pair, room, user), rj_span_of(value, SINCE + room_key.len),
                 RJ_ANY_VERSION, done, ctx);
}

void rj_presence_store_delete(struct rj_store *store, rj_room_id room, const char *user,
                              rj_store_written *done, void *ctx)
{
    struct pair pair;
    rj_store_delete(store, RJ_TABLE_PRESENCE, key_of(&pair, room, user), done, ctx);
}

/* ------------------------------------------------------------------------------------------ loading */

struct loading {
    struct rj_buf last; /* key visited */
    size_t n;           /* in this read */
    rj_presence_store_visit *visit;
    void *ctx;
};

/* Pages of the store may be damaged without its knowing: nothing is believed that has not the right shape. */
static bool is_text(struct rj_span text, size_t most)
{
    return text.len >= 1 && text.len <= most && rj_utf8_is_valid(text) && !memchr(text.data, 0, text.len);
}

static bool is_room_key(struct rj_span key)
{
    if (key.len < 2 || key.data[0] != REJOIN__TARGET__KIND__ROOM || 2 + (size_t)key.data[1] > key.len)
        return false;
    return is_text(rj_span_of(key.data + 2, key.data[1]), RJ_NAMESPACE_MAX) &&
           is_text(rj_span_from(key, 2 + (size_t)key.data[1]), RJ_ROOM_NAME_MAX);
}

static bool on_pair(void *ctx, struct rj_span key, struct rj_span value)
{
    struct loading *loading = ctx;
    struct rj_span name = rj_span_from(key, HEAD), room_key = rj_span_from(value, SINCE);
    char user[RJ_USER_MAX + 1] = "";
    uint64_t since_ms = 0;
    loading->n++;
    rj_buf_clear(&loading->last);
    rj_buf_put_span(&loading->last, key);
    if (!is_text(name, RJ_USER_MAX) || !is_room_key(room_key))
        return true;
    memcpy(user, name.data, name.len);
    for (int i = 0; i < SINCE; i++)
        since_ms |= (uint64_t)value.data[i] << 8 * i;
    loading->visit(loading->ctx, get_u32(key.data + 1), room_key, user, since_ms);
    return true;
}

enum rj_status rj_presence_store_load(struct rj_store *store, rj_presence_store_visit *visit, void *ctx)
{
    static const uint8_t kind = RJ_PRESENCE_TOLD;
    struct loading loading = {.visit = visit, .ctx = ctx};
    struct rj_buf after = {0};
    enum rj_status status;
    do {
        rj_buf_clear(&after);
        rj_buf_put_span(&after, rj_buf_span(&loading.last));
        loading.n = 0;
        status = rj_store_scan(store, RJ_TABLE_PRESENCE, rj_span_of(&kind, 1), rj_buf_span(&after),
                               PAIRS_PER_READ, on_pair, &loading);
    } while (status == RJ_OK && loading.n == PAIRS_PER_READ);
    rj_buf_free(&after);
    rj_buf_free(&loading.last);
    return status;
}
