#include "box.h"
#include "handle.h"
#include "message.h"

static struct rejoin_answers *answers_of(const Rejoin__AskResult *result)
{
    struct rj_arena *arena;
    struct rejoin_answers *answers = rj_sdk_box_new(sizeof *answers, &arena);
    const Rejoin__AskResult *copy = (const Rejoin__AskResult *)rj_sdk_box_copy(&result->base, arena);
    struct rejoin_answer *list = rj_arena_alloc(arena, copy->n_answers * sizeof *list);
    for (size_t i = 0; i < copy->n_answers; i++) {
        const Rejoin__AskResult__One *one = copy->answers[i];
        list[i] = (struct rejoin_answer){
            .sid = one->sid, .args = rj_sdk_args_of(&one->args, one->n_attachments, one->attachments, arena)};
    }
    answers->answers = list;
    answers->count = copy->n_answers;
    answers->missing = (struct rejoin_names){(const char *const *)copy->missing, copy->n_missing};
    answers->asked = copy->asked;
    answers->is_truncated = copy->truncated;
    return answers;
}

void rejoin_answers_free(struct rejoin_answers **answers)
{
    rj_sdk_box_free(*answers);
    *answers = NULL;
}

static void finish_ask(struct rejoin *handle, struct rj_sdk_call *call, enum rejoin_status status,
                       const Rejoin__Reply *reply)
{
    status = rj_sdk_check_result(handle, status, reply, REJOIN__REPLY__RESULT_ASK);
    call->end.callback.answers(call->end.arg, status, status == REJOIN_OK ? answers_of(reply->ask) : NULL);
}

static enum rejoin_status start_ask(struct rejoin *handle, const struct rejoin_ask *ask,
                                    rejoin_on_answers *callback, void *arg, uint64_t *id)
{
    if (!ask || !callback)
        return rj_sdk_fail(handle, REJOIN_BAD_REQUEST, "a question needs a message and a callback");
    struct rejoin_publish said = ask->message;
    said.is_plain = true;
    said.is_volatile = false;
    struct rj_sdk_draft draft;
    enum rejoin_status status = rj_sdk_draft(handle, &said, &draft);
    if (status != REJOIN_OK)
        return status;
    Rejoin__Ask body = REJOIN__ASK__INIT;
    body.message = &draft.message;
    body.timeout_ms = ask->timeout_ms;
    body.max_answers = ask->max_answers;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    command.kind_case = REJOIN__COMMAND__KIND_ASK;
    command.ask = &body;
    const struct rj_sdk_end end = {
        .finish = finish_ask, .callback.answers = callback, .arg = arg, .is_said_once = true};
    return rj_sdk_call_start(handle, &command, &end, id);
}

enum rejoin_status rejoin_ask(struct rejoin *handle, const struct rejoin_ask *ask,
                              rejoin_on_answers *callback, void *arg)
{
    uint64_t id;
    return start_ask(handle, ask, callback, arg, &id);
}

static void on_waited(void *arg, enum rejoin_status status, struct rejoin_answers *answers)
{
    rj_sdk_waited(arg, status, answers);
}

static enum rejoin_status begin(struct rejoin *handle, const void *request, struct rj_sdk_waiting *waiting,
                                uint64_t *id)
{
    return start_ask(handle, request, on_waited, waiting, id);
}

enum rejoin_status rejoin_ask_wait(struct rejoin *handle, const struct rejoin_ask *ask, int timeout_ms,
                                   struct rejoin_answers **out)
{
    struct rj_sdk_waiting waiting;
    enum rejoin_status status = rj_sdk_wait(handle, begin, ask, &waiting, timeout_ms);
    if (status == REJOIN_OK)
        *out = waiting.result;
    return status;
}
