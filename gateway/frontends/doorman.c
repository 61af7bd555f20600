#include "gateway/frontends/doorman.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/frontends/head.h"
#include "gateway/frontends/timeq.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"

struct guest {
    struct rj_source source; /* first: a pointer to it is one to this */
    struct rj_doorman *doorman;
    struct rj_address *address;
    struct rj_timeq_entry end;
    bool has_sent; /* anything */
};

struct rj_doorman {
    struct rj_doorman_options options;
    struct rj_timeq ends; /* all of them */
    size_t n;
    uint8_t *head; /* of the guest that is looked at; max_header_bytes and one more */
};

static void forget(struct guest *guest)
{
    rj_receiver_remove(guest->doorman->options.receiver, &guest->source);
    rj_timeq_cancel(&guest->end);
    guest->address->half_open--;
    guest->doorman->n--;
    free(guest);
}

static const char *response_of(unsigned status)
{
    static const char bad[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    static const char late[] =
        "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    static const char long_[] = "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\n"
                                "Connection: close\r\n\r\n";
    return status == 400 ? bad : status == 408 ? late : long_;
}

static void turn_away(struct guest *guest, unsigned why)
{
    const struct rj_doorman_options *options = &guest->doorman->options;
    struct rj_address *address = guest->address;
    int fd = guest->source.fd;
    forget(guest);
    if (why) {
        const char *response = response_of(why);
        (void)!send(fd, response, strlen(response), MSG_NOSIGNAL | MSG_DONTWAIT);
        rj_linger_add(options->linger, fd);
    } else {
        close(fd);
    }
    options->turned_away(options->context, address, why);
}

static void let_in(struct guest *guest)
{
    const struct rj_doorman_options *options = &guest->doorman->options;
    struct rj_address *address = guest->address;
    int fd = guest->source.fd;
    forget(guest);
    options->let_in(options->context, fd, address);
}

static void on_ready(struct rj_source *source, bool is_ended)
{
    struct guest *guest = (struct guest *)source;
    struct rj_doorman *doorman = guest->doorman;
    ssize_t len = recv(source->fd, doorman->head, doorman->options.max_header_bytes + 1, MSG_PEEK);
    bool is_early = len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    if (is_early && !is_ended)
        return;
    if (len <= 0) {
        turn_away(guest, 0);
        return;
    }
    guest->has_sent = true;
    switch (rj_head_look(rj_span_of(doorman->head, (size_t)len), doorman->options.max_header_bytes,
                         RJ_MAX_HEADER_LINES)) {
    case RJ_HEAD_MORE:
        if (is_ended)
            turn_away(guest, 0);
        break;
    case RJ_HEAD_WHOLE: let_in(guest); break;
    case RJ_HEAD_BAD: turn_away(guest, 400); break;
    case RJ_HEAD_TOO_LONG: turn_away(guest, 431); break;
    }
}

struct rj_doorman *rj_doorman_new(const struct rj_doorman_options *options)
{
    struct rj_doorman *doorman = rj_calloc(1, sizeof *doorman);
    doorman->options = *options;
    doorman->head = rj_alloc(options->max_header_bytes + 1);
    rj_timeq_init(&doorman->ends, options->timeout_ms);
    return doorman;
}

void rj_doorman_add(struct rj_doorman *doorman, int fd, struct rj_address *address)
{
    struct guest *guest = rj_calloc(1, sizeof *guest);
    guest->doorman = doorman;
    guest->address = address;
    guest->source.on_ready = on_ready;
    address->half_open++;
    doorman->n++;
    rj_timeq_set(&doorman->ends, &guest->end, rj_clock_mono_ms());
    if (!rj_receiver_add(doorman->options.receiver, &guest->source, fd))
        turn_away(guest, 0);
}

size_t rj_doorman_count(const struct rj_doorman *doorman)
{
    return doorman->n;
}

#define GUEST_OF(entry) ((struct guest *)((char *)(entry)-offsetof(struct guest, end)))

/* Browsers connect in advance: who has said nothing gets no answer. */
void rj_doorman_tick(struct rj_doorman *doorman, uint64_t now_ms)
{
    for (struct rj_timeq_entry *entry; (entry = rj_timeq_expired(&doorman->ends, now_ms));)
        turn_away(GUEST_OF(entry), GUEST_OF(entry)->has_sent ? 408 : 0);
}

uint64_t rj_doorman_deadline(const struct rj_doorman *doorman)
{
    return rj_timeq_first(&doorman->ends);
}

void rj_doorman_free(struct rj_doorman **taken)
{
    struct rj_doorman *doorman = *taken;
    if (!doorman)
        return;
    *taken = NULL;
    for (struct rj_timeq_entry *entry; (entry = rj_timeq_expired(&doorman->ends, UINT64_MAX));)
        turn_away(GUEST_OF(entry), 0);
    free(doorman->head);
    free(doorman);
}
