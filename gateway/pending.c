#include "gateway/pending.h"

#include <stdlib.h>
#include <utlist.h>

#include "proto/base/mem.h"
#include "proto/wire.h"

static const char *room_of(const Rejoin__Command *command)
{
    switch (command->kind_case) {
    case REJOIN__COMMAND__KIND_LEAVE: return command->leave->room;
    case REJOIN__COMMAND__KIND_HISTORY: return command->history->room;
    default: return NULL;
    }
}

/* Everything else is the gateway's own, a few for each client. */
static bool is_asked(Rejoin__Command__KindCase kind)
{
    return kind != REJOIN__COMMAND__KIND_ATTACH && kind != REJOIN__COMMAND__KIND_CATCH_UP &&
           kind != REJOIN__COMMAND__KIND_DISCONNECT;
}

static void pack(Rejoin__Command *command, struct rj_buf *out)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = REJOIN__ITEM__KIND_COMMAND;
    item.command = command;
    rj_wire_pack(&item.base, out);
}

struct rj_pending_command *rj_pending_add(struct rj_pending *pending, Rejoin__Command *command)
{
    struct rj_pending_command *entry = rj_calloc(1, sizeof *entry);
    const char *room = room_of(command);
    command->id = ++pending->last_id;
    pack(command, &entry->item);
    entry->id = command->id;
    entry->client = command->client;
    entry->kind = command->kind_case;
    entry->room = room ? rj_strndup(room, strlen(room)) : NULL;
    entry->deadline_ms = UINT64_MAX;
    HASH_ADD(hh, pending->by_id, id, sizeof entry->id, entry);
    DL_APPEND(pending->list, entry);
    pending->n++;
    if (is_asked(entry->kind)) {
        entry->bytes = entry->item.len;
        pending->n_asked++;
        pending->bytes += entry->bytes;
    }
    return entry;
}

void rj_pending_introduce(struct rj_pending *pending, struct rj_pending_command *disconnect,
                          Rejoin__Command *attach)
{
    attach->id = ++pending->last_id;
    pack(attach, &disconnect->attach);
}

static void take_out(struct rj_pending *pending, struct rj_pending_command *entry)
{
    HASH_DEL(pending->by_id, entry);
    DL_DELETE(pending->list, entry);
    pending->n--;
    if (is_asked(entry->kind)) {
        pending->n_asked--;
        pending->bytes -= entry->bytes;
    }
}

struct rj_pending_command *rj_pending_take(struct rj_pending *pending, uint64_t id)
{
    struct rj_pending_command *entry;
    HASH_FIND(hh, pending->by_id, &id, sizeof id, entry);
    if (entry)
        take_out(pending, entry);
    return entry;
}

void rj_pending_free_command(struct rj_pending_command *entry)
{
    rj_buf_free(&entry->item);
    rj_buf_free(&entry->attach);
    free(entry->room);
    free(entry);
}

void rj_pending_mark_repeated(struct rj_pending_command *entry)
{
    if (entry->kind != REJOIN__COMMAND__KIND_EVENT || !entry->was_said)
        return;
    Rejoin__Item *item = rejoin__item__unpack(NULL, entry->item.len, entry->item.data);
    if (!item)
        rj_oom(entry->item.len); /* it is our own packing */
    item->command->event->repeated = true;
    rj_buf_clear(&entry->item);
    rj_wire_pack(&item->base, &entry->item);
    rejoin__item__free_unpacked(item, NULL);
}

void rj_pending_drop_stream(struct rj_pending *pending)
{
    struct rj_pending_command *entry, *next;
    DL_FOREACH_SAFE (pending->list, entry, next) {
        if (entry->kind != REJOIN__COMMAND__KIND_ATTACH && entry->kind != REJOIN__COMMAND__KIND_CATCH_UP)
            continue;
        take_out(pending, entry);
        rj_pending_free_command(entry);
    }
}

void rj_pending_free(struct rj_pending *pending)
{
    struct rj_pending_command *entry, *next;
    DL_FOREACH_SAFE (pending->list, entry, next) {
        take_out(pending, entry);
        rj_pending_free_command(entry);
    }
}
