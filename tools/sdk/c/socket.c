#include "socket.h"

static const struct rejoin_handshake *handshake_of(const Rejoin__Handshake *from, struct rj_arena *arena)
{
    struct rejoin_handshake *handshake = rj_arena_alloc(arena, sizeof *handshake);
    struct rejoin_header *headers = rj_arena_alloc(arena, from->n_headers * sizeof *headers);
    for (size_t i = 0; i < from->n_headers; i++)
        headers[i] = (struct rejoin_header){from->headers[i]->name, from->headers[i]->value};
    *handshake = (struct rejoin_handshake){.address = from->address,
                                           .transport = from->transport,
                                           .url = from->url,
                                           .is_secure = from->secure,
                                           .issued_ms = from->issued_ms,
                                           .headers = headers,
                                           .header_count = from->n_headers};
    return handshake;
}

static const char *text_of(const ProtobufCBinaryData *bytes, struct rj_arena *arena)
{
    return bytes->len ? rj_arena_copy(arena, bytes->data, bytes->len) : "";
}

void rj_sdk_socket_of(const Rejoin__Socket *socket, struct rj_arena *arena, struct rejoin_socket *out)
{
    static const Rejoin__Socket none = REJOIN__SOCKET__INIT;
    if (!socket)
        socket = &none;
    *out = (struct rejoin_socket){
        .sid = socket->sid,
        .nsp = socket->namespace_,
        .user = socket->user,
        .data = text_of(&socket->data, arena),
        .rooms = {(const char *const *)socket->rooms, socket->n_rooms},
        .connected_ms = socket->connected_ms,
        .handshake = socket->handshake ? handshake_of(socket->handshake, arena) : NULL,
        .auth = text_of(&socket->auth, arena),
    };
}
