/* Compares a store with what its writers were told: nothing acknowledged may be lost or changed. */
#ifndef RJ_TEST_STORE_CHECKER_H
#define RJ_TEST_STORE_CHECKER_H

#include <stdbool.h>

#include "tests/crash/store_journal.h"

/* Looks at the closed store with rejoinctl's check, opens it as a broker does, and compares the log, each
 * room's history, replay, the counter, the epoch and the repetition of publishes with the journal. With
 * `closes` it also closes the store and counts that no index entry was left behind, else the store is left as
 * a crash leaves it. Ends the process: status 0, or 1 with a line on stderr. The new epoch's counter is
 * written to `pipe`, unless that is -1. */
_Noreturn void check_store(const char *path, const struct journal *journal, bool closes, int pipe);

#endif
