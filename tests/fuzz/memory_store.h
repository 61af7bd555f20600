/* The store in memory: what storage/store.h promises, slow and obvious, for a fuzz target. The disk outlives
 * the broker that has it open; the target decides when commits are done, when readings are, what is trimmed
 * or damaged, when the power fails, and when a backup takes its place.
 */
#ifndef RJ_FUZZ_STORE_H
#define RJ_FUZZ_STORE_H

#include "storage/store.h"

/* An empty disk. The store is closed. */
void memory_store_reset(void);

/* While it is held nothing is committed and no reading ends, but for so many that are released. */
void memory_store_hold(bool is_held);
void memory_store_release(size_t n);

/* Everything up to there is trimmed. At most what is committed. */
void memory_store_trim(uint64_t pos);

/* The record that is `back` before the last committed one cannot be read any more. */
void memory_store_damage(uint64_t back);

/* Keeps a copy of what is committed, in place of the one before. Puts it back in place of the disk, if there
 * is one; the store is closed. */
void memory_store_back_up(void);
void memory_store_restore(void);

/* What is not committed is lost when the store is closed. */
void memory_store_fail(void);

/* The highest pos that is committed. */
uint64_t memory_store_committed(void);

#endif
