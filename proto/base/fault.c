#include "proto/base/fault.h"

#include <stdio.h>
#include <stdlib.h>

static _Noreturn void refuse(const char *text, const char *why)
{
    fprintf(stderr, "REJOIN_FAULT=%s: %s\n", text, why);
    exit(2);
}

#ifdef RJ_FAULTS

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "proto/base/span.h"

enum action { ACTION_NONE, ACTION_KILL, ACTION_STOP, ACTION_FAIL };

static const char *const point_names[] = {
#define POINT_NAME(name, text, what) text,
    RJ_FAULT_LIST(POINT_NAME)
#undef POINT_NAME
};

static const char *const action_names[] = {"", "kill", "stop", "fail"};

/* Of the process, like the signals it stands for: set before any thread, then only counted. */
static struct {
    enum action action;
    unsigned long skip, every; /* every: 0 = once */
    atomic_ulong passages;
} points[RJ_FAULT_COUNT];

static size_t index_of(const char *const *names, size_t n, struct rj_span name)
{
    size_t i = 0;
    while (i < n && !rj_span_is(name, names[i]))
        i++;
    return i;
}

static unsigned long number_of(struct rj_span digits, const char *text)
{
    unsigned long number = 0;
    if (digits.len == 0)
        refuse(text, "no number after the colon or plus");
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9' || number > 1000000000UL)
            refuse(text, "what follows the colon or plus is no number, or too large");
        number = number * 10 + (unsigned long)(digits.data[i] - '0');
    }
    return number;
}

/* `skip` or `skip+every`. */
static void count_of(struct rj_span count, const char *text, unsigned long *skip, unsigned long *every)
{
    const uint8_t *plus = count.len ? memchr(count.data, '+', count.len) : NULL;
    if (plus) {
        size_t before = (size_t)(plus - count.data);
        *every = number_of(rj_span_from(count, before + 1), text);
        if (*every == 0)
            refuse(text, "every zero passages is too often");
        count.len = before;
    }
    *skip = number_of(count, text);
}

/* One `point[:skip[+every]]=action`. */
static void arm(struct rj_span entry, const char *text)
{
    const uint8_t *equals = entry.len ? memchr(entry.data, '=', entry.len) : NULL;
    if (!equals)
        refuse(text, "expected point[:skip[+every]]=action[,…]");
    struct rj_span name = rj_span_of(entry.data, (size_t)(equals - entry.data));
    struct rj_span action = rj_span_from(entry, name.len + 1);
    unsigned long skip = 0, every = 0;
    const uint8_t *colon = name.len ? memchr(name.data, ':', name.len) : NULL;
    if (colon) {
        size_t before = (size_t)(colon - name.data);
        count_of(rj_span_from(name, before + 1), text, &skip, &every);
        name.len = before;
    }
    size_t point = index_of(point_names, RJ_FAULT_COUNT, name);
    size_t known = index_of(action_names, sizeof action_names / sizeof *action_names, action);
    if (point == RJ_FAULT_COUNT)
        refuse(text, "no such fault point");
    if (known == ACTION_NONE || known == sizeof action_names / sizeof *action_names)
        refuse(text, "the action must be kill, stop or fail");
    if (points[point].action != ACTION_NONE)
        refuse(text, "one point is named twice");
    points[point].action = (enum action)known;
    points[point].skip = skip;
    points[point].every = every;
}

void rj_fault_setup(const char *text)
{
    if (!text || !*text)
        return;
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, ",");
        arm(rj_span_of(at, len), text);
        at += len;
        if (!*at)
            return;
    }
}

bool rj_fault_hit(enum rj_fault_point point)
{
    if (points[point].action == ACTION_NONE)
        return false;
    unsigned long passage = atomic_fetch_add(&points[point].passages, 1), skip = points[point].skip;
    if (passage < skip ||
        (passage > skip && (!points[point].every || (passage - skip) % points[point].every)))
        return false;
    switch (points[point].action) {
    case ACTION_KILL:
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    case ACTION_STOP: kill(getpid(), SIGSTOP); return false;
    default: return true;
    }
}

bool rj_fault_is_reached(enum rj_fault_point point)
{
    return points[point].action == ACTION_FAIL && atomic_load(&points[point].passages) > points[point].skip;
}

#else

void rj_fault_setup(const char *text)
{
    if (text && *text)
        refuse(text, "this build has no fault points");
}

bool rj_fault_hit(enum rj_fault_point point)
{
    (void)point;
    return false;
}

bool rj_fault_is_reached(enum rj_fault_point point)
{
    (void)point;
    return false;
}

#endif
