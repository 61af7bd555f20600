/* librejoin: look at the clients' sockets, and command them.
 *
 * A socket is one client in one namespace. All of these calls are answered by the broker alone, from memory;
 * what they change is durable when the answer comes. Whether clients run no code here or a backend serves
 * them makes no difference. The rules of rejoin.h hold: turns, threads, callbacks, ownership, units, bounds.
 */
#ifndef REJOIN_SOCKETS_H
#define REJOIN_SOCKETS_H

#include "rejoin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --------------------------------------------------------------------------------------------- what it is */

struct rejoin_header {
    const char *name;
    const char *value;
};

/* The HTTP request that opened the client's connection. */
struct rejoin_handshake {
    const char *address;   /* of the client's end */
    const char *transport; /* "polling" or "websocket" */
    const char *url;
    bool is_secure;
    uint64_t issued_ms; /* Unix time */
    const struct rejoin_header *headers;
    size_t header_count;
};

/* No pointer is NULL but `handshake`; a missing text is "". */
struct rejoin_socket {
    const char *sid;
    const char *nsp;
    const char *user; /* "": anonymous */
    const char *data; /* what a backend has set, one JSON text; "": nothing */
    struct rejoin_names rooms;
    uint64_t connected_ms; /* when the present connection began, Unix time */
    /* The next two are kept from clients that connect while some backend serves the namespace. */
    const struct rejoin_handshake *handshake; /* NULL: not asked for, or not kept */
    const char
        *auth; /* what the client gave as `auth`, a JSON object; "": nothing, not asked for, not kept */
};

/* Which sockets: all that is set must hold, of several names in a list any. With nothing set, every socket of
 * the namespace. At most 64 rooms, and 1,000 names in each of the other lists. */
struct rejoin_filter {
    const char *nsp; /* NULL = "/" */
    struct rejoin_names rooms;
    struct rejoin_names users;
    struct rejoin_names sids;
    struct rejoin_names except_rooms;
    struct rejoin_names except_sids;
};

/* ----------------------------------------------------------------------------------------------- commands */

/* `sockets`: how many the filter met; 0 unless `status` is REJOIN_OK. */
typedef void rejoin_on_affected(void *arg, enum rejoin_status status, uint64_t sockets);

typedef void rejoin_on_done(void *arg, enum rejoin_status status);

/* Makes the sockets members of all of `rooms` (at most 64); who is one already stays it, and who would be in
 * more rooms than a socket may is left out and not counted. `callback` (may be NULL) is
 * called exactly once. REJOIN_BAD_REQUEST: no rooms; REJOIN_BUSY, REJOIN_TOO_LARGE as for rejoin_publish. */
enum rejoin_status rejoin_sockets_join(struct rejoin *handle, const struct rejoin_filter *filter,
                                       const struct rejoin_names *rooms, rejoin_on_affected *callback,
                                       void *arg);

/* Ends their membership of all of `rooms`. As rejoin_sockets_join. */
enum rejoin_status rejoin_sockets_leave(struct rejoin *handle, const struct rejoin_filter *filter,
                                        const struct rejoin_names *rooms, rejoin_on_affected *callback,
                                        void *arg);

/* Disconnects them, for good: their clients do not come back by themselves and get a fresh session when they
 * are told to. `close`: the connection too, with all its namespaces. */
enum rejoin_status rejoin_sockets_disconnect(struct rejoin *handle, const struct rejoin_filter *filter,
                                             bool close, rejoin_on_affected *callback, void *arg);

/* Waiting variants; `out` may be NULL. */
enum rejoin_status rejoin_sockets_join_wait(struct rejoin *handle, const struct rejoin_filter *filter,
                                            const struct rejoin_names *rooms, int timeout_ms, uint64_t *out);
enum rejoin_status rejoin_sockets_leave_wait(struct rejoin *handle, const struct rejoin_filter *filter,
                                             const struct rejoin_names *rooms, int timeout_ms, uint64_t *out);
enum rejoin_status rejoin_sockets_disconnect_wait(struct rejoin *handle, const struct rejoin_filter *filter,
                                                  bool close, int timeout_ms, uint64_t *out);

/* Sets a socket's data: one JSON text of at most 65,536 bytes; NULL or "" takes it away. `nsp` NULL = "/".
 * REJOIN_NOT_FOUND (to the callback): there is no such socket. */
enum rejoin_status rejoin_socket_set_data(struct rejoin *handle, const char *nsp, const char *sid,
                                          const char *data, rejoin_on_done *callback, void *arg);
enum rejoin_status rejoin_socket_set_data_wait(struct rejoin *handle, const char *nsp, const char *sid,
                                               const char *data, int timeout_ms);

/* ------------------------------------------------------------------------------------------------ queries */

struct rejoin_socket_query {
    struct rejoin_filter filter;
    bool count_only;
    bool with_handshake; /* and with `auth` */
    uint64_t after;      /* `next` of the page before; 0: the first page */
    uint32_t limit;      /* of one page; 0 = 1,000, at most 10,000 */
};

/* Owned by whoever received it; valid also after the handle is closed. */
struct rejoin_socket_page {
    const struct rejoin_socket *sockets;
    size_t count;
    uint64_t next;  /* 0: there is no further page */
    uint64_t total; /* with count_only: how many the filter meets */
};

/* `page` belongs to the callback, which frees it; NULL unless `status` is REJOIN_OK. */
typedef void rejoin_on_sockets(void *arg, enum rejoin_status status, struct rejoin_socket_page *page);

/* Asks for a page of sockets. A page may be shorter than its limit, even empty: `next` alone tells whether it
 * was the last. A socket that is there from the first page to the last stands on exactly one of them; one
 * that comes or goes meanwhile may be missing. REJOIN_GAP, to the callback: the broker was restarted since
 * the page before, which nothing can follow; begin again at the first. */
enum rejoin_status rejoin_sockets_list(struct rejoin *handle, const struct rejoin_socket_query *query,
                                       rejoin_on_sockets *callback, void *arg);
enum rejoin_status rejoin_sockets_list_wait(struct rejoin *handle, const struct rejoin_socket_query *query,
                                            int timeout_ms, struct rejoin_socket_page **out);

/* Frees the page and sets `*page` to NULL; NULL inside is fine. */
void rejoin_socket_page_free(struct rejoin_socket_page **page);

/* Goes through all pages, waiting for each up to `timeout_ms`, and calls `on_socket` for every socket until
 * it answers false. REJOIN_GAP, after some were shown: the broker was restarted meanwhile. `on_socket` is no
 * callback in the sense of rejoin.h: waiting calls are allowed in it. */
enum rejoin_status rejoin_sockets_each(struct rejoin *handle, const struct rejoin_socket_query *query,
                                       int timeout_ms,
                                       bool (*on_socket)(void *arg, const struct rejoin_socket *socket),
                                       void *arg);

/* How many sockets the filter meets. */
enum rejoin_status rejoin_sockets_count_wait(struct rejoin *handle, const struct rejoin_filter *filter,
                                             int timeout_ms, uint64_t *out);

struct rejoin_room_query {
    const char *nsp;     /* NULL = "/" */
    const char *after;   /* only names that sort after this one, by their bytes; NULL: from the first */
    const char *pattern; /* in which * stands for any bytes; NULL: all */
    uint32_t limit;      /* 0 = 1,000, at most 10,000 */
};

struct rejoin_room {
    const char *name;
    uint64_t members; /* sockets in it, at least one */
};

/* Owned by whoever received it; valid also after the handle is closed. */
struct rejoin_room_page {
    const struct rejoin_room *rooms; /* ascending by name */
    size_t count;
    bool has_more; /* ask again, `after` the last one's name, however short this page is */
};

/* `page` belongs to the callback, which frees it; NULL unless `status` is REJOIN_OK. */
typedef void rejoin_on_rooms(void *arg, enum rejoin_status status, struct rejoin_room_page *page);

/* Asks for the rooms that somebody is in. */
enum rejoin_status rejoin_rooms_list(struct rejoin *handle, const struct rejoin_room_query *query,
                                     rejoin_on_rooms *callback, void *arg);
enum rejoin_status rejoin_rooms_list_wait(struct rejoin *handle, const struct rejoin_room_query *query,
                                          int timeout_ms, struct rejoin_room_page **out);

/* Frees the page and sets `*page` to NULL; NULL inside is fine. */
void rejoin_room_page_free(struct rejoin_room_page **page);

#ifdef __cplusplus
}
#endif

#endif
