/* A model of the store that is slow and obvious: an array of all records ever appended, an array of keys, and
 * the floors that were told. What is done to the store is done to it (store_model_write.c), and what the
 * store says is compared with what it says (store_model_read.c). Functions assert.
 */
#ifndef RJ_TEST_STORE_MODEL_H
#define RJ_TEST_STORE_MODEL_H

#include "tests/unit/test_store_fixture.h"

enum {
    ROOMS = 9,
    PLAIN = 4,      /* the first so many rooms have no limits of their own */
    KNOWN_WALK = 4, /* a start looks at so many records for each id that may be known */
    KEYS = 12,
    RECORDS = 20000,
    IDS = 200,
    QUEUE = 4096,
    EPOCHS = 200,
    LIMITS = ROOMS - PLAIN,
    GONE = ROOMS, /* a room that was forgotten; its name is another room's now */
};

struct model_record {
    uint64_t pos, ts_ms;
    size_t n_rooms;
    unsigned rooms[3]; /* indexes into names, or GONE */
    uint64_t seqs[3];
    unsigned id; /* 0 = none */
    unsigned fill;
    size_t payload_len;
    size_t bytes; /* of the record in the log */
};

struct model_key {
    uint64_t version; /* 0 = absent */
    unsigned value;
};

/* What the model says an operation must be answered. */
struct expected {
    struct world *world;
    bool is_append;
    enum rj_append_outcome outcome;
    enum rj_status status;
    size_t record; /* index of the record whose receipt it is */
};

/* An epoch that is over, and the last pos in it. */
struct model_epoch {
    uint64_t number, end;
};

struct world {
    struct fixture *f;
    uint64_t random;
    struct model_record records[RECORDS]; /* record i has pos i + 1 */
    size_t n_records;
    uint64_t accepted[ROOMS];
    struct model_key keys[KEYS];
    struct expected queue[QUEUE]; /* operations in flight, in order */
    size_t queue_at, queue_n;
    uint64_t completed;
    unsigned dedupe_max;
    uint64_t known_from;                   /* ids of records up to here are not known */
    struct rj_store_limits limits[LIMITS]; /* of the rooms from PLAIN on */
    uint64_t limits_id;
    uint64_t floors[ROOMS];  /* the highest floor_seq that was told */
    uint64_t due[ROOMS];     /* the floor_seq that must be told, beside what is old */
    uint64_t purging[ROOMS]; /* that a purge on its way will make it */
    struct model_epoch epochs[EPOCHS];
    size_t n_epochs;
    bool forgets; /* rooms, now and then */
    uint64_t forgotten;
    uint64_t hits, crashes, trimmed[RJ_TRIM_REASONS]; /* so that a run can tell what it has tried */
};

/* A number below `limit`; the next one of the run. */
unsigned below(struct world *w, unsigned limit);

uint64_t larger(uint64_t a, uint64_t b);

rj_room_id id_of(struct world *w, unsigned room);
uint64_t trimmed_upto(const struct world *w);

/* The payload of a record is a run of one letter, so that it needs no memory here. */
char letter(const struct model_record *record);
bool is_payload(const struct model_record *record, struct rj_span payload);

/* 0: the record is not in that room. */
uint64_t seq_in(const struct model_record *record, unsigned room);

const struct rj_store_limits *limits_of(const struct world *w, unsigned room);

/* The room's floor as the store tells it, which must be where the limits put it, or higher for age; and never
 * lower than it was told before, whatever has happened meanwhile. */
uint64_t floor_under(struct world *w, unsigned room, const struct rj_store_limits *limits);
uint64_t floor_seq(struct world *w, unsigned room);
/* The pos of what the floor has trimmed last. */
uint64_t floor_pos(struct world *w, unsigned room);

/* Whether some room still has it. */
bool is_kept(struct world *w, uint64_t pos);

/* ---- store_model_write.c: an operation at random, on its way with what it must be answered */

void key_name(unsigned key, char out[static 16]);
void do_append(struct world *w);
void do_put(struct world *w);
void do_delete(struct world *w);
void do_purge(struct world *w);
/* Of the records that are on their way, too: who is told of one later must find it as it was appended. */
void do_forget(struct world *w);
void do_barrier(struct world *w);

/* ---- store_model_read.c: a question at random, whose answer must be the model's */

void check_read(struct world *w);
void check_read_log(struct world *w);
void check_history(struct world *w, unsigned room, size_t limit);
void check_rooms(struct world *w);
void check_keys(struct world *w);
void check_clamp(struct world *w);

#endif
