#include "gateway/frontends/bundle.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

const char *rj_bundle_dir(struct rj_buf *scratch)
{
    char program[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    if (len <= 0)
        return NULL;
    program[len] = '\0';
    char *slash = strrchr(program, '/');
    if (!slash)
        return NULL;
    *slash = '\0';
    rj_buf_clear(scratch);
    rj_buf_printf(scratch, "%s/../share/rejoin/client", program);
    return access(rj_buf_cstr(scratch), R_OK | X_OK) == 0 ? rj_buf_cstr(scratch) : NULL;
}

bool rj_bundle_has(const char *name)
{
    return strncmp(name, "socket.io.", 10) == 0 && (strstr(name, ".js") || strstr(name, ".map"));
}
