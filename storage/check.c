#include "storage/check.h"

#include <stdlib.h>

#include "proto/base/mem.h"
#include "storage/check_rooms.h"
#include "storage/checking.h"

static int find_rooms(struct rj_check *check)
{
    rj_room_id *ids;
    int rc = rj_check_room_ids(check->env, check->txn, &ids, &check->n_rooms);
    if (rc)
        return rc;
    check->rooms = rj_calloc(check->n_rooms + 1, sizeof *check->rooms);
    for (size_t i = 0; i < check->n_rooms; i++)
        check->rooms[i] =
            (struct rj_check_room){.id = ids[i], .saved = {.indexed_seq = 1, .floor_seq = 1}, .floor = 1};
    free(ids);
    return 0;
}

static void run(struct rj_check *check)
{
    rj_checking_names(check);
    rj_checking_records(check);
    rj_checking_epochs(check);
    rj_checking_receipts(check);
    rj_checking_index(check);
    if (rj_checking_rooms(check))
        rj_checking_suspects(check);
    rj_checking_meta(check);
    rj_checking_pairs(check);
}

enum rj_status rj_check_run(struct rj_inspect *inspect, uint64_t max_told, rj_check_fault *tell_fault,
                            void *ctx, struct rj_check_report *out)
{
    struct rj_check check = {
        .env = &inspect->env,
        .report.format = inspect->format,
        .max_told = max_told,
        .tell = tell_fault,
        .ctx = ctx,
    };
    int rc = rj_inspect_begin(inspect, &check.txn);
    if (rc)
        return rj_env_status(rc);
    rj_checking_read_meta(&check);
    rc = find_rooms(&check);
    if (rc == 0)
        rc = rj_checking_begin_epochs(&check);
    if (rc == 0) {
        run(&check);
        mdb_cursor_close(check.epochs);
        *out = check.report;
    }
    free(check.rooms);
    mdb_txn_abort(check.txn);
    return rj_env_status(rc);
}
