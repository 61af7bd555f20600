/* The reader threads: carry out readings that may have to wait for the disk, so that the owner never does.
 *
 *   owner:           ask ─► rj_readers_add ─┐                  ┌─► rj_readers_take_done ─► visits, callbacks
 *   reader threads:                         └► a snapshot, copy ┘   (event_fd is readable)
 *
 * What a reader thread finds it copies; the owner shows it. While a page of the file is fetched nobody but
 * that thread waits. A snapshot is given up and taken anew every few dozen milliseconds: old ones keep the
 * file from being used again.
 */
#ifndef RJ_READERS_H
#define RJ_READERS_H

#include "storage/env.h"
#include "storage/reading.h"
#include "storage/warm.h"

enum { RJ_READERS_MAX = 64 };

struct rj_found {
    uint64_t pos;
    size_t at, len; /* the record, in `bytes` */
};

/* A reading that was asked for. The owner's, except from rj_readers_add until it is taken back. */
struct rj_store_reading {
    struct rj_reading plan;
    struct rj_warm *warm;        /* set: that is all, and the plan only has the status */
    struct rj_store_room *rooms; /* copies that the plan points to, n_reaches of them */
    struct rj_found *found;
    size_t n_found, cap_found;
    struct rj_buf bytes;
    uint64_t rested_us; /* when its snapshot was taken */
    uint64_t asked_us, started_us, ended_us;
    struct rj_store_reading *next; /* in the list that holds it */
    struct rj_readers *readers;

    /* the owner's alone */
    struct rj_store_reading *earlier, *later; /* all that are under way */
    struct rj_store_budget budget;            /* as asked */
    rj_room_id page_room;
    uint64_t page_seq;
    rj_store_visit *visit;
    rj_store_read_done *done;
    void *ctx;
    bool is_cancelled;
};

struct rj_store_readings {
    struct rj_store_reading *first, *last;
};

struct rj_readers {
    struct rj_env *env;
    int event_fd; /* borrowed */
    pthread_t threads[RJ_READERS_MAX];
    unsigned n_threads;
    pthread_mutex_t lock; /* over what follows */
    pthread_cond_t wake;
    struct rj_store_readings asked;
    struct rj_store_readings done;
    bool is_stopping;
};

/* Rings event_fd (an eventfd) when something is done. */
enum rj_status rj_readers_start(struct rj_readers *readers, struct rj_env *env, unsigned n_threads,
                                int event_fd);

void rj_readers_add(struct rj_readers *readers, struct rj_store_reading *reading);

/* The same for one that has its outcome already, so that it is told like any other. */
void rj_readers_add_done(struct rj_readers *readers, struct rj_store_reading *reading);

/* What was done since the last call; the caller owns it. */
struct rj_store_readings rj_readers_take_done(struct rj_readers *readers);

/* Ends the threads: what they are at is finished, what waits is not begun and gets the status RJ_CLOSED. All
 * of it can still be taken. Harmless when they were not started. */
void rj_readers_stop(struct rj_readers *readers);
void rj_readers_free(struct rj_readers *readers);

#endif
