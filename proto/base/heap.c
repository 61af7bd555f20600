#include "proto/base/heap.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "proto/base/clock.h"

enum {
    /* Buffers from this size on are mappings of their own. What messages need is smaller: a mapping costs
     * more than to fill it, in page faults. */
    MAPPED_BYTES = 4 << 20,
    /* What may be free at the heap's end before it shrinks at once; the ticks see to the rest. */
    TOP_BYTES = 16 << 20,

    LOOK_MS = 2000,  /* between two looks, at least, and … */
    SHARE = 1000,    /* … as many times as long as the last one took; … */
    MOST_MS = 60000, /* … but that may have been a sleep of the whole machine */
    WORTH_BYTES = 2 << 20,
    WORTH_PART = 8, /* of what is in use: this part may be free, too, as in any heap */
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_OURS false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_OURS false
#endif
#endif
#ifndef IS_OURS
#define IS_OURS true
#endif

void rj_heap_setup(void)
{
    /* Each further one would keep what is free at its end, up to TOP_BYTES, however often it is trimmed. */
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    mallopt(M_TRIM_THRESHOLD, TOP_BYTES);
}

/* Bytes of this process's own that lie in memory; 0 when the system does not say. */
static size_t resident_bytes(void)
{
    char text[128] = "";
    size_t all, resident, shared;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (got <= 0 || sscanf(text, "%zu %zu %zu", &all, &resident, &shared) != 3 || shared > resident)
        return 0;
    return (resident - shared) * (size_t)sysconf(_SC_PAGESIZE);
}

/* What of `held` is not in use. The heap's own figure for what is free would not do: it counts what was given
 * back, too. */
static size_t free_bytes(size_t held, size_t *in_use)
{
    struct mallinfo2 info = mallinfo2();
    *in_use = info.uordblks + info.hblkhd;
    return held > *in_use ? held - *in_use : 0;
}

static void trim(struct rj_heap *heap)
{
    size_t in_use;
    malloc_trim(0);
    heap->held_bytes = resident_bytes();
    heap->kept_bytes = free_bytes(heap->held_bytes, &in_use);
    heap->was_worthwhile = false;
}

/* To look into the heap costs something as well: not before the process holds more than it did. */
static bool is_worthwhile(struct rj_heap *heap)
{
    size_t in_use, held = resident_bytes();
    if (held < heap->held_bytes)
        heap->held_bytes = held;
    if (held < heap->held_bytes + WORTH_BYTES)
        return false;
    return free_bytes(held, &in_use) > heap->kept_bytes + WORTH_BYTES + in_use / WORTH_PART;
}

/* Twice in a row: what is free for a moment will soon be needed. */
bool rj_heap_tick(struct rj_heap *heap, uint64_t now_ms)
{
    if (!IS_OURS || now_ms < heap->look_ms)
        return false;
    uint64_t begun_us = rj_clock_mono_us();
    bool was_worthwhile = heap->was_worthwhile;
    heap->was_worthwhile = is_worthwhile(heap);
    bool is_due = was_worthwhile && heap->was_worthwhile;
    if (is_due)
        trim(heap);
    uint64_t pause_ms = (rj_clock_mono_us() - begun_us) * SHARE / 1000;
    pause_ms = pause_ms > LOOK_MS ? pause_ms : LOOK_MS;
    heap->look_ms = now_ms + (pause_ms < MOST_MS ? pause_ms : MOST_MS);
    return is_due;
}
