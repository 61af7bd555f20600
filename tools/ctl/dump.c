#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "print.h"
#include "proto/wire.h"
#include "storage/inspect.h"
#include "tools/sdk/c/message.h"

static const struct option options[] = {
    {"room", required_argument, NULL, 'r'},
    {"namespace", required_argument, NULL, 'n'},
    {"from", required_argument, NULL, 'f'},
    {"limit", required_argument, NULL, 'l'},
    {NULL, 0, NULL, 0},
};

struct dump {
    const char *path;
    const char *room, *nsp; /* NULL: every one */
    uint64_t from, left;
    struct rj_buf line;
    struct rj_arena arena; /* of one record */
    bool is_stdout_gone, has_faults;
};

static bool is_wanted(const struct dump *dump, const Rejoin__Message *message)
{
    if (!dump->room)
        return true;
    if (strcmp(message->namespace_, dump->nsp) != 0)
        return false;
    for (size_t i = 0; i < message->n_targets; i++)
        if (message->targets[i]->kind == REJOIN__TARGET__KIND__ROOM &&
            strcmp(message->targets[i]->name, dump->room) == 0)
            return true;
    return false;
}

/* Decodes what the store keeps as bytes; NULL when it is none of ours. */
static Rejoin__Message *message_of(struct dump *dump, const struct rj_store_record *record)
{
    Rejoin__Message *message = (Rejoin__Message *)rj_wire_unpack_message(&rejoin__message__descriptor,
                                                                         record->payload, &dump->arena);
    return message && message->n_targets && message->n_targets == record->n_rooms ? message : NULL;
}

/* The line of `tail` and `history` with what only the log knows before it. */
static void put_line(struct dump *dump, const struct rj_inspected *seen, Rejoin__Message *message)
{
    const struct rj_store_record *record = seen->record;
    Rejoin__Deliver deliver = REJOIN__DELIVER__INIT;
    struct rejoin_message shown;
    struct rj_buf *line = &dump->line;
    deliver.pos = record->pos;
    deliver.ts_ms = record->ts_ms;
    deliver.message = message;
    deliver.n_seqs = record->n_rooms;
    deliver.seqs = (uint64_t *)(uintptr_t)record->seqs; /* only read */
    if (!rj_sdk_message_of(&deliver, record->epoch, &dump->arena, &shown))
        return;
    rj_buf_clear(line);
    rj_buf_printf(line, "{\"pos\":%llu,%s", (unsigned long long)record->pos,
                  seen->is_trimmed ? "\"trimmed\":true," : "");
    size_t brace = line->len;
    rj_ctl_print_message(line, &shown);
    memmove(line->data + brace, line->data + brace + 1, line->len - brace - 1);
    line->len--;
    dump->is_stdout_gone = !rj_ctl_write_line((const char *)line->data, line->len);
    dump->left--;
}

static void complain(struct dump *dump, uint64_t pos, const char *what)
{
    fprintf(stderr, "rejoinctl dump: record %llu %s\n", (unsigned long long)pos, what);
    dump->has_faults = true;
}

static bool on_record(void *ctx, const struct rj_inspected *seen)
{
    struct dump *dump = ctx;
    rj_arena_reset(&dump->arena);
    if (!seen->record) {
        complain(dump, seen->pos, "fails its checksum");
        return true;
    }
    Rejoin__Message *message = message_of(dump, seen->record);
    if (!message)
        complain(dump, seen->pos, "is whole, but holds no message that this program knows");
    else if (is_wanted(dump, message))
        put_line(dump, seen, message);
    return dump->left > 0 && !dump->is_stdout_gone;
}

static enum rj_ctl_exit parse(int argc, char **argv, struct dump *dump)
{
    int option;
    while ((option = rj_ctl_option(argc, argv, options)) != -1) {
        switch (option) {
        case 'r': dump->room = optarg; break;
        case 'n': dump->nsp = optarg; break;
        case 'f':
            if (!rj_ctl_number(optarg, &dump->from))
                return rj_ctl_misused(&rj_ctl_dump, "--from takes a position, not %s", optarg);
            break;
        case 'l':
            if (!rj_ctl_number(optarg, &dump->left) || dump->left == 0)
                return rj_ctl_misused(&rj_ctl_dump, "--limit takes a number from 1, not %s", optarg);
            break;
        default: return rj_ctl_misused(&rj_ctl_dump, "unknown option or missing value: %s", argv[optind - 1]);
        }
    }
    if (optind + 1 != argc)
        return rj_ctl_misused(&rj_ctl_dump, "one data folder is wanted");
    if (dump->nsp && !dump->room)
        return rj_ctl_misused(&rj_ctl_dump, "--namespace belongs to a room");
    if (!dump->nsp)
        dump->nsp = "/";
    dump->path = argv[optind];
    return RJ_CTL_DONE;
}

static enum rj_ctl_exit print_log(struct dump *dump, struct rj_inspect *inspect)
{
    enum rj_status status = RJ_OK;
    uint64_t next = dump->from;
    do
        status = rj_inspect_read(inspect, next, on_record, dump, &next);
    while (status == RJ_OK && next);
    if (status)
        fprintf(stderr, "rejoinctl dump: cannot read the log in %s: %s\n", dump->path,
                rj_status_text(status));
    return status || dump->is_stdout_gone || dump->has_faults ? RJ_CTL_FAILED : RJ_CTL_DONE;
}

static enum rj_ctl_exit run(const struct rj_ctl *ctl, int argc, char **argv)
{
    struct dump dump = {.left = UINT64_MAX};
    struct rj_inspect inspect;
    struct rj_buf why = {0};
    (void)ctl;
    enum rj_ctl_exit result = parse(argc, argv, &dump);
    if (result != RJ_CTL_DONE)
        return result;
    if (rj_inspect_open(&inspect, dump.path, RJ_INSPECT_BESIDE, &why))
        return rj_ctl_unopened(&rj_ctl_dump, &why);
    result = print_log(&dump, &inspect);
    rj_inspect_close(&inspect);
    rj_buf_free(&dump.line);
    rj_arena_free(&dump.arena);
    return result;
}

const struct rj_ctl_command rj_ctl_dump = {
    .name = "dump",
    .arguments = "[--room NAME [--namespace NSP]] [--from POS] [--limit N] DIR",
    .summary = "Prints the records of a data folder, also while a broker writes to it",
    .help =
        "  --room NAME      only messages to that room\n"
        "  --namespace NSP  the room's namespace (default /)\n"
        "  --from POS       from this position in the log on (default: the oldest on disk)\n"
        "  --limit N        at most so many\n\n"
        "Prints one JSON object a line: \"pos\", \"trimmed\" where a record only waits to be deleted, then "
        "as\n"
        "`tail` does. Damaged records are told on stderr and passed over. Exit status: 0 done, 1 damaged\n"
        "records or a failure, 2 wrong usage, 3 DIR cannot be opened.\n",
    .run = run,
    .takes_folder = true,
};
