/* A bump allocator for what lives no longer than one turn or one message: many small allocations, one reset.
 * Memory is kept across resets up to the largest turn's need (bounded by `keep_bytes`).
 */
#ifndef RJ_ARENA_H
#define RJ_ARENA_H

#include <stddef.h>

struct rj_arena_block;

struct rj_arena {
    struct rj_arena_block *blocks; /* newest first; the first one is being filled */
    size_t used;                   /* bytes used in the newest block */
    size_t keep_bytes;             /* a single block up to this size survives a reset; 0 = 1 MiB */
};

/* `size` bytes aligned for any type, valid until the next reset. Never NULL. */
void *rj_arena_alloc(struct rj_arena *arena, size_t size);

/* A copy of `len` bytes in the arena, NUL-terminated. */
char *rj_arena_copy(struct rj_arena *arena, const void *data, size_t len);

/* Everything handed out becomes invalid. */
void rj_arena_reset(struct rj_arena *arena);

/* Frees all memory; the arena may be used again. */
void rj_arena_free(struct rj_arena *arena);

#endif
