/* Two kinds of input, by a bit of the first byte.
 *
 * With it: a reply of the broker's to any command (grow.h), whose ack must be JSON with placeholders that
 * point to its attachments, and its message, if it has one, as members are told of it before and after it is
 * stored.
 *
 * Without: the input is an event of a client's: a byte for its attachments, a byte for the length of its
 * name, the name, and the arguments as they stand between the brackets. What is understood must be a command
 * that can be said to the broker, and what a page of such messages is answered with must be JSON whose
 * placeholders point to its attachments.
 */
#include "gateway/translate.h"
#include "proto/base/json.h"
#include "proto/placeholder.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"

enum { ATTACHMENTS = 3, PAGE = 3, IS_REPLY = 0x40 };

static void check_command(Rejoin__Command *command)
{
    size_t size = rejoin__command__get_packed_size(command);
    uint8_t *packed = malloc(size + 1);
    HOLDS(packed);
    HOLDS(rejoin__command__pack(command, packed) == size);
    Rejoin__Command *again = rejoin__command__unpack(NULL, size, packed);
    HOLDS(again && again->kind_case == command->kind_case);
    rejoin__command__free_unpacked(again, NULL);
    free(packed);
}

/* A page that holds the message several times, as an ack. */
static void check_page(Rejoin__Message *message, struct rj_arena *arena)
{
    Rejoin__Deliver deliver = REJOIN__DELIVER__INIT, *list[PAGE] = {&deliver, &deliver, &deliver};
    Rejoin__HistoryPage page = REJOIN__HISTORY_PAGE__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    struct rj_args args = {0};
    uint64_t seq = 7;
    deliver.pos = 9;
    deliver.message = message;
    deliver.seqs = &seq;
    deliver.n_seqs = 1;
    page.messages = list;
    page.n_messages = PAGE;
    reply.result_case = REJOIN__REPLY__RESULT_HISTORY;
    reply.history = &page;
    rj_translate_reply(&reply, "room", arena, &args);
    HOLDS(args.n_attachments == PAGE * message->n_attachments);
    HOLDS(rj_json_check(rj_buf_span(&args.json), UINT32_MAX) == RJ_OK);
    HOLDS(rj_placeholders_are_valid(rj_buf_span(&args.json), args.n_attachments));
    rj_buf_free(&args.json);
}

static void check_envelope(Rejoin__Message *message)
{
    Rejoin__Deliver deliver = REJOIN__DELIVER__INIT;
    struct rj_buf out = {0};
    struct rj_span data;
    deliver.message = message;
    rj_translate_envelope(&deliver, message->targets[0]->name, 1, &out);
    HOLDS(rj_json_check(rj_buf_span(&out), UINT32_MAX) == RJ_OK);
    HOLDS(rj_json_get(rj_buf_span(&out), "data", &data));
    HOLDS(rj_span_eq(data, rj_span_of(message->data.data, message->data.len)));
    rj_buf_free(&out);
}

static bool is_json_array(struct rj_span args)
{
    struct rj_buf array = {0};
    rj_buf_put_u8(&array, '[');
    rj_buf_put_span(&array, args);
    rj_buf_put_u8(&array, ']');
    bool is_one = rj_json_check(rj_buf_span(&array), RJ_JSON_DEPTH) == RJ_OK;
    rj_buf_free(&array);
    return is_one;
}

static void check_object(struct rj_buf *json)
{
    HOLDS(rj_json_check(rj_buf_span(json), UINT32_MAX) == RJ_OK);
    HOLDS(rj_json_type(rj_buf_span(json)) == RJ_JSON_OBJECT);
    rj_buf_free(json);
}

static void check_told(const Rejoin__Deliver *deliver)
{
    const Rejoin__Message *message = deliver->message;
    struct rj_shown shown = {
        .room = "room", .id = message->id, .user = message->from_user, .sid = message->from_sid};
    struct rj_buf envelope = {0}, pending = {0}, confirmed = {0}, failed = {0};
    rj_translate_envelope(deliver, deliver->n_seqs ? "room" : NULL, deliver->n_seqs ? deliver->seqs[0] : 0,
                          &envelope);
    rj_translate_pending(deliver, "room", &pending);
    rj_translate_confirmed(deliver, "room", 1, "1.2", &confirmed);
    rj_translate_failed(&shown, &failed);
    check_object(&envelope);
    check_object(&pending);
    check_object(&confirmed);
    check_object(&failed);
}

static void check_reply(struct fuzz_bytes bytes)
{
    static const struct fuzz_seen seen;
    struct rj_arena arena = {0};
    struct rj_args args = {0};
    uint32_t kind = fuzz_pick_kind(&rejoin__reply__descriptor, &bytes);
    bool has_failed = fuzz_seldom(&bytes, 4);
    Rejoin__Reply *reply =
        (Rejoin__Reply *)(void *)fuzz_grow(&rejoin__reply__descriptor, kind, &bytes, &seen, &arena);
    if (!has_failed)
        reply->error = NULL;
    fuzz_tidy(&reply->base);
    rj_translate_reply(reply, "room", &arena, &args);
    struct rj_buf array = {0};
    rj_buf_put_u8(&array, '[');
    rj_buf_put_span(&array, rj_buf_span(&args.json));
    rj_buf_put_u8(&array, ']');
    HOLDS(rj_json_check(rj_buf_span(&array), UINT32_MAX) == RJ_OK);
    HOLDS(rj_placeholders_are_valid(rj_buf_span(&array), args.n_attachments));
    if (reply->result_case == REJOIN__REPLY__RESULT_HISTORY && reply->history)
        for (size_t i = 0; i < reply->history->n_messages; i++)
            if (reply->history->messages[i]->message)
                check_told(reply->history->messages[i]);
    rj_buf_free(&array);
    rj_buf_free(&args.json);
    rj_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct rj_span attachments[ATTACHMENTS] = {{(const uint8_t *)"a", 1},
                                                            {(const uint8_t *)"bc", 2}};
    if (size < 2)
        return 0;
    if (data[0] & IS_REPLY) {
        check_reply(fuzz_bytes(data + 1, size - 1));
        return 0;
    }
    size_t name_len = data[1] < size - 2 ? data[1] : size - 2;
    struct rj_client_event event = {
        .name = rj_span_of(data + 2, name_len),
        .args = rj_json_trim(rj_span_of(data + 2 + name_len, size - 2 - name_len)),
        .attachments = attachments,
        .n_attachments = data[0] % (ATTACHMENTS + 1),
        .has_ack = data[0] & 0x80,
    };
    if (!rj_utf8_is_valid(event.name) || !is_json_array(event.args))
        return 0; /* the front end has refused it */
    struct rj_arena arena = {0};
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    const char *why = NULL;
    enum rj_status status = rj_translate_event(&event, &arena, &command, &why);
    HOLDS((status == RJ_OK) == (why == NULL));
    if (status == RJ_OK) {
        check_command(&command);
        if (command.kind_case == REJOIN__COMMAND__KIND_PUBLISH) {
            Rejoin__Message *message = command.publish->message;
            size_t room_len = strlen(message->targets[0]->name);
            HOLDS(room_len >= 1 && room_len <= 255);
            HOLDS(message->n_attachments == event.n_attachments);
            check_envelope(message);
            check_page(message, &arena);
        }
    }
    rj_arena_free(&arena);
    return 0;
}
