#include "tail.h"

#include <stdlib.h>
#include <utlist.h>

#include "args.h"
#include "handle.h"
#include "message.h"
#include "proto/base/mem.h"
#include "proto/offset.h"

enum { DEFAULT_WINDOW = 1000 };

struct rejoin_tail {
    struct rejoin_tail *prev, *next;
    struct rejoin *handle;
    struct rejoin_tail_options options; /* nsp, rooms and offset are empty: they stand below */
    char *nsp;
    char *room;
    char **rooms; /* further ones */
    size_t room_count;
    char offset[RJ_OFFSET_MAX + 1]; /* after this it goes on; "" = from now on, "0" = the oldest kept */
    uint64_t id;                    /* of its Tail command on this stream; 0: none was said yet */
    uint32_t taken;                 /* messages handed out for which no credit was given back yet */
    bool has_begun;  /* a message came on this stream: where the stream began matters no more */
    bool is_over;    /* the broker refused it */
    bool is_stopped; /* by the caller, who has forgotten it: no callback, freed by the next put */
};

static bool is_offset(const char *text)
{
    struct rj_offset parsed;
    return *text == '\0' || strcmp(text, "0") == 0 || rj_offset_parse(rj_span_str(text), &parsed) == RJ_OK;
}

enum rejoin_status rejoin_tail(struct rejoin *handle, const struct rejoin_tail_options *options,
                               struct rejoin_tail **out)
{
    if (!options || !options->on_message)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a tail needs on_message");
    const char *nsp = options->nsp ? options->nsp : "/", *room = options->room ? options->room : "";
    const char *offset = options->offset ? options->offset : "";
    size_t room_count;
    char **rooms;
    enum rejoin_status status = rj_sdk_names_lend(handle, &options->rooms, &room_count, &rooms);
    if (status != REJOIN_OK)
        return status;
    if (!is_offset(offset))
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "that is no offset");
    if (handle->link.state == RJ_SDK_LINK_REFUSED)
        return rj_sdk_fail(handle, handle->link.refusal, NULL);
    struct rejoin_tail *tail = rj_calloc(1, sizeof *tail);
    tail->handle = handle;
    tail->options = *options;
    tail->options.nsp = tail->options.room = tail->options.offset = NULL;
    tail->options.rooms = (struct rejoin_names){0};
    if (tail->options.window == 0)
        tail->options.window = DEFAULT_WINDOW;
    tail->nsp = rj_strndup(nsp, strlen(nsp));
    tail->room = rj_strndup(room, strlen(room));
    tail->room_count = room_count;
    tail->rooms = rj_calloc(room_count ? room_count : 1, sizeof *tail->rooms);
    for (size_t i = 0; i < room_count; i++)
        tail->rooms[i] = rj_strndup(rooms[i], strlen(rooms[i]));
    memcpy(tail->offset, offset, strlen(offset) + 1);
    DL_APPEND(handle->tails, tail);
    rj_sdk_wake_now(&handle->wake);
    *out = tail;
    return REJOIN_OK;
}

void rejoin_tail_stop(struct rejoin_tail **tail)
{
    if (*tail) {
        (*tail)->is_stopped = true;
        rj_sdk_wake_now(&(*tail)->handle->wake);
    }
    *tail = NULL;
}

static void free_tail(struct rejoin_tail *tail)
{
    DL_DELETE(tail->handle->tails, tail);
    free(tail->nsp);
    free(tail->room);
    for (size_t i = 0; i < tail->room_count; i++)
        free(tail->rooms[i]);
    free(tail->rooms);
    free(tail);
}

static void tell_state(struct rejoin_tail *tail, enum rejoin_tail_state state, enum rejoin_status status)
{
    if (tail->options.on_state && !tail->is_stopped)
        tail->options.on_state(tail->options.arg, state, status,
                               state == REJOIN_TAIL_ENDED ? "" : tail->offset);
}

static void put_command(struct rejoin *handle, Rejoin__Command *command)
{
    command->id = ++handle->last_id;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = REJOIN__ITEM__KIND_COMMAND;
    item.command = command;
    rj_wire_put(&handle->link.out, &item);
}

static void put_begin(struct rejoin_tail *tail)
{
    Rejoin__Tail begin = REJOIN__TAIL__INIT;
    begin.namespace_ = tail->nsp;
    begin.room = tail->room;
    begin.n_rooms = tail->room_count;
    begin.rooms = tail->rooms;
    begin.offset = tail->offset;
    begin.credit = tail->options.window;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_TAIL;
    command.tail = &begin;
    put_command(tail->handle, &command);
    tail->id = tail->handle->last_id;
    tail->taken = 0;
    tail->has_begun = false;
}

static void put_credit(struct rejoin_tail *tail)
{
    Rejoin__Credit credit = REJOIN__CREDIT__INIT;
    credit.tail = tail->id;
    credit.more = tail->taken;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = REJOIN__ITEM__KIND_CREDIT;
    item.credit = &credit;
    rj_wire_put(&tail->handle->link.out, &item);
    tail->taken = 0;
}

/* Not kept until its reply: a stream that breaks ends the tail too. */
static void put_end(struct rejoin_tail *tail)
{
    Rejoin__Untail end = REJOIN__UNTAIL__INIT;
    end.tail = tail->id;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_UNTAIL;
    command.untail = &end;
    put_command(tail->handle, &command);
}

void rj_sdk_tails_put(struct rejoin *handle)
{
    struct rejoin_tail *tail, *following;
    DL_FOREACH_SAFE (handle->tails, tail, following) {
        if (tail->is_stopped) {
            if (tail->id && !tail->is_over)
                put_end(tail);
            free_tail(tail);
        } else if (tail->is_over) {
            continue;
        } else if (!tail->id) {
            put_begin(tail);
        } else if (tail->taken >= (tail->options.window + 1) / 2) {
            put_credit(tail);
        }
    }
}

void rj_sdk_tails_rewind(struct rejoin *handle)
{
    struct rejoin_tail *tail;
    DL_FOREACH (handle->tails, tail)
        tail->id = 0;
}

static struct rejoin_tail *find(struct rejoin *handle, uint64_t id)
{
    struct rejoin_tail *tail;
    DL_SEARCH_SCALAR(handle->tails, tail, id, id);
    return id ? tail : NULL;
}

bool rj_sdk_tails_answer(struct rejoin *handle, const Rejoin__Reply *reply)
{
    struct rejoin_tail *tail = find(handle, reply->id);
    if (!tail)
        return false;
    enum rejoin_status status = rj_sdk_reply_status(handle, reply);
    if (status == REJOIN_OK && reply->result_case != REJOIN__REPLY__RESULT_TAILING)
        status = rj_sdk_fail(handle, REJOIN_INTERNAL, "the broker's answer is not one to a tail");
    if (status != REJOIN_OK) {
        tail->is_over = true;
        tell_state(tail, REJOIN_TAIL_ENDED, status);
        return true;
    }
    const char *offset = reply->tailing->offset;
    if (!tail->has_begun && *offset && is_offset(offset))
        memcpy(tail->offset, offset, strlen(offset) + 1);
    tell_state(tail, reply->tailing->gap ? REJOIN_TAIL_GAP : REJOIN_TAIL_STARTED, REJOIN_OK);
    return true;
}

bool rj_sdk_tails_deliver(struct rejoin *handle, const Rejoin__Deliver *deliver)
{
    struct rejoin_tail *tail = find(handle, deliver->client);
    if (!tail)
        return false;
    if (tail->is_stopped || tail->is_over)
        return true;
    tail->taken++;
    tail->has_begun = true;
    struct rejoin_message message;
    if (!rj_sdk_message_of(deliver, handle->link.epoch, &handle->link.arena, &message))
        return true;
    if (*message.offset)
        memcpy(tail->offset, message.offset, strlen(message.offset) + 1);
    tail->options.on_message(tail->options.arg, &message);
    return true;
}

void rj_sdk_tails_end(struct rejoin *handle, enum rejoin_status status)
{
    struct rejoin_tail *tail;
    DL_FOREACH (handle->tails, tail) {
        if (tail->is_over)
            continue;
        tail->is_over = true;
        tell_state(tail, REJOIN_TAIL_ENDED, status);
    }
}

void rj_sdk_tails_free(struct rejoin *handle)
{
    while (handle->tails)
        free_tail(handle->tails);
}
