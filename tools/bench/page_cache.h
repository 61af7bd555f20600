/* The kernel's copy of a folder's files: how much of it there is, and dropping it, so that what is read next
 * comes from the disk (or from what lies below a virtual one: that cannot be dropped from here).
 */
#ifndef RJ_BENCH_PAGE_CACHE_H
#define RJ_BENCH_PAGE_CACHE_H

#include <stdbool.h>

/* Writes out and drops the regular files in `dir`. Pages that some process has mapped stay, so nobody may
 * have them open. False, told on stderr. */
bool page_cache_drop(const char *dir);

/* The share of their bytes that is in memory, 0 to 1; negative when it cannot be told. */
double page_cache_share(const char *dir);

#endif
