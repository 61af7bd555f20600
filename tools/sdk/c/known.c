#include "known.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/mem.h"

#define uthash_fatal(text) rj_oom(0)
#include <uthash.h>

struct rj_sdk_known_socket {
    UT_hash_handle hh;
    uint64_t stream;
    size_t nsp_len;
    char key[]; /* the namespace and its NUL, the id and its NUL */
};

static void put_key(struct rj_buf *key, const char *nsp, const char *sid)
{
    rj_buf_put(key, nsp, strlen(nsp) + 1);
    rj_buf_put(key, sid, strlen(sid) + 1);
}

static struct rj_sdk_known_socket *find(const struct rj_sdk_known *known, const struct rj_buf *key)
{
    struct rj_sdk_known_socket *socket;
    HASH_FIND(hh, known->all, key->data, key->len, socket);
    return socket;
}

bool rj_sdk_known_note(struct rj_sdk_known *known, const char *nsp, const char *sid, uint64_t stream)
{
    struct rj_buf key = {0};
    put_key(&key, nsp, sid);
    struct rj_sdk_known_socket *socket = find(known, &key);
    bool was_there = socket != NULL;
    if (!was_there) {
        socket = rj_calloc(1, sizeof *socket + key.len);
        socket->nsp_len = strlen(nsp);
        memcpy(socket->key, key.data, key.len);
        HASH_ADD(hh, known->all, key, key.len, socket);
    }
    socket->stream = stream;
    rj_buf_free(&key);
    return was_there;
}

bool rj_sdk_known_drop(struct rj_sdk_known *known, const char *nsp, const char *sid)
{
    struct rj_buf key = {0};
    put_key(&key, nsp, sid);
    struct rj_sdk_known_socket *socket = find(known, &key);
    rj_buf_free(&key);
    if (!socket)
        return false;
    HASH_DEL(known->all, socket);
    free(socket);
    return true;
}

void rj_sdk_known_drop_older(struct rj_sdk_known *known, uint64_t stream,
                             void (*on_dropped)(void *arg, const char *nsp, const char *sid), void *arg)
{
    struct rj_sdk_known_socket *socket, *following;
    HASH_ITER (hh, known->all, socket, following) {
        if (socket->stream >= stream)
            continue;
        HASH_DEL(known->all, socket);
        on_dropped(arg, socket->key, socket->key + socket->nsp_len + 1);
        free(socket);
    }
}

void rj_sdk_known_free(struct rj_sdk_known *known)
{
    struct rj_sdk_known_socket *socket, *following;
    HASH_ITER (hh, known->all, socket, following) {
        HASH_DEL(known->all, socket);
        free(socket);
    }
}
