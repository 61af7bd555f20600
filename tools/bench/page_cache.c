#include "tools/bench/page_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/mem.h"

struct pages {
    size_t all, in_memory;
};

/* False ends the walk with failure. */
typedef bool visit_file(void *ctx, int fd, size_t bytes);

static bool each_file(const char *path, visit_file *visit, void *ctx)
{
    bool is_good = true;
    struct dirent *entry;
    DIR *dir = opendir(path);
    while (dir && is_good && (entry = readdir(dir))) {
        struct stat at;
        if (fstatat(dirfd(dir), entry->d_name, &at, AT_SYMLINK_NOFOLLOW) || !S_ISREG(at.st_mode))
            continue;
        int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
        is_good = fd >= 0 && visit(ctx, fd, (size_t)at.st_size);
        if (fd >= 0)
            close(fd);
    }
    if (!dir || !is_good)
        fprintf(stderr, "rejoin-bench: %s: %s\n", path, strerror(errno));
    if (dir)
        closedir(dir);
    return dir && is_good;
}

static bool drop_file(void *ctx, int fd, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    if (fsync(fd))
        return false;
    errno = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return errno == 0;
}

static bool count_file(void *ctx, int fd, size_t bytes)
{
    struct pages *pages = ctx;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (bytes + page - 1) / page;
    if (n == 0)
        return true;
    void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return false;
    unsigned char *is_there = rj_alloc(n);
    bool is_good = mincore(map, bytes, is_there) == 0;
    for (size_t i = 0; i < n && is_good; i++)
        pages->in_memory += is_there[i] & 1;
    pages->all += n;
    free(is_there);
    munmap(map, bytes);
    return is_good;
}

bool page_cache_drop(const char *dir)
{
    return each_file(dir, drop_file, NULL);
}

double page_cache_share(const char *dir)
{
    struct pages pages = {0};
    if (!each_file(dir, count_file, &pages) || pages.all == 0)
        return -1;
    return (double)pages.in_memory / (double)pages.all;
}
