/* The birth of a store. LMDB writes the first pages of a new file in place and not synced: a power failure
 * then leaves a file that it refuses for ever. So a new store is written under another name, synced, and
 * renamed: it appears whole or not at all.
 */
#ifndef RJ_CREATE_H
#define RJ_CREATE_H

#include "storage/env.h"

#define RJ_DATA_FILE "data.mdb" /* LMDB's choice */

/* Makes an empty store in the folder `path`, unless there is one. Whoever calls it holds the folder's lock.
 * 0, an LMDB code or an errno. */
int rj_env_create(const char *path);

#endif
