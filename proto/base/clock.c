#include "proto/base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t read_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}

static _Noreturn void refuse(const char *path, const char *why)
{
    fprintf(stderr, "REJOIN_CLOCK=%s: %s\n", path, why);
    exit(2);
}

#ifdef RJ_FAULTS

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the process, like the clock itself: set before any thread, then only read. */
static const _Atomic int64_t *off_ms;

void rj_clock_setup(const char *path)
{
    struct stat file;
    if (!path || !*path)
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &file) != 0)
        refuse(path, strerror(errno));
    if (file.st_size < (off_t)sizeof *off_ms)
        refuse(path, "shorter than a number of 64 bits");
    void *mapped = mmap(NULL, sizeof *off_ms, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        refuse(path, strerror(errno));
    close(fd);
    off_ms = mapped;
}

static int64_t get_off_ms(void)
{
    return off_ms ? atomic_load_explicit(off_ms, memory_order_relaxed) : 0;
}

#else

void rj_clock_setup(const char *path)
{
    if (path && *path)
        refuse(path, "this build has no clock to set");
}

static int64_t get_off_ms(void)
{
    return 0;
}

#endif

uint64_t rj_clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000U + (uint64_t)get_off_ms();
}

uint64_t rj_clock_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000U;
}

uint64_t rj_clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}
