#include "broker/reads/reads.h"

#include <stdlib.h>

#include "broker/base/names.h"
#include "broker/rooms/rooms.h"
#include "proto/base/mem.h"

/* A read on its way to the disk. */
struct reading {
    struct rj_broker *broker;
    struct rj_reply_to to;
    struct rj_room_name room;
    uint64_t seq;   /* where the cursor stands with it */
    bool has_moved; /* it was somewhere else before */
    char nsp[RJ_NAMESPACE_MAX + 1];
    char user[RJ_USER_MAX + 1];
};

enum rj_status rj_reads_whose(struct rj_request *request, const char *nsp, const char *user,
                              struct rj_reader_name *out)
{
    const struct rj_session *session = request->session;
    if (session) {
        *out = (struct rj_reader_name){session->nsp, session->user};
        return session->user[0] ? RJ_OK : RJ_NO_USER;
    }
    *out = (struct rj_reader_name){nsp, user};
    if (!rj_namespace_is_known(request->broker, nsp))
        return RJ_BAD_NAMESPACE;
    return rj_name_is_valid(user, RJ_USER_MAX) ? RJ_OK : RJ_BAD_NAME;
}

uint64_t rj_reads_unread(const struct rj_room_state *room, uint64_t seq)
{
    uint64_t gone = room->floor_seq ? room->floor_seq - 1 : 0;
    uint64_t read = seq > gone ? seq : gone;
    return room->head_seq > read ? room->head_seq - read : 0;
}

static void on_read(void *ctx, enum rj_status status)
{
    struct reading *reading = ctx;
    struct rj_broker *broker = reading->broker;
    if (status != RJ_OK) {
        rj_reply_error(broker, reading->to, status, NULL);
        free(reading);
        return;
    }
    struct rj_room_state state = rj_store_room_state(broker->store, reading->room.id);
    Rejoin__ReadUpTo result = REJOIN__READ_UP_TO__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    result.seq = reading->seq;
    result.unread = rj_reads_unread(&state, reading->seq);
    reply.result_case = REJOIN__REPLY__RESULT_READ;
    reply.read = &result;
    rj_reply(broker, reading->to, &reply);
    if (reading->has_moved && reading->seq)
        rj_read_receipts_note(broker, (struct rj_reader_name){reading->nsp, reading->user},
                              rj_span_of(reading->room.key, reading->room.key_len), reading->room.id,
                              reading->seq);
    free(reading);
}

/* Moves the cursor to what `reading` says, which is where it stands already or ahead of that. */
static enum rj_status move(struct rj_request *request, struct rj_reader_name reader, struct reading *reading)
{
    struct rj_broker *broker = request->broker;
    struct rj_read_room room = {reading->room.id,
                                rj_target_key_name(rj_span_of(reading->room.key, reading->room.key_len))};
    if (reading->has_moved)
        return rj_read_cursor_move(&broker->read_cursors, broker->store, reader, room, reading->seq,
                                   broker->conf->read_cursors, on_read, reading);
    /* Where it stands may be on its way to the disk. */
    rj_store_barrier(broker->store, on_read, reading);
    return RJ_OK;
}

static enum rj_status find_room(struct rj_request *request, const Rejoin__Read *read,
                                struct rj_room_name *room)
{
    struct rj_broker *broker = request->broker;
    if (request->session && !read->forget)
        return rj_room_authorize(broker, request->session, read->room, false, room);
    /* To forget one's own cursor one need not be a member any more. */
    return rj_room_resolve(broker, request->session ? request->session->nsp : read->namespace_, read->room,
                           false, room);
}

/* Where the cursor is to stand: nowhere before where it is, and not past what is committed. */
static uint64_t target_of(const struct rj_broker *broker, const Rejoin__Read *read, rj_room_id room,
                          uint64_t stands)
{
    uint64_t head = rj_store_room_state(broker->store, room).head_seq;
    uint64_t wanted = read->all || read->seq > head ? head : read->seq;
    return wanted > stands ? wanted : stands;
}

enum rj_status rj_cmd_read(struct rj_request *request)
{
    struct rj_broker *broker = request->broker;
    const Rejoin__Read *read = request->command->read;
    struct rj_reader_name reader;
    struct rj_room_name room;
    uint64_t stands;
    enum rj_status status = rj_reads_whose(request, read->namespace_, read->user, &reader);
    if (status == RJ_OK)
        status = find_room(request, read, &room);
    if (status == RJ_OK)
        status = rj_read_cursor_get(&broker->read_cursors, broker->store, reader, room.id, &stands);
    if (status != RJ_OK)
        return status;
    if (!stands && !read->forget && strlen(reader.user) > broker->conf->max_user_name)
        return request->why = "the user's name is longer than max-user-name", RJ_BAD_NAME;

    struct reading *reading = rj_calloc(1, sizeof *reading);
    reading->broker = broker;
    reading->to = request->to;
    reading->room = room;
    strcpy(reading->nsp, reader.nsp);
    strcpy(reading->user, reader.user);
    if (!read->forget)
        reading->seq = target_of(broker, read, room.id, stands);
    reading->has_moved = reading->seq != stands;
    broker->stats.reads++;
    status = read->forget ? rj_read_cursor_forget(&broker->read_cursors, broker->store, reader, room.id,
                                                  on_read, reading)
                          : move(request, reader, reading);
    if (status != RJ_OK)
        free(reading);
    return status;
}
