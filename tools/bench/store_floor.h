/* The floor of the store: one plain file that grows, the records' bytes written at once, then fdatasync. */
#ifndef RJ_BENCH_STORE_FLOOR_H
#define RJ_BENCH_STORE_FLOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_floor {
    int fd;
    uint8_t *bytes;
    size_t most; /* bytes of a batch */
    char path[160];
};

/* A new file, for batches of at most `most` bytes. False, told on stderr; close in any case. */
bool store_floor_open(struct store_floor *bare, const char *dir, size_t most);

/* One batch of `len` bytes. False, told on stderr. */
bool store_floor_write(struct store_floor *bare, size_t len);

void store_floor_close(struct store_floor *bare);

#endif
