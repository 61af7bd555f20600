/* A store in a folder of its own, and short ways to queue something and wait for it. For the store's tests.
 */
#ifndef RJ_TEST_STORE_FIXTURE_H
#define RJ_TEST_STORE_FIXTURE_H

#include "tests/support/test.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "storage/create.h"
#include "storage/env.h"
#include "storage/store.h"

enum { STORE_DEADLINE_MS = 20000 };

struct fixture {
    char path[256];
    struct rj_store_options options;
    struct rj_store *store;
};

static inline int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info, (void)kind, (void)place;
    return remove(path);
}

static inline void make_folder(char *path, size_t size)
{
    const char *base = getenv("TMPDIR");
    snprintf(path, size, "%s/rj-store-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(path));
}

static inline void remove_folder(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline enum rj_status try_open(struct fixture *f, struct rj_store **out, struct rj_buf *why)
{
    f->options.path = f->path;
    if (!f->options.map_bytes)
        f->options.map_bytes = (uint64_t)1 << 30;
    return rj_store_open(&f->options, out, why);
}

static inline void open_store(struct fixture *f)
{
    struct rj_buf why = {0};
    enum rj_status status = try_open(f, &f->store, &why);
    if (status)
        fail_msg("rj_store_open: %s: %s", rj_status_code(status), rj_buf_cstr(&why));
    rj_buf_free(&why);
}

static inline void reopen_store(struct fixture *f)
{
    rj_store_close(&f->store);
    assert_null(f->store);
    open_store(f);
}

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    make_folder(f->path, sizeof f->path);
    *state = f;
    return 0;
}

static inline int set_up_open(void **state)
{
    set_up(state);
    open_store(*state);
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    /* A check that failed inside a callback left the store in the middle of completing: closing would wait.
     */
    if (f->store && rj_store_in_flight(f->store) == 0)
        rj_store_close(&f->store);
    remove_folder(f->path);
    free(f);
    return 0;
}

/* Completes what the log thread has done, waiting at most until it has done something. */
static inline void wait_done(struct rj_store *store)
{
    struct pollfd event = {.fd = rj_store_event_fd(store), .events = POLLIN};
    if (poll(&event, 1, STORE_DEADLINE_MS) != 1)
        fail_msg("the store did not commit in time");
    rj_store_complete(store);
}

/* Submits and completes everything. */
static inline void settle(struct rj_store *store)
{
    while (rj_store_in_flight(store)) {
        rj_store_submit(store);
        wait_done(store);
    }
}

static inline rj_room_id room_id(struct rj_store *store, const char *key)
{
    rj_room_id id = 0;
    assert_int_equal(rj_store_room(store, rj_span_str(key), true, &id), RJ_OK);
    assert_true(id > 0);
    return id;
}

/* Counts the entries of the room index of a store that nobody has open. */
static inline size_t count_index_entries(const char *path)
{
    struct rj_env env;
    struct rj_buf why = {0};
    MDB_stat stat = {0};
    assert_int_equal(rj_env_open(&env, path, (uint64_t)1 << 30, &why), RJ_OK);
    struct rj_reader reader = rj_env_read(&env);
    assert_int_equal(mdb_stat(reader.txn, env.index, &stat), 0);
    rj_env_read_done(&env, &reader);
    rj_env_close(&env);
    rj_buf_free(&why);
    return stat.ms_entries;
}

/* ------------------------------------------------------------------------------------------ the file, closed
 */

static inline void data_file_of(const struct fixture *f, char path[static 400])
{
    snprintf(path, 400, "%s/" RJ_DATA_FILE, f->path);
}

/* To be freed. */
static inline struct rj_buf read_data_file(const struct fixture *f)
{
    char path[400];
    uint8_t bytes[1 << 16];
    struct rj_buf content = {0};
    size_t n;
    data_file_of(f, path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    while ((n = fread(bytes, 1, sizeof bytes, file)) > 0)
        rj_buf_put(&content, bytes, n);
    fclose(file);
    return content;
}

static inline void write_data_file(const struct fixture *f, const struct rj_buf *content)
{
    char path[400];
    data_file_of(f, path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content->data, 1, content->len, file), content->len);
    assert_int_equal(fclose(file), 0);
}

/* What one append was told. */
struct told {
    unsigned calls;
    enum rj_append_outcome outcome;
    uint64_t pos, ts_ms, seqs[RJ_STORE_ROOMS_MAX];
    size_t n_seqs;
    size_t payload_len;
};

static inline void on_appended(void *ctx, enum rj_append_outcome outcome,
                               const struct rj_store_receipt *receipt, struct rj_span payload)
{
    struct told *told = ctx;
    told->calls++;
    told->outcome = outcome;
    told->pos = receipt->pos;
    told->ts_ms = receipt->ts_ms;
    told->n_seqs = receipt->n_seqs;
    told->payload_len = payload.len;
    memcpy(told->seqs, receipt->seqs, receipt->n_seqs * sizeof *told->seqs);
}

/* `told` may be NULL; it must live until the append has completed. */
static inline void append_text(struct rj_store *store, rj_room_id room, const char *source, const char *id,
                               const char *text, struct told *told)
{
    struct rj_store_append append = {
        .rooms = &room,
        .n_rooms = 1,
        .source = rj_span_str(source),
        .id = rj_span_str(id),
        .payload = rj_span_str(text),
    };
    rj_store_append(store, &append, told ? on_appended : NULL, told);
}

/* Notes what a reading shows: "pos:payload " each. */
static inline bool on_record(void *ctx, const struct rj_store_record *record)
{
    struct rj_buf *seen = ctx;
    rj_buf_printf(seen, "%llu:%.*s ", (unsigned long long)record->pos, (int)record->payload.len,
                  (const char *)record->payload.data);
    return true;
}

#define assert_seen(seen, text)                                                                              \
    do {                                                                                                     \
        assert_string_equal(rj_buf_cstr(seen), text);                                                        \
        rj_buf_free(seen);                                                                                   \
    } while (0)

#endif
