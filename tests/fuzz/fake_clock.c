#include "tests/fuzz/fake_clock.h"

#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/random.h"

/* The interfaces that this stands in for have no place for a context. */
static uint64_t now_us, drawn, looks;
static bool falters;

enum { START_MS = 1000000, AWAY_US = 6000 };

static uint64_t mix(uint64_t number)
{
    uint64_t mixed = number * 0x9e3779b97f4a7c15;
    return mixed ^ mixed >> 29;
}

void fake_clock_reset(void)
{
    now_us = START_MS * 1000;
    drawn = looks = 0;
    falters = false;
}

void fake_clock_pass(uint64_t ms)
{
    now_us += ms * 1000;
}

void fake_clock_falter(bool does)
{
    falters = does;
}

uint64_t rj_clock_mono_ms(void)
{
    return now_us / 1000;
}

uint64_t rj_clock_mono_us(void)
{
    if (falters && mix(++looks) >> 32 & 1)
        now_us += AWAY_US;
    return now_us;
}

uint64_t rj_clock_wall_ms(void)
{
    return 1700000000000 + now_us / 1000;
}

uint64_t rj_random_u64(void)
{
    return mix(++drawn);
}

void rj_random_bytes(void *out, size_t len)
{
    uint8_t *at = out;
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)(rj_random_u64() >> 32);
}

void rj_random_id(char out[static RJ_ID_LEN + 1])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < RJ_ID_LEN; i++)
        out[i] = alphabet[rj_random_u64() >> 32 & (i + 1 < RJ_ID_LEN ? 63 : 48)];
    out[RJ_ID_LEN] = '\0';
}
