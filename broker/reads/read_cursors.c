#include "broker/reads/read_cursors.h"

#include <stdlib.h>

#include "broker/base/hash.h"

enum {
    KEY_MARK = 0x01, /* what a key begins with: sorts before all pids */
    KEY_MAX = RJ_READ_PREFIX_MAX + 4,
    SEQ_BYTES = 8,
    COUNTS_MAX = 10000, /* users whose number of cursors is remembered */
};

/* A cursor with writes on their way. */
struct rj_read_cursor {
    uint64_t seq;     /* after all of them */
    uint64_t version; /* of the stored value after all of them; 0 = absent */
    uint32_t writes;
    UT_hash_handle hh;
    size_t key_len;
    uint8_t key[KEY_MAX];
};

/* How many cursors a user has, about: what is accepted counts. */
struct rj_read_count {
    uint64_t n;
    UT_hash_handle hh;
    uint8_t key[]; /* the prefix of the user's keys */
};

/* ------------------------------------------------------------------------------------------ keys */

static size_t put_text(uint8_t *out, const char *text)
{
    size_t len = strlen(text);
    out[0] = (uint8_t)len;
    memcpy(out + 1, text, len);
    return 1 + len;
}

struct rj_span rj_read_cursors_prefix(uint8_t out[static RJ_READ_PREFIX_MAX], struct rj_reader_name reader)
{
    size_t len = 1;
    out[0] = KEY_MARK;
    len += put_text(out + len, reader.nsp);
    len += put_text(out + len, reader.user);
    return rj_span_of(out, len);
}

static struct rj_span key_of(uint8_t out[static KEY_MAX], struct rj_reader_name reader, rj_room_id room)
{
    size_t len = rj_read_cursors_prefix(out, reader).len;
    for (int shift = 24; shift >= 0; shift -= 8)
        out[len++] = (uint8_t)(room >> shift);
    return rj_span_of(out, len);
}

static rj_room_id room_in(struct rj_span key)
{
    const uint8_t *at = key.data + key.len - 4;
    return (rj_room_id)at[0] << 24 | (rj_room_id)at[1] << 16 | (rj_room_id)at[2] << 8 | at[3];
}

static uint64_t seq_in(struct rj_span value)
{
    uint64_t seq = 0;
    for (int i = SEQ_BYTES - 1; i >= 0; i--)
        seq = seq << 8 | value.data[i];
    return seq;
}

/* ------------------------------------------------------------------------------------------ counting */

static bool count_one(void *ctx, struct rj_span key, struct rj_span value)
{
    (void)key;
    (void)value;
    ++*(uint64_t *)ctx;
    return true;
}

static void forget_count(struct rj_read_cursors *cursors, struct rj_read_count *count)
{
    HASH_DEL(cursors->counts, count);
    free(count);
}

static struct rj_read_count *find_count(const struct rj_read_cursors *cursors, struct rj_span prefix)
{
    struct rj_read_count *count;
    HASH_FIND(hh, cursors->counts, prefix.data, prefix.len, count);
    return count;
}

/* As the latest one; in the place of the oldest, when there are too many. */
static struct rj_read_count *add_count(struct rj_read_cursors *cursors, struct rj_span prefix, uint64_t n)
{
    if (HASH_CNT(hh, cursors->counts) >= COUNTS_MAX)
        forget_count(cursors, cursors->counts);
    struct rj_read_count *count = rj_calloc(1, sizeof *count + prefix.len);
    memcpy(count->key, prefix.data, prefix.len);
    count->n = n;
    HASH_ADD_KEYPTR(hh, cursors->counts, count->key, prefix.len, count);
    return count;
}

static struct rj_read_count *count_of(struct rj_read_cursors *cursors, struct rj_store *store,
                                      struct rj_reader_name reader, uint64_t most)
{
    uint8_t bytes[RJ_READ_PREFIX_MAX];
    struct rj_span prefix = rj_read_cursors_prefix(bytes, reader);
    struct rj_read_count *count = find_count(cursors, prefix);
    uint64_t n = 0;
    if (!count) {
        rj_store_scan(store, RJ_TABLE_CURSOR, prefix, (struct rj_span){0}, most, count_one, &n);
        return add_count(cursors, prefix, n);
    }
    HASH_DEL(cursors->counts, count); /* comes back as the latest */
    HASH_ADD_KEYPTR(hh, cursors->counts, count->key, prefix.len, count);
    return count;
}

bool rj_read_cursors_are_known(const struct rj_read_cursors *cursors, struct rj_reader_name reader)
{
    uint8_t bytes[RJ_READ_PREFIX_MAX];
    return find_count(cursors, rj_read_cursors_prefix(bytes, reader)) != NULL;
}

/* What is counted already knows better what is on its way. */
void rj_read_cursors_note(struct rj_read_cursors *cursors, struct rj_reader_name reader, uint64_t n)
{
    uint8_t bytes[RJ_READ_PREFIX_MAX];
    struct rj_span prefix = rj_read_cursors_prefix(bytes, reader);
    if (!find_count(cursors, prefix))
        add_count(cursors, prefix, n);
}

/* ------------------------------------------------------------------------------------------ one cursor */

static struct rj_read_cursor *find_moving(const struct rj_read_cursors *cursors, struct rj_span key)
{
    struct rj_read_cursor *cursor;
    HASH_FIND(hh, cursors->moving, key.data, key.len, cursor);
    return cursor;
}

/* What is stored; absent is no error. */
static enum rj_status load(struct rj_store *store, struct rj_span key, uint64_t *seq, uint64_t *version)
{
    struct rj_buf value = {0};
    *seq = *version = 0;
    enum rj_status status = rj_store_get(store, RJ_TABLE_CURSOR, key, &value, version);
    if (status == RJ_OK && value.len < SEQ_BYTES)
        status = RJ_CORRUPT;
    if (status == RJ_OK)
        *seq = seq_in(rj_buf_span(&value));
    rj_buf_free(&value);
    return status == RJ_NOT_FOUND ? RJ_OK : status;
}

enum rj_status rj_read_cursor_get(const struct rj_read_cursors *cursors, struct rj_store *store,
                                  struct rj_reader_name reader, rj_room_id room, uint64_t *seq)
{
    uint8_t bytes[KEY_MAX];
    uint64_t version;
    struct rj_span key = key_of(bytes, reader, room);
    const struct rj_read_cursor *moving = find_moving(cursors, key);
    if (!moving)
        return load(store, key, seq, &version);
    *seq = moving->seq;
    return RJ_OK;
}

/* The cursor in RAM, read from the store when it is not there yet. Whoever asks queues a write. */
static enum rj_status begin_move(struct rj_read_cursors *cursors, struct rj_store *store, struct rj_span key,
                                 struct rj_read_cursor **out)
{
    uint64_t seq, version;
    *out = find_moving(cursors, key);
    if (*out)
        return RJ_OK;
    enum rj_status status = load(store, key, &seq, &version);
    if (status != RJ_OK)
        return status;
    struct rj_read_cursor *cursor = rj_calloc(1, sizeof *cursor);
    cursor->seq = seq;
    cursor->version = version;
    cursor->key_len = key.len;
    memcpy(cursor->key, key.data, key.len);
    HASH_ADD_KEYPTR(hh, cursors->moving, cursor->key, cursor->key_len, cursor);
    *out = cursor;
    return RJ_OK;
}

static void drop_if_still(struct rj_read_cursors *cursors, struct rj_read_cursor *cursor)
{
    if (cursor->writes)
        return;
    HASH_DEL(cursors->moving, cursor);
    free(cursor);
}

/* A write on its way. */
struct move {
    struct rj_read_cursors *cursors;
    struct rj_read_cursor *cursor;
    rj_store_written *done;
    void *ctx;
};

static void on_written(void *ctx, enum rj_status status)
{
    struct move *move = ctx;
    move->cursor->writes--;
    drop_if_still(move->cursors, move->cursor);
    move->done(move->ctx, status);
    free(move);
}

static struct move *move_new(struct rj_read_cursors *cursors, struct rj_read_cursor *cursor,
                             rj_store_written *done, void *ctx)
{
    struct move *move = rj_alloc(sizeof *move);
    *move = (struct move){cursors, cursor, done, ctx};
    cursor->writes++;
    return move;
}

static void put(struct rj_store *store, const struct rj_read_cursor *cursor, struct rj_span name,
                struct move *move)
{
    struct rj_buf value = {0};
    for (int i = 0; i < SEQ_BYTES; i++)
        rj_buf_put_u8(&value, (uint8_t)(cursor->seq >> 8 * i));
    rj_buf_put_span(&value, name);
    rj_store_put(store, RJ_TABLE_CURSOR, rj_span_of(cursor->key, cursor->key_len), rj_buf_span(&value),
                 cursor->version ? cursor->version : UINT64_MAX, on_written, move);
    rj_buf_free(&value);
}

enum rj_status rj_read_cursor_move(struct rj_read_cursors *cursors, struct rj_store *store,
                                   struct rj_reader_name reader, struct rj_read_room room, uint64_t seq,
                                   uint64_t most, rj_store_written *done, void *ctx)
{
    uint8_t bytes[KEY_MAX];
    struct rj_read_cursor *cursor;
    enum rj_status status = begin_move(cursors, store, key_of(bytes, reader, room.id), &cursor);
    if (status != RJ_OK)
        return status;
    if (cursor->version == 0) {
        struct rj_read_count *count = count_of(cursors, store, reader, most);
        if (count->n >= most) {
            drop_if_still(cursors, cursor);
            return RJ_TOO_MANY;
        }
        count->n++;
    }
    cursor->seq = seq;
    put(store, cursor, room.name, move_new(cursors, cursor, done, ctx));
    cursor->version++;
    return RJ_OK;
}

enum rj_status rj_read_cursor_forget(struct rj_read_cursors *cursors, struct rj_store *store,
                                     struct rj_reader_name reader, rj_room_id room, rj_store_written *done,
                                     void *ctx)
{
    uint8_t bytes[KEY_MAX];
    struct rj_span key = key_of(bytes, reader, room);
    struct rj_read_cursor *cursor;
    enum rj_status status = begin_move(cursors, store, key, &cursor);
    if (status != RJ_OK)
        return status;
    if (cursor->version) {
        struct rj_read_count *count = count_of(cursors, store, reader, UINT64_MAX);
        count->n -= count->n > 0;
    }
    cursor->seq = cursor->version = 0;
    rj_store_delete(store, RJ_TABLE_CURSOR, key, on_written, move_new(cursors, cursor, done, ctx));
    return RJ_OK;
}

/* ------------------------------------------------------------------------------------------ all of a user */

struct visit {
    size_t prefix_len;
    rj_read_visit *visit;
    void *ctx;
};

static bool on_pair(void *ctx, struct rj_span key, struct rj_span value)
{
    const struct visit *visit = ctx;
    if (key.len != visit->prefix_len + 4 || value.len < SEQ_BYTES)
        return true; /* nothing that we write */
    struct rj_read_room room = {room_in(key), rj_span_from(value, SEQ_BYTES)};
    return visit->visit(visit->ctx, room, seq_in(value));
}

enum rj_status rj_read_cursors_each(struct rj_store *store, struct rj_reader_name reader, size_t limit,
                                    rj_read_visit *visit, void *ctx)
{
    uint8_t bytes[RJ_READ_PREFIX_MAX];
    struct rj_span prefix = rj_read_cursors_prefix(bytes, reader);
    struct visit each = {prefix.len, visit, ctx};
    return rj_store_scan(store, RJ_TABLE_CURSOR, prefix, (struct rj_span){0}, limit, on_pair, &each);
}

void rj_read_cursors_fini(struct rj_read_cursors *cursors)
{
    struct rj_read_count *count, *next_count;
    struct rj_read_cursor *cursor, *next;
    HASH_ITER (hh, cursors->counts, count, next_count)
        forget_count(cursors, count);
    HASH_ITER (hh, cursors->moving, cursor, next) {
        HASH_DEL(cursors->moving, cursor);
        free(cursor);
    }
}
