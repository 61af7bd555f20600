/* uthash, with our way of running out of memory. */
#ifndef RJ_HASH_TABLE_H
#define RJ_HASH_TABLE_H

#include "proto/base/mem.h"

#define uthash_fatal(message) rj_oom(0)
#include <uthash.h>

#endif
