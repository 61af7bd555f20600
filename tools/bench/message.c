#include <stdio.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "tools/bench/bench.h"

void bench_publish(struct load_conn *conn, const char *room, uint64_t id, uint32_t size)
{
    static char text[66000];
    int head = snprintf(text, sizeof text, "42%llu[\"room:publish\",{\"room\":\"%s\",\"data\":\"%016llu",
                        (unsigned long long)id, room, (unsigned long long)rj_clock_mono_us());
    size_t at = (size_t)head, padding = size > 16 ? size - 16 : 0;
    memset(text + at, 'x', padding);
    at += padding;
    memcpy(text + at, "\"}]", 3);
    load_send(conn, text, at + 3);
}

static uint64_t digits(const uint8_t *at, const uint8_t *end)
{
    uint64_t value = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    return value;
}

bool bench_message(struct rj_span text, uint64_t *seq, uint64_t *sent_us)
{
    static const char prefix[] = "2[\"room:message\",{\"room\":\"",
                      key[] = "\"seq\":", data[] = "\"data\":\"";
    const uint8_t *end = text.data + text.len;
    if (text.len < sizeof prefix || memcmp(text.data, prefix, sizeof prefix - 1) != 0)
        return false;
    const uint8_t *at = memmem(text.data, text.len, key, sizeof key - 1);
    if (!at)
        return false;
    *seq = digits(at + sizeof key - 1, end);
    if (!sent_us)
        return true;
    at = memmem(at, (size_t)(end - at), data, sizeof data - 1);
    if (!at)
        return false;
    *sent_us = digits(at + sizeof data - 1, end);
    return true;
}

bool bench_ack(struct rj_span text, uint64_t *id)
{
    *id = digits(text.data + 1, text.data + text.len);
    return memmem(text.data, text.len, "\"ok\":true", 9) != NULL;
}
