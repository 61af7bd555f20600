#include "storage/checking.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { SENTENCE = 4096 };

static void tell(struct rj_check *check, const char *before, const char *format, va_list args)
{
    char text[SENTENCE];
    int len = snprintf(text, sizeof text, "%s", before);
    vsnprintf(text + len, sizeof text - (size_t)len, format, args);
    check->tell(check->ctx, text);
}

void rj_checking_fault(struct rj_check *check, const char *format, ...)
{
    va_list args;
    if (check->report.faults++ >= check->max_told)
        return;
    va_start(args, format);
    tell(check, "", format, args);
    va_end(args);
}

void rj_checking_put_key(struct rj_buf *out, struct rj_span key)
{
    for (size_t i = 0; i < key.len; i++) {
        bool is_plain = key.data[i] >= ' ' && key.data[i] < 0x7f && key.data[i] != '\\' && key.data[i] != '"';
        rj_buf_printf(out, is_plain ? "%c" : "\\x%02x", key.data[i]);
    }
}

/* Names are looked for only when there is something to tell: they are not kept. */
static void put_room(struct rj_check *check, struct rj_buf *out, rj_room_id id)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    rj_buf_printf(out, "room %u", id);
    if (mdb_cursor_open(check->txn, check->env->rooms, &cursor))
        return;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        if (value.mv_size != 4 || rj_get_u32(value.mv_data) != id)
            continue;
        rj_buf_put_str(out, " \"");
        rj_checking_put_key(out, rj_val_span(key));
        rj_buf_put_str(out, "\"");
        break;
    }
    mdb_cursor_close(cursor);
    rj_buf_put_str(out, ": ");
}

void rj_checking_room_fault(struct rj_check *check, rj_room_id id, const char *format, ...)
{
    struct rj_buf room = {0};
    va_list args;
    if (check->report.faults++ >= check->max_told)
        return;
    put_room(check, &room, id);
    va_start(args, format);
    tell(check, rj_buf_cstr(&room), format, args);
    va_end(args);
    rj_buf_free(&room);
}

static int compare_rooms(const void *a, const void *b)
{
    rj_room_id x = ((const struct rj_check_room *)a)->id, y = ((const struct rj_check_room *)b)->id;
    return x < y ? -1 : x > y;
}

struct rj_check_room *rj_checking_room(struct rj_check *check, rj_room_id id)
{
    const struct rj_check_room wanted = {.id = id};
    return bsearch(&wanted, check->rooms, check->n_rooms, sizeof wanted, compare_rooms);
}

bool rj_checking_is_impossible(const struct rj_check *check, rj_room_id id)
{
    return id == 0 || (id >= check->next_room && id >= check->named_end);
}

bool rj_checking_may_be_forgotten(const struct rj_check *check, rj_room_id id)
{
    return check->report.format >= RJ_CHECK_FORGETTING_FORMAT && !rj_checking_is_impossible(check, id);
}

void rj_checking_walk(struct rj_check *check, MDB_dbi table, const char *name, rj_checking_visit *visit)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_cursor_open(check->txn, table, &cursor);
    if (rc) {
        rj_checking_fault(check, "the table %s cannot be read: %s", name, mdb_strerror(rc));
        return;
    }
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
        visit(check, rj_val_span(key), rj_val_span(value));
    if (rc != MDB_NOTFOUND)
        rj_checking_fault(check, "the table %s cannot be read to its end: %s", name, mdb_strerror(rc));
    mdb_cursor_close(cursor);
}
