/* The handle and its turn:
 *
 *   receive    what came: answers, messages and jobs go to their calls, tails and services, which call back
 *   tick       what is due: a silent stream ends, a fresh one is opened
 *   settle     a refused handle ends everything that waits
 *   posts      what other threads want to be run
 *   send       what tails, calls and services have to say, in frames, while the pipe takes them
 *   rest       set the descriptor for whatever the next turn has to look at
 *
 * Public calls only queue; nothing is sent outside a turn.
 */
#include "rejoin.h"

#include <poll.h>
#include <stdlib.h>

#include "handle.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "service.h"
#include "status.h"
#include "tail.h"

enum { DEFAULT_UNANSWERED = 10000, DEFAULT_UNANSWERED_BYTES = 64 * 1024 * 1024 };

enum rejoin_status rj_sdk_fail(struct rejoin *handle, enum rejoin_status status, const char *text)
{
    rj_buf_clear(&handle->detail);
    if (text)
        rj_buf_put_str(&handle->detail, text);
    return status;
}

enum rejoin_status rj_sdk_reply_status(struct rejoin *handle, const Rejoin__Reply *reply)
{
    if (!reply->error)
        return REJOIN_OK;
    enum rejoin_status status = rj_sdk_status_of_code(reply->error->code);
    if (status == REJOIN_OK) /* an error that calls itself none */
        status = REJOIN_INTERNAL;
    return rj_sdk_fail(handle, status, reply->error->message);
}

/* A new stream: tails first, so that they see what the repeated publishes add; services last, so that the
 * broker knows what is answered before it gives jobs again. */
static void on_live(void *owner)
{
    struct rejoin *handle = owner;
    rj_sdk_tails_rewind(handle);
    rj_sdk_services_rewind(handle);
    rj_sdk_calls_rewind(handle);
}

/* An answer that nobody waits for any more is dropped. */
static void on_reply(struct rejoin *handle, const Rejoin__Reply *reply)
{
    if (!rj_sdk_calls_answer(handle, reply) && !rj_sdk_tails_answer(handle, reply))
        rj_sdk_services_answer(handle, reply);
}

static void on_item(void *owner, const Rejoin__Item *item)
{
    struct rejoin *handle = owner;
    switch (item->kind_case) {
    case REJOIN__ITEM__KIND_REPLY: on_reply(handle, item->reply); break;
    case REJOIN__ITEM__KIND_DELIVER: rj_sdk_tails_deliver(handle, item->deliver); break;
    case REJOIN__ITEM__KIND_JOB: rj_sdk_services_job(handle, item->job); break;
    case REJOIN__ITEM__KIND_OPENED: rj_sdk_services_opened(handle, item->opened); break;
    case REJOIN__ITEM__KIND_CLOSED: rj_sdk_services_closed(handle, item->closed); break;
    case REJOIN__ITEM__KIND_TOLD: rj_sdk_services_told(handle, item->told); break;
    default: break; /* a kind that a later MINOR adds is none of our business */
    }
}

enum rejoin_status rejoin_open(const struct rejoin_options *options, struct rejoin **out)
{
    if (!options || !options->endpoint || !options->name || !*options->endpoint || !*options->name)
        return REJOIN_BAD_REQUEST;
    struct rejoin *handle = rj_calloc(1, sizeof *handle);
    handle->calls.most = options->max_unanswered ? options->max_unanswered : DEFAULT_UNANSWERED;
    handle->calls.most_bytes =
        options->max_unanswered_bytes ? options->max_unanswered_bytes : DEFAULT_UNANSWERED_BYTES;
    handle->link.on_live = on_live;
    handle->link.on_item = on_item;
    handle->link.owner = handle;
    enum rejoin_status status = rj_sdk_wake_open(&handle->wake);
    if (status != REJOIN_OK)
        goto no_wake;
    status = rj_sdk_posts_open(&handle->posts, &handle->wake);
    if (status != REJOIN_OK)
        goto no_posts;
    status = rj_sdk_link_open(&handle->link, &handle->wake, options->endpoint, options->name);
    if (status != REJOIN_OK)
        goto no_link;
    rj_sdk_wake_now(&handle->wake); /* the connecting socket's edges may have passed already */
    *out = handle;
    return REJOIN_OK;

no_link:
    rj_sdk_posts_close(&handle->posts);
no_posts:
    rj_sdk_wake_close(&handle->wake);
no_wake:
    free(handle);
    return status;
}

enum rejoin_status rejoin_close(struct rejoin **handle)
{
    struct rejoin *closing = *handle;
    if (!closing)
        return REJOIN_OK;
    if (closing->is_in_turn)
        return rj_sdk_fail(closing, REJOIN_MISUSE, "rejoin_close inside a callback");
    closing->is_in_turn = true;
    rj_sdk_link_leave(&closing->link);
    rj_sdk_link_refuse(&closing->link, REJOIN_CLOSED, "the handle is closed"); /* callbacks start nothing */
    rj_sdk_calls_end(closing, REJOIN_CLOSED);
    while (rj_sdk_posts_run(closing))
        ;
    rj_sdk_jobs_forget(closing, NULL);
    rj_sdk_services_free(closing);
    rj_sdk_tails_free(closing);
    rj_sdk_posts_close(&closing->posts);
    rj_sdk_link_close(&closing->link);
    rj_sdk_wake_close(&closing->wake);
    rj_buf_free(&closing->detail);
    free(closing);
    *handle = NULL;
    return REJOIN_OK;
}

static void send_all(struct rejoin *handle)
{
    do {
        if (rj_sdk_link_is_open(&handle->link)) {
            rj_sdk_tails_put(handle);
            rj_sdk_calls_put(handle);
            rj_sdk_services_put(handle);
        }
    } while (rj_sdk_link_flush(&handle->link));
}

static void settle(struct rejoin *handle)
{
    if (handle->link.state != RJ_SDK_LINK_REFUSED)
        return;
    rj_sdk_fail(handle, handle->link.refusal, NULL);
    rj_sdk_calls_end(handle, handle->link.refusal);
    rj_sdk_tails_end(handle, handle->link.refusal);
    rj_sdk_services_end(handle, handle->link.refusal);
}

static void rest(struct rejoin *handle, bool has_more)
{
    if (has_more || rj_sdk_link_has_work(&handle->link))
        rj_sdk_wake_now(&handle->wake);
    else
        rj_sdk_wake_at(&handle->wake, rj_sdk_link_due_ms(&handle->link), rj_clock_mono_ms());
}

enum rejoin_status rejoin_process(struct rejoin *handle)
{
    if (handle->is_in_turn)
        return rj_sdk_fail(handle, REJOIN_MISUSE, "a turn inside a callback");
    handle->is_in_turn = true;
    bool has_more = rj_sdk_link_receive(&handle->link);
    rj_sdk_link_tick(&handle->link);
    settle(handle);
    rj_sdk_posts_run(handle);
    send_all(handle);
    rest(handle, has_more);
    handle->is_in_turn = false;
    return handle->link.state == RJ_SDK_LINK_REFUSED ? handle->link.refusal : REJOIN_OK;
}

static void wait_for_work(struct rejoin *handle, int timeout_ms)
{
    struct pollfd waiting = {.fd = handle->wake.epoll_fd, .events = POLLIN};
    poll(&waiting, 1, timeout_ms); /* a signal or an error here is no reason not to take the turn */
}

enum rejoin_status rejoin_run_once(struct rejoin *handle, int timeout_ms)
{
    if (handle->is_in_turn)
        return rj_sdk_fail(handle, REJOIN_MISUSE, "a turn inside a callback");
    if (handle->link.state != RJ_SDK_LINK_REFUSED) /* else nothing will ever come */
        wait_for_work(handle, timeout_ms < 0 ? -1 : timeout_ms);
    return rejoin_process(handle);
}

uint64_t rj_sdk_deadline(int timeout_ms)
{
    return timeout_ms < 0 ? UINT64_MAX : rj_clock_mono_ms() + (uint64_t)timeout_ms;
}

enum rejoin_status rj_sdk_turn_until(struct rejoin *handle, uint64_t deadline_ms)
{
    uint64_t now = rj_clock_mono_ms(), left = deadline_ms > now ? deadline_ms - now : 0;
    enum rejoin_status status = rejoin_run_once(handle, left > INT32_MAX ? -1 : (int)left);
    if (status != REJOIN_OK || rj_clock_mono_ms() < deadline_ms)
        return status;
    return rj_sdk_fail(handle, REJOIN_TIMEOUT, rejoin_is_connected(handle) ? "no answer in time" : NULL);
}

enum rejoin_status rj_sdk_await(struct rejoin *handle, uint64_t id, const bool *is_done, uint64_t deadline_ms)
{
    while (!*is_done) {
        enum rejoin_status status = rj_sdk_turn_until(handle, deadline_ms);
        if (status != REJOIN_OK && !*is_done) {
            rj_sdk_call_abandon(handle, id);
            return status;
        }
    }
    return REJOIN_OK;
}

enum rejoin_status rejoin_connect(struct rejoin *handle, int timeout_ms)
{
    uint64_t deadline_ms = rj_sdk_deadline(timeout_ms);
    while (!rejoin_is_connected(handle)) {
        enum rejoin_status status = rj_sdk_turn_until(handle, deadline_ms);
        if (status != REJOIN_OK && !rejoin_is_connected(handle))
            return status;
    }
    return REJOIN_OK;
}

enum rejoin_status rejoin_flush(struct rejoin *handle, int timeout_ms)
{
    uint64_t deadline_ms = rj_sdk_deadline(timeout_ms);
    while (rejoin_unanswered(handle) > 0) {
        enum rejoin_status status = rj_sdk_turn_until(handle, deadline_ms);
        if (status != REJOIN_OK && rejoin_unanswered(handle) > 0)
            return status;
    }
    return REJOIN_OK;
}

bool rejoin_is_connected(const struct rejoin *handle)
{
    return handle->link.state == RJ_SDK_LINK_LIVE;
}

size_t rejoin_unanswered(const struct rejoin *handle)
{
    return HASH_COUNT(handle->calls.all);
}

int rejoin_fd(const struct rejoin *handle)
{
    return handle->wake.epoll_fd;
}

const char *rejoin_detail(struct rejoin *handle)
{
    return rj_buf_cstr(handle->detail.len ? &handle->detail : &handle->link.reason);
}
