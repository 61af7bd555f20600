#include "proto/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/mem.h"

enum { FIRST_BLOCK = 16 * 1024, DEFAULT_KEEP = 1024 * 1024 };

struct rj_arena_block {
    struct rj_arena_block *next;
    size_t size;
    alignas(max_align_t) uint8_t bytes[];
};

static void add_block(struct rj_arena *arena, size_t at_least)
{
    size_t size = arena->blocks ? arena->blocks->size * 2 : FIRST_BLOCK;
    if (size < at_least)
        size = at_least;
    struct rj_arena_block *block = rj_alloc(sizeof *block + size);
    block->next = arena->blocks;
    block->size = size;
    arena->blocks = block;
    arena->used = 0;
}

void *rj_arena_alloc(struct rj_arena *arena, size_t size)
{
    size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (rounded < size)
        rj_oom(size);
    if (!arena->blocks || arena->blocks->size - arena->used < rounded)
        add_block(arena, rounded);
    void *at = arena->blocks->bytes + arena->used;
    arena->used += rounded;
    return at;
}

char *rj_arena_copy(struct rj_arena *arena, const void *data, size_t len)
{
    char *copy = rj_arena_alloc(arena, len + 1);
    if (len)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

static void free_blocks(struct rj_arena_block *block)
{
    while (block) {
        struct rj_arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void rj_arena_reset(struct rj_arena *arena)
{
    struct rj_arena_block *newest = arena->blocks;
    arena->used = 0;
    if (!newest)
        return;
    free_blocks(newest->next);
    newest->next = NULL;
    if (newest->size > (arena->keep_bytes ? arena->keep_bytes : DEFAULT_KEEP)) {
        free(newest);
        arena->blocks = NULL;
    }
}

void rj_arena_free(struct rj_arena *arena)
{
    free_blocks(arena->blocks);
    arena->blocks = NULL;
    arena->used = 0;
}
