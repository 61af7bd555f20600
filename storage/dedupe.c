#include "storage/dedupe.h"

#include <stdlib.h>

#include "proto/base/mem.h"
#include "proto/base/random.h"

enum {
    CHUNK_ITEMS = 4096,
    FIRST_HEADS = 64,
    MARKS_A_WINDOW = 64,   /* of the shorter window … */
    MARKS_AT_MOST = 4096,  /* … but no more of the longer one */
    EXPIRE_SOURCES = 2,    /* that the hand passes with each id */
    EXPIRE_IDS = 8,        /* that go at one source then */
    SOURCES_COMPARED = 16, /* with too many in all: who has most of so many pays */
};

/* What is found by its hash begins so: see the pool and the heads. */
struct found {
    uint32_t next_alike;
    uint32_t hash; /* the low half of the key's */
};

/* 20 bytes, and 4 to 8 for its head. */
struct entry {
    struct found found;
    uint32_t pos_low, pos_high;
    uint32_t next_later;
};

struct source {
    struct found found;
    uint32_t hash_high;
    uint32_t oldest, youngest;
    uint32_t n; /* 0: it is free */
    uint32_t is_brief;
};

/* ------------------------------------------------------------------------------------------ pools */

static void *item(const struct rj_dedupe_pool *pool, uint32_t number)
{
    uint32_t at = number - 1;
    return pool->chunks[at / CHUNK_ITEMS] + at % CHUNK_ITEMS * pool->size;
}

static uint32_t take(struct rj_dedupe_pool *pool)
{
    uint32_t number = pool->free;
    if (number) {
        memcpy(&pool->free, item(pool, number), sizeof pool->free);
        return number;
    }
    if (pool->n_given % CHUNK_ITEMS == 0) {
        size_t n_chunks = pool->n_given / CHUNK_ITEMS;
        pool->chunks = rj_realloc(pool->chunks, n_chunks + 1, sizeof *pool->chunks);
        pool->chunks[n_chunks] = rj_calloc(CHUNK_ITEMS, pool->size);
    }
    return ++pool->n_given;
}

static void give(struct rj_dedupe_pool *pool, uint32_t number)
{
    uint8_t *freed = item(pool, number);
    memset(freed, 0, pool->size);
    memcpy(freed, &pool->free, sizeof pool->free);
    pool->free = number;
}

static void free_pool(struct rj_dedupe_pool *pool)
{
    for (size_t i = 0; i * CHUNK_ITEMS < pool->n_given; i++)
        free(pool->chunks[i]);
    free(pool->chunks);
}

static struct entry *entry_at(const struct rj_dedupe *dedupe, uint32_t number)
{
    return item(&dedupe->entries, number);
}

static struct source *source_at(const struct rj_dedupe *dedupe, uint32_t number)
{
    return item(&dedupe->sources, number);
}

static uint64_t pos_of(const struct entry *entry)
{
    return (uint64_t)entry->pos_high << 32 | entry->pos_low;
}

/* ------------------------------------------------------------------------------------------ life, keys */

void rj_dedupe_init(struct rj_dedupe *dedupe, const struct rj_dedupe_options *options)
{
    *dedupe = (struct rj_dedupe){
        .options = *options,
        .seed = rj_random_u64(),
        .entries.size = sizeof(struct entry),
        .sources.size = sizeof(struct source),
        .hand = 1,
    };
}

void rj_dedupe_free(struct rj_dedupe *dedupe)
{
    free_pool(&dedupe->entries);
    free_pool(&dedupe->sources);
    free(dedupe->entry_heads.of);
    free(dedupe->source_heads.of);
    free(dedupe->marks);
    *dedupe = (struct rj_dedupe){0};
}

struct rj_dedupe_key rj_dedupe_key(uint64_t seed, enum rj_dedupe_class class, struct rj_span source,
                                   struct rj_span id)
{
    uint64_t hash = rj_hash(seed + class, source);
    return (struct rj_dedupe_key){hash, rj_hash(hash, id)};
}

/* ------------------------------------------------------------------------------------------ heads
 *
 * Lists of the items of a pool whose hashes are alike in their lowest bits; about as many as there are items.
 */

static uint32_t *head_of(const struct rj_dedupe_heads *heads, uint32_t hash)
{
    return &heads->of[hash & heads->mask];
}

static void grow(struct rj_dedupe_heads *heads, const struct rj_dedupe_pool *pool)
{
    struct rj_dedupe_heads old = *heads;
    heads->mask = old.of ? old.mask * 2 + 1 : FIRST_HEADS - 1;
    heads->of = rj_calloc(heads->mask + 1, sizeof *heads->of);
    for (size_t i = 0; old.of && i <= old.mask; i++) {
        for (uint32_t at = old.of[i], next; at; at = next) {
            struct found *found = item(pool, at);
            uint32_t *head = head_of(heads, found->hash);
            next = found->next_alike;
            found->next_alike = *head;
            *head = at;
        }
    }
    free(old.of);
}

/* There is one more than `n`, or less, of them. */
static void list(struct rj_dedupe_heads *heads, const struct rj_dedupe_pool *pool, size_t n, uint32_t number)
{
    if (!heads->of || n > heads->mask)
        grow(heads, pool);
    struct found *found = item(pool, number);
    uint32_t *head = head_of(heads, found->hash);
    found->next_alike = *head;
    *head = number;
}

static void unlist(struct rj_dedupe_heads *heads, const struct rj_dedupe_pool *pool, uint32_t number)
{
    struct found *found = item(pool, number);
    uint32_t *link = head_of(heads, found->hash);
    while (*link != number)
        link = &((struct found *)item(pool, *link))->next_alike;
    *link = found->next_alike;
}

/* The first item with this hash from `at` on, or 0. */
static uint32_t find(const struct rj_dedupe_pool *pool, uint32_t at, uint32_t hash)
{
    while (at && ((const struct found *)item(pool, at))->hash != hash)
        at = ((const struct found *)item(pool, at))->next_alike;
    return at;
}

uint64_t rj_dedupe_next(const struct rj_dedupe *dedupe, struct rj_dedupe_key key, uint32_t *cursor)
{
    uint32_t hash = (uint32_t)key.id;
    if (!dedupe->entry_heads.of)
        return 0;
    uint32_t at =
        *cursor ? entry_at(dedupe, *cursor)->found.next_alike : *head_of(&dedupe->entry_heads, hash);
    *cursor = at = find(&dedupe->entries, at, hash);
    return at ? pos_of(entry_at(dedupe, at)) : 0;
}

/* ------------------------------------------------------------------------------------------ sources */

static uint32_t find_source(const struct rj_dedupe *dedupe, uint64_t hash)
{
    uint32_t low = (uint32_t)hash, at = dedupe->source_heads.of ? *head_of(&dedupe->source_heads, low) : 0;
    while ((at = find(&dedupe->sources, at, low)) && source_at(dedupe, at)->hash_high != hash >> 32)
        at = source_at(dedupe, at)->found.next_alike;
    return at;
}

static uint32_t add_source(struct rj_dedupe *dedupe, uint64_t hash, enum rj_dedupe_class class)
{
    uint32_t number = take(&dedupe->sources);
    *source_at(dedupe, number) = (struct source){
        .found.hash = (uint32_t)hash,
        .hash_high = (uint32_t)(hash >> 32),
        .is_brief = class == RJ_DEDUPE_BRIEF,
    };
    list(&dedupe->source_heads, &dedupe->sources, dedupe->n_sources++, number);
    return number;
}

static void remove_source(struct rj_dedupe *dedupe, uint32_t number)
{
    unlist(&dedupe->source_heads, &dedupe->sources, number);
    give(&dedupe->sources, number);
    dedupe->n_sources--;
}

/* The oldest id of the source goes; with the last one, the source. */
static void forget_oldest(struct rj_dedupe *dedupe, uint32_t number)
{
    struct source *source = source_at(dedupe, number);
    uint32_t oldest = source->oldest;
    const struct entry *entry = entry_at(dedupe, oldest);
    uint64_t pos = pos_of(entry);
    unlist(&dedupe->entry_heads, &dedupe->entries, oldest);
    source->oldest = entry->next_later;
    source->n--;
    give(&dedupe->entries, oldest);
    dedupe->n--;
    if (source->n == 0)
        remove_source(dedupe, number);
    if (dedupe->options.forgot)
        dedupe->options.forgot(dedupe->options.ctx, pos);
}

/* ------------------------------------------------------------------------------------------ time */

static const struct rj_dedupe_mark *mark_at(const struct rj_dedupe *dedupe, size_t i)
{
    return &dedupe->marks[(dedupe->first_mark + i) & (dedupe->cap_marks - 1)];
}

static void grow_marks(struct rj_dedupe *dedupe)
{
    size_t cap = dedupe->cap_marks ? dedupe->cap_marks * 2 : FIRST_HEADS;
    struct rj_dedupe_mark *marks = rj_alloc(cap * sizeof *marks);
    for (size_t i = 0; i < dedupe->n_marks; i++)
        marks[i] = *mark_at(dedupe, i);
    free(dedupe->marks);
    dedupe->marks = marks;
    dedupe->cap_marks = cap;
    dedupe->first_mark = 0;
}

static uint64_t mark_every_ms(const struct rj_dedupe *dedupe)
{
    uint64_t lasting = dedupe->options.window_ms[RJ_DEDUPE_LASTING];
    uint64_t brief = dedupe->options.window_ms[RJ_DEDUPE_BRIEF];
    uint64_t least = brief < lasting ? brief : lasting, most = brief < lasting ? lasting : brief;
    uint64_t every =
        least / MARKS_A_WINDOW > most / MARKS_AT_MOST ? least / MARKS_A_WINDOW : most / MARKS_AT_MOST;
    return every ? every : 1;
}

/* A clock that goes back makes no marks: what was published then is known for longer. */
static void mark(struct rj_dedupe *dedupe, uint64_t pos, uint64_t ts_ms)
{
    if (dedupe->n_marks && ts_ms < mark_at(dedupe, dedupe->n_marks - 1)->ts_ms + mark_every_ms(dedupe))
        return;
    if (dedupe->n_marks == dedupe->cap_marks)
        grow_marks(dedupe);
    dedupe->n_marks++;
    dedupe->marks[(dedupe->first_mark + dedupe->n_marks - 1) & (dedupe->cap_marks - 1)] =
        (struct rj_dedupe_mark){pos, ts_ms};
}

static void mark_older(struct rj_dedupe *dedupe, uint64_t pos, uint64_t ts_ms)
{
    if (dedupe->n_marks && ts_ms + mark_every_ms(dedupe) > mark_at(dedupe, 0)->ts_ms)
        return;
    if (dedupe->n_marks == dedupe->cap_marks)
        grow_marks(dedupe);
    dedupe->first_mark = (dedupe->first_mark - 1) & (dedupe->cap_marks - 1);
    dedupe->n_marks++;
    dedupe->marks[dedupe->first_mark] = (struct rj_dedupe_mark){pos, ts_ms};
}

uint64_t rj_dedupe_known_from(const struct rj_dedupe *dedupe, enum rj_dedupe_class class, uint64_t now_ms)
{
    uint64_t window_ms = dedupe->options.window_ms[class];
    size_t low = 0, high = dedupe->n_marks;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (mark_at(dedupe, mid)->ts_ms + window_ms < now_ms)
            low = mid + 1;
        else
            high = mid;
    }
    return low ? mark_at(dedupe, low - 1)->pos : 0;
}

static void expire_source(struct rj_dedupe *dedupe, uint32_t number, uint64_t now_ms)
{
    enum rj_dedupe_class class = source_at(dedupe, number)->is_brief ? RJ_DEDUPE_BRIEF : RJ_DEDUPE_LASTING;
    uint64_t below = rj_dedupe_known_from(dedupe, class, now_ms);
    for (int i = 0; i < EXPIRE_IDS; i++) {
        const struct source *source = source_at(dedupe, number);
        if (source->n == 0 || pos_of(entry_at(dedupe, source->oldest)) >= below)
            return;
        forget_oldest(dedupe, number);
    }
}

/* The next number that the hand comes to, of a source or free. */
static uint32_t move_hand(struct rj_dedupe *dedupe)
{
    uint32_t number = dedupe->hand;
    dedupe->hand = number >= dedupe->sources.n_given ? 1 : number + 1;
    return number;
}

void rj_dedupe_expire(struct rj_dedupe *dedupe, uint64_t now_ms)
{
    uint64_t longest = 0;
    for (int class = 0; class < RJ_DEDUPE_CLASSES; class ++)
        if (dedupe->options.window_ms[class] > longest)
            longest = dedupe->options.window_ms[class];
    for (int i = 0; i < EXPIRE_SOURCES && dedupe->n_sources; i++)
        expire_source(dedupe, move_hand(dedupe), now_ms);
    /* The last mark behind the windows says all that those before it say. */
    while (dedupe->n_marks > 1 && mark_at(dedupe, 1)->ts_ms + longest < now_ms) {
        dedupe->first_mark = (dedupe->first_mark + 1) & (dedupe->cap_marks - 1);
        dedupe->n_marks--;
    }
}

/* ------------------------------------------------------------------------------------------ adding */

/* Makes a place at the cost of who has most ids, as far as a short look around tells: a source that floods
 * looks at itself first. */
static void make_place(struct rj_dedupe *dedupe, uint32_t adding)
{
    uint32_t most = adding;
    for (int i = 0; i < SOURCES_COMPARED || !most; i++) {
        uint32_t number = move_hand(dedupe);
        const struct source *source = source_at(dedupe, number);
        if (source->n > (most ? source_at(dedupe, most)->n : 0))
            most = number;
    }
    forget_oldest(dedupe, most);
}

static uint32_t new_entry(struct rj_dedupe *dedupe, struct rj_dedupe_key key, uint64_t pos)
{
    uint32_t number = take(&dedupe->entries);
    *entry_at(dedupe, number) = (struct entry){
        .found.hash = (uint32_t)key.id,
        .pos_low = (uint32_t)pos,
        .pos_high = (uint32_t)(pos >> 32),
    };
    list(&dedupe->entry_heads, &dedupe->entries, dedupe->n++, number);
    return number;
}

void rj_dedupe_add(struct rj_dedupe *dedupe, struct rj_dedupe_key key, enum rj_dedupe_class class,
                   uint64_t pos, uint64_t ts_ms)
{
    uint32_t of = find_source(dedupe, key.source);
    if (of && source_at(dedupe, of)->n >= dedupe->options.max_source)
        forget_oldest(dedupe, of);
    else if (dedupe->n >= dedupe->options.max)
        make_place(dedupe, of);
    of = find_source(dedupe, key.source); /* it may have gone with its last id */
    if (!of)
        of = add_source(dedupe, key.source, class);
    struct source *source = source_at(dedupe, of);
    uint32_t number = new_entry(dedupe, key, pos);
    if (source->n++)
        entry_at(dedupe, source->youngest)->next_later = number;
    else
        source->oldest = number;
    source->youngest = number;
    mark(dedupe, pos, ts_ms);
    rj_dedupe_expire(dedupe, ts_ms);
}

bool rj_dedupe_is_full(const struct rj_dedupe *dedupe)
{
    return dedupe->n >= dedupe->options.max;
}

bool rj_dedupe_add_older(struct rj_dedupe *dedupe, struct rj_dedupe_key key, enum rj_dedupe_class class,
                         uint64_t pos, uint64_t ts_ms)
{
    uint32_t of = find_source(dedupe, key.source);
    if (rj_dedupe_is_full(dedupe) || (of && source_at(dedupe, of)->n >= dedupe->options.max_source))
        return false;
    if (!of)
        of = add_source(dedupe, key.source, class);
    struct source *source = source_at(dedupe, of);
    uint32_t number = new_entry(dedupe, key, pos);
    entry_at(dedupe, number)->next_later = source->oldest;
    if (source->n++ == 0)
        source->youngest = number;
    source->oldest = number;
    mark_older(dedupe, pos, ts_ms);
    return true;
}
