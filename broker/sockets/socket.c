#include "broker/sockets/socket.h"

#include "proto/wire.h"

static char **room_names(const struct rj_session *session, struct rj_arena *arena)
{
    char **names = rj_arena_alloc(arena, (session->n_rooms + 1) * sizeof *names);
    for (size_t i = 0; i < session->n_rooms; i++) {
        const struct rj_room *room = session->rooms[i].room;
        struct rj_span name = rj_target_key_name(rj_span_of(room->key, room->key_len));
        names[i] = rj_arena_copy(arena, name.data, name.len);
    }
    return names;
}

static void fill_handshake(const struct rj_session *session, struct rj_arena *arena, Rejoin__Socket *out)
{
    struct rj_span packed = rj_span_of(session->handshake, session->n_handshake);
    const Rejoin__Socket *kept =
        packed.len ? (Rejoin__Socket *)rj_wire_unpack_message(&rejoin__socket__descriptor, packed, arena)
                   : NULL;
    if (!kept)
        return;
    out->handshake = kept->handshake;
    out->auth = kept->auth;
}

void rj_socket_fill(const struct rj_session *session, bool with_handshake, struct rj_arena *arena,
                    Rejoin__Socket *out)
{
    rejoin__socket__init(out);
    out->sid = (char *)(uintptr_t)session->sid;
    out->namespace_ = session->nsp;
    out->user = session->user;
    out->rooms = room_names(session, arena);
    out->n_rooms = session->n_rooms;
    out->data = (ProtobufCBinaryData){session->n_data, session->data};
    out->connected_ms = session->connected_ms;
    if (with_handshake)
        fill_handshake(session, arena, out);
}

void rj_socket_pack_handshake(Rejoin__Handshake *handshake, struct rj_span auth, struct rj_buf *out)
{
    Rejoin__Socket socket = REJOIN__SOCKET__INIT;
    socket.handshake = handshake;
    socket.auth = (ProtobufCBinaryData){auth.len, (uint8_t *)(uintptr_t)auth.data};
    rj_wire_pack(&socket.base, out);
}
