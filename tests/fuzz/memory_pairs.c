#include <stdlib.h>
#include <utlist.h>

#include "proto/base/mem.h"
#include "tests/fuzz/memory_disk.h"

static void free_pair(struct memory_pair **list, struct memory_pair *pair)
{
    DL_DELETE(*list, pair);
    rj_buf_free(&pair->key);
    rj_buf_free(&pair->value);
    free(pair);
}

static int compare(struct rj_span a, struct rj_span b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool has_prefix(struct rj_span key, struct rj_span prefix)
{
    return key.len >= prefix.len && rj_span_eq(rj_span_of(key.data, prefix.len), prefix);
}

/* The first pair whose key is not below `key`. */
static struct memory_pair *seek(struct memory_pair *list, struct rj_span key)
{
    while (list && compare(rj_buf_span(&list->key), key) < 0)
        list = list->next;
    return list;
}

static struct memory_pair *find(struct memory_pair *list, struct rj_span key)
{
    struct memory_pair *pair = seek(list, key);
    return pair && rj_span_eq(rj_buf_span(&pair->key), key) ? pair : NULL;
}

static struct memory_pair *insert(struct memory_pair **list, struct rj_span key)
{
    struct memory_pair *after = seek(*list, key), *pair = rj_calloc(1, sizeof *pair);
    pair->key = memory_copy(key);
    if (after)
        DL_PREPEND_ELEM(*list, after, pair);
    else
        DL_APPEND(*list, pair);
    return pair;
}

enum rj_status memory_pairs_put(struct memory_tables *tables, enum rj_store_table table, struct rj_span key,
                                struct rj_span value, uint64_t expect)
{
    struct memory_pair *pair = find(tables->list[table], key);
    bool matches =
        expect == RJ_ANY_VERSION || (expect == UINT64_MAX ? !pair : pair && pair->version == expect);
    if (!matches)
        return RJ_CONFLICT;
    if (!pair)
        pair = insert(&tables->list[table], key);
    rj_buf_free(&pair->value);
    pair->value = memory_copy(value);
    pair->version++;
    return RJ_OK;
}

void memory_pairs_delete(struct memory_tables *tables, enum rj_store_table table, struct rj_span key)
{
    struct memory_pair *pair = find(tables->list[table], key);
    if (pair)
        free_pair(&tables->list[table], pair);
}

void memory_pairs_delete_prefix(struct memory_tables *tables, enum rj_store_table table,
                                struct rj_span prefix)
{
    struct memory_pair *pair = seek(tables->list[table], prefix), *next;
    for (; pair && has_prefix(rj_buf_span(&pair->key), prefix); pair = next) {
        next = pair->next;
        free_pair(&tables->list[table], pair);
    }
}

void memory_pairs_copy(struct memory_tables *out, const struct memory_tables *tables)
{
    const struct memory_pair *pair;
    for (unsigned table = 0; table < RJ_TABLE_COUNT; table++)
        DL_FOREACH (tables->list[table], pair) {
            struct memory_pair *copy = rj_calloc(1, sizeof *copy);
            copy->key = memory_copy(rj_buf_span(&pair->key));
            copy->value = memory_copy(rj_buf_span(&pair->value));
            copy->version = pair->version;
            DL_APPEND(out->list[table], copy);
        }
}

void memory_pairs_free(struct memory_tables *tables)
{
    for (unsigned table = 0; table < RJ_TABLE_COUNT; table++)
        while (tables->list[table])
            free_pair(&tables->list[table], tables->list[table]);
}

/* ------------------------------------------------------------------------------------------------ store.h */

enum rj_status rj_store_get(struct rj_store *store, enum rj_store_table table, struct rj_span key,
                            struct rj_buf *value, uint64_t *version)
{
    const struct memory_pair *pair = find(store->tables.list[table], key);
    if (!pair)
        return RJ_NOT_FOUND;
    rj_buf_put_span(value, rj_buf_span(&pair->value));
    if (version)
        *version = pair->version;
    return RJ_OK;
}

enum rj_status rj_store_scan(struct rj_store *store, enum rj_store_table table, struct rj_span prefix,
                             struct rj_span after, size_t limit, rj_store_visit_pair *visit, void *ctx)
{
    if (prefix.len > RJ_STORE_KEY_MAX || after.len > RJ_STORE_KEY_MAX)
        return RJ_BAD_NAME;
    const struct memory_pair *pair =
        seek(store->tables.list[table], compare(after, prefix) >= 0 ? after : prefix);
    if (pair && after.len && rj_span_eq(rj_buf_span(&pair->key), after))
        pair = pair->next;
    for (; pair && limit && has_prefix(rj_buf_span(&pair->key), prefix); pair = pair->next, limit--)
        if (!visit(ctx, rj_buf_span(&pair->key), rj_buf_span(&pair->value)))
            break;
    return RJ_OK;
}
