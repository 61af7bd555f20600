/* The input is an event of a client's: a byte for its attachments, a byte for the length of its name, the
 * name, and the arguments as they stand between the brackets. What is understood must be a command that can
 * be said to the broker, and what a page of such messages is answered with must be JSON whose placeholders
 * point to its attachments.
 */
#include "gateway/translate.h"
#include "proto/base/json.h"
#include "proto/placeholder.h"
#include "tests/fuzz/fuzz.h"

enum { ATTACHMENTS = 3, PAGE = 3 };

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct rj_span attachments[ATTACHMENTS] = {{(const uint8_t *)"a", 1},
                                                            {(const uint8_t *)"bc", 2}};
    if (size < 2)
        return 0;
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
