#include "gateway/frontends/addresses.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <uthash.h>

#include "proto/base/mem.h"

enum { KEY_BYTES = 8 };

struct entry {
    struct rj_address address; /* first: a pointer to it is one to this */
    uint8_t key[KEY_BYTES];
    UT_hash_handle hh;
};

struct rj_addresses {
    struct entry *entries;
};

/* The first half of an IPv6 address. An IPv4 address, mapped into IPv6 or not, stands in the second half of
 * the key behind zeroes, where no IPv6 site is. */
static void make_key(const struct sockaddr_storage *peer, uint8_t key[static KEY_BYTES])
{
    memset(key, 0, KEY_BYTES);
    if (peer->ss_family == AF_INET) {
        memcpy(key + 4, &((const struct sockaddr_in *)peer)->sin_addr, 4);
    } else if (peer->ss_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)peer)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(in6))
            memcpy(key + 4, in6->s6_addr + 12, 4);
        else
            memcpy(key, in6->s6_addr, KEY_BYTES);
    }
}

struct rj_addresses *rj_addresses_new(void)
{
    return rj_calloc(1, sizeof(struct rj_addresses));
}

struct rj_address *rj_addresses_enter(struct rj_addresses *addresses, int fd)
{
    struct entry *entry;
    uint8_t key[KEY_BYTES];
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0)
        len = 0; /* it is gone already: counted with all others that are */
    make_key(&peer, key);
    HASH_FIND(hh, addresses->entries, key, KEY_BYTES, entry);
    if (!entry) {
        entry = rj_calloc(1, sizeof *entry);
        memcpy(entry->key, key, KEY_BYTES);
        entry->address.owner = addresses;
        getnameinfo((struct sockaddr *)&peer, len, entry->address.text, sizeof entry->address.text, NULL, 0,
                    NI_NUMERICHOST);
        HASH_ADD(hh, addresses->entries, key, KEY_BYTES, entry);
    }
    entry->address.connections++;
    return &entry->address;
}

static void free_unused(struct rj_address *address)
{
    struct entry *entry = (struct entry *)address;
    if (address->connections > 0 || address->sessions > 0)
        return;
    HASH_DEL(address->owner->entries, entry);
    free(entry);
}

void rj_address_leave(struct rj_address **taken)
{
    struct rj_address *address = *taken;
    *taken = NULL;
    address->connections--;
    free_unused(address);
}

struct rj_address *rj_address_hold(struct rj_address *address)
{
    address->sessions++;
    return address;
}

void rj_address_let_go(struct rj_address **taken)
{
    struct rj_address *address = *taken;
    *taken = NULL;
    address->sessions--;
    free_unused(address);
}

size_t rj_addresses_count(const struct rj_addresses *addresses)
{
    return HASH_COUNT(addresses->entries);
}

void rj_addresses_free(struct rj_addresses **taken)
{
    free(*taken);
    *taken = NULL;
}
