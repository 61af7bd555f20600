#include "gateway/optimistic.h"

#include <stdlib.h>

#include "proto/base/mem.h"

void rj_optimistic_begin(struct rj_optimistic *table, uint64_t epoch, uint64_t head, uint64_t settle_ms)
{
    if (epoch == table->epoch)
        return;
    table->epoch = epoch;
    table->head = head;
    table->settle_ms = settle_ms;
}

/* ------------------------------------------------------------------------------------------ keys */

static void put(struct rj_buf *out, const char *text)
{
    rj_buf_put(out, text, strlen(text) + 1);
}

static void put_key(const Rejoin__Message *message, struct rj_buf *out)
{
    put(out, message->namespace_);
    put(out, message->n_targets ? message->targets[0]->name : "");
    put(out, message->from_sid);
    put(out, message->source);
    put(out, message->id);
}

static struct rj_shown *find(const struct rj_optimistic *table, const Rejoin__Message *message)
{
    struct rj_buf key = {0};
    struct rj_shown *shown = NULL;
    if (!table->open || message->n_targets != 1 || !message->id[0])
        return NULL;
    put_key(message, &key);
    HASH_FIND(hh, table->open, key.data, key.len, shown);
    rj_buf_free(&key);
    return shown;
}

static const char *next_text(const char **at)
{
    const char *text = *at;
    *at += strlen(text) + 1;
    return text;
}

static struct rj_shown *shown_new(const Rejoin__Message *message, const uint64_t *clients, size_t n)
{
    struct rj_buf texts = {0};
    put_key(message, &texts);
    size_t key_len = texts.len;
    put(&texts, message->from_user);
    struct rj_shown *shown = rj_calloc(1, sizeof *shown + texts.len);
    memcpy(shown->texts, texts.data, texts.len);
    rj_buf_free(&texts);
    const char *at = shown->texts;
    shown->nsp = next_text(&at);
    shown->room = next_text(&at);
    shown->sid = next_text(&at);
    shown->source = next_text(&at);
    shown->id = next_text(&at);
    shown->user = next_text(&at);
    shown->key_len = key_len;
    shown->clients = rj_calloc(n, sizeof *clients);
    shown->n = n;
    memcpy(shown->clients, clients, n * sizeof *clients);
    return shown;
}

/* ------------------------------------------------------------------------------------------ the table */

bool rj_optimistic_accept(struct rj_optimistic *table, const Rejoin__Message *message, uint64_t pos,
                          size_t *most)
{
    struct rj_shown *shown = find(table, message);
    *most = RJ_SHOWN_MAX - table->n_shown;
    if (!shown)
        return true;
    shown->pos = pos;
    shown->epoch = table->epoch;
    return false;
}

void rj_optimistic_add(struct rj_optimistic *table, const Rejoin__Message *message, uint64_t pos,
                       const uint64_t *clients, size_t n)
{
    if (n == 0)
        return;
    struct rj_shown *shown = shown_new(message, clients, n);
    shown->pos = pos;
    shown->epoch = table->epoch;
    table->n_shown += n;
    HASH_ADD_KEYPTR(hh, table->open, shown->texts, shown->key_len, shown);
}

static struct rj_shown *take(struct rj_optimistic *table, struct rj_shown *shown)
{
    HASH_DEL(table->open, shown);
    table->n_shown -= shown->n;
    return shown;
}

struct rj_shown *rj_optimistic_logged(struct rj_optimistic *table, const Rejoin__Message *message)
{
    struct rj_shown *shown = find(table, message);
    return shown ? take(table, shown) : NULL;
}

struct rj_shown *rj_optimistic_failed(struct rj_optimistic *table, uint64_t stream_pos, uint64_t now_ms)
{
    struct rj_shown *shown, *next;
    if (now_ms < table->settle_ms || stream_pos < table->head)
        return NULL;
    HASH_ITER (hh, table->open, shown, next)
        if (shown->epoch != table->epoch)
            return take(table, shown);
    return NULL;
}

void rj_optimistic_sweep(struct rj_optimistic *table, uint64_t stream_pos)
{
    struct rj_shown *shown, *next;
    HASH_ITER (hh, table->open, shown, next)
        if (shown->epoch == table->epoch && shown->pos <= stream_pos)
            rj_shown_free(take(table, shown));
}

void rj_shown_free(struct rj_shown *shown)
{
    free(shown->clients);
    free(shown);
}

void rj_optimistic_clear(struct rj_optimistic *table)
{
    struct rj_shown *shown, *next;
    HASH_ITER (hh, table->open, shown, next)
        rj_shown_free(take(table, shown));
}
