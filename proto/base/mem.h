/* Heap allocation that never returns NULL.
 *
 * Running out of memory ends the process through rj_oom(): sizes that a peer chooses are checked against a
 * limit before they get here, so a failure means that the machine is out, and a restart is the cure.
 */
#ifndef RJ_MEM_H
#define RJ_MEM_H

#include <stddef.h>

/* `size` bytes, uninitialised. The caller owns them; free with free(). */
void *rj_alloc(size_t size) __attribute__((malloc, returns_nonnull));

/* `count` zeroed elements of `size` bytes. The product is checked for overflow. */
void *rj_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* Grows or shrinks an array to `count` elements of `size` bytes; the old pointer is consumed. */
void *rj_realloc(void *old, size_t count, size_t size) __attribute__((returns_nonnull));

/* A NUL-terminated copy of `len` bytes at `text`. */
char *rj_strndup(const char *text, size_t len) __attribute__((malloc, returns_nonnull));

/* Says that memory is exhausted and aborts. */
_Noreturn void rj_oom(size_t wanted);

#endif
