#include "gateway/frontends/linger.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/frontends/timeq.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"

/* What one may still send, for how long, and how many may do so at a time. */
enum { MOST_BYTES = 32 << 20, MOST_MS = 5000, MOST_SOCKETS = 4096 };

struct one {
    struct rj_source source; /* first: a pointer to it is one to this */
    struct rj_timeq_entry end;
    struct rj_linger *linger;
    size_t left_bytes;
};

struct rj_linger {
    struct rj_receiver *receiver;
    struct rj_timeq ends; /* all of them */
    size_t n;
};

static void end(struct one *one)
{
    rj_receiver_remove(one->linger->receiver, &one->source);
    rj_timeq_cancel(&one->end);
    close(one->source.fd);
    one->linger->n--;
    free(one);
}

static void on_bytes(struct rj_source *source, uint8_t *bytes, ssize_t len)
{
    struct one *one = (struct one *)source;
    (void)bytes;
    if (len <= 0 || (size_t)len >= one->left_bytes)
        end(one);
    else
        one->left_bytes -= (size_t)len;
}

struct rj_linger *rj_linger_new(struct rj_receiver *receiver)
{
    struct rj_linger *linger = rj_calloc(1, sizeof *linger);
    linger->receiver = receiver;
    rj_timeq_init(&linger->ends, MOST_MS);
    return linger;
}

void rj_linger_add(struct rj_linger *linger, int fd)
{
    struct one *one = rj_calloc(1, sizeof *one);
    one->linger = linger;
    one->left_bytes = MOST_BYTES;
    one->source.on_bytes = on_bytes;
    shutdown(fd, SHUT_WR);
    if (linger->n >= MOST_SOCKETS || !rj_receiver_add(linger->receiver, &one->source, fd)) {
        close(fd);
        free(one);
        return;
    }
    linger->n++;
    rj_timeq_set(&linger->ends, &one->end, rj_clock_mono_ms());
}

size_t rj_linger_count(const struct rj_linger *linger)
{
    return linger->n;
}

#define ONE_OF(entry) ((struct one *)((char *)(entry)-offsetof(struct one, end)))

void rj_linger_tick(struct rj_linger *linger, uint64_t now_ms)
{
    for (struct rj_timeq_entry *entry; (entry = rj_timeq_expired(&linger->ends, now_ms));)
        end(ONE_OF(entry));
}

uint64_t rj_linger_deadline(const struct rj_linger *linger)
{
    return rj_timeq_first(&linger->ends);
}

void rj_linger_free(struct rj_linger **taken)
{
    struct rj_linger *linger = *taken;
    if (!linger)
        return;
    *taken = NULL;
    rj_linger_tick(linger, UINT64_MAX);
    free(linger);
}
