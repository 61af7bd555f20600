#include "tools/bench/store_floor.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/mem.h"

static bool tell(const struct store_floor *bare)
{
    fprintf(stderr, "rejoin-bench: %s: %s\n", bare->path, strerror(errno));
    return false;
}

bool store_floor_open(struct store_floor *bare, const char *dir, size_t most)
{
    *bare = (struct store_floor){.most = most, .bytes = rj_alloc(most)};
    memset(bare->bytes, 0x5a, most);
    snprintf(bare->path, sizeof bare->path, "%s/floor", dir);
    bare->fd = open(bare->path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    return bare->fd >= 0 || tell(bare);
}

bool store_floor_write(struct store_floor *bare, size_t len)
{
    assert(len <= bare->most);
    for (size_t done = 0; done < len;) {
        ssize_t n = write(bare->fd, bare->bytes + done, len - done);
        if (n < 0 && errno != EINTR)
            return tell(bare);
        done += n > 0 ? (size_t)n : 0;
    }
    return fdatasync(bare->fd) == 0 || tell(bare);
}

void store_floor_close(struct store_floor *bare)
{
    if (bare->fd >= 0) {
        close(bare->fd);
        unlink(bare->path);
    }
    free(bare->bytes);
    *bare = (struct store_floor){.fd = -1};
}
