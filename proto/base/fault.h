/* Fault points: named places where a test makes the process fail, in one sorted list.
 *
 * Armed by the environment variable REJOIN_FAULT = "point[:skip[+every]]=action[,point…]": the action happens
 * at the (skip+1)-th passage, and then again after each further `every` of them. Actions: `kill` (SIGKILL to
 * self), `stop` (SIGSTOP to self), `fail` (the place reports its failure). Compiled in only with RJ_FAULTS
 * (every build but release); else RJ_FAULT() is constant false.
 *
 *     if (RJ_FAULT(STORE_COMMIT)) rc = EIO; else rc = mdb_txn_commit(txn);
 *
 * Where something is to fail from a moment on that another place knows, that place passes the point and this
 * one asks whether it has been reached.
 */
#ifndef RJ_FAULT_H
#define RJ_FAULT_H

#include <stdbool.h>

/* X(enumerator, "name", "what fails there") — sorted by name */
#define RJ_FAULT_LIST(X)                                                                                     \
    X(BUS_SEND_AGAIN, "bus.send.again", "the peer's pipe is full")                                           \
    X(OPTIMISTIC_SHOWN, "optimistic.shown", "a pending message leaves; nothing is committed from now on")    \
    X(STORE_BEGIN, "store.begin.fail", "mdb_txn_begin reports ENOMEM to the log thread")                     \
    X(STORE_AFTER_COMMIT, "store.commit.after", "committed, nothing acknowledged yet")                       \
    X(STORE_BEFORE_COMMIT, "store.commit.before", "the transaction is written but not committed")            \
    X(STORE_COMMIT, "store.commit.fail", "mdb_txn_commit reports EIO")                                       \
    X(STORE_CREATE, "store.create.mid", "a new store is whole but does not have its name yet")               \
    X(STORE_EPOCH, "store.epoch.after", "the new epoch is committed, nothing else has happened")             \
    X(STORE_FORGET, "store.forget.mid", "a forgotten room has lost its key, but not its name yet")           \
    X(STORE_PURGE, "store.purge.mid", "in the middle of deleting trimmed records")                           \
    X(STORE_PUT, "store.put.fail", "mdb_put reports an error inside the append transaction")                 \
    X(STORE_RECOVER, "store.recover.fail", "reading the log at the start reports EIO")                       \
    X(STORE_SWEEP, "store.sweep.mid", "in the middle of a sweep's quota")                                    \
    X(STORE_WRAP, "store.sweep.wrap", "a wrap of the sweep has just saved scan_from")                        \
    X(STORE_TRIM, "store.trim.mid", "in the middle of raising the log's floor")

enum rj_fault_point {
#define RJ_FAULT_ENUM(name, text, what) RJ_FAULT_##name,
    RJ_FAULT_LIST(RJ_FAULT_ENUM)
#undef RJ_FAULT_ENUM
        RJ_FAULT_COUNT
};

#ifdef RJ_FAULTS
#define RJ_FAULT(name)         rj_fault_hit(RJ_FAULT_##name)
#define RJ_FAULT_PASS(name)    ((void)rj_fault_hit(RJ_FAULT_##name))
#define RJ_FAULT_REACHED(name) rj_fault_is_reached(RJ_FAULT_##name)
#else
#define RJ_FAULT(name)         false
#define RJ_FAULT_PASS(name)    ((void)0)
#define RJ_FAULT_REACHED(name) false
#endif

/* Reads REJOIN_FAULT; a wrong text ends the process with a line on stderr. Once, before any thread. */
void rj_fault_setup(const char *text);

/* Counts a passage; acts when armed. True: the place must report its failure. */
bool rj_fault_hit(enum rj_fault_point point);

/* Whether the point is armed with `fail` and has reported that at least once. */
bool rj_fault_is_reached(enum rj_fault_point point);

#endif
