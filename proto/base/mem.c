#include "proto/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rj_oom(size_t wanted)
{
    fprintf(stderr, "level=fatal event=out_of_memory wanted_bytes=%zu\n", wanted);
    abort();
}

void *rj_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p)
        rj_oom(size);
    return p;
}

void *rj_calloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p)
        rj_oom(count);
    return p;
}

void *rj_realloc(void *old, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        rj_oom(count);
    void *p = realloc(old, bytes ? bytes : 1);
    if (!p)
        rj_oom(bytes);
    return p;
}

char *rj_strndup(const char *text, size_t len)
{
    char *copy = rj_alloc(len + 1);
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}
