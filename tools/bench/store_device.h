/* What reached the disk: sectors written on the device that holds a folder (by everybody: a quiet machine is
 * needed), and the bytes that this process alone has dirtied (/proc/self/io: no journal, no metadata).
 */
#ifndef RJ_BENCH_STORE_DEVICE_H
#define RJ_BENCH_STORE_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

struct store_device {
    char path[64]; /* of the statistics of the device; empty: it has none */
};

struct store_written {
    uint64_t device;  /* bytes; stays 0 when the device is not known */
    uint64_t process; /* bytes */
};

struct store_device store_device_of(const char *dir);

/* Since some moment in the past: take the difference of two. */
struct store_written store_device_written(const struct store_device *device);

#endif
