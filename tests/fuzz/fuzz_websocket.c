/* A WebSocket client's frames: a byte for the pieces that they come in, then what comes. Whatever the pieces,
 * what is read out of them is the same, and what is kept of an incomplete message stays within the limit.
 */
#include "gateway/frontends/ws_reader.h"
#include "proto/base/json.h"
#include "tests/fuzz/fuzz.h"

static const struct rj_ws_limits limits = {.message_bytes = 300, .fragments = 4};

enum { CONTROL_MAX = 125 };

static void note(struct rj_buf *log, enum rj_ws_kind kind, const struct rj_ws_item *item)
{
    bool is_end = kind == RJ_WS_SAID_CLOSE || kind == RJ_WS_BROKE_RULES;
    rj_buf_printf(log, "%d %u ", kind, is_end ? item->code : 0);
    if (kind == RJ_WS_BROKE_RULES) {
        HOLDS(item->why && item->code >= 1000);
        rj_buf_put_str(log, item->why);
    }
    if (kind == RJ_WS_MESSAGE) {
        HOLDS(item->data.len <= limits.message_bytes);
        HOLDS(item->is_binary || rj_utf8_is_valid(item->data));
        rj_buf_put_u8(log, item->is_binary);
    }
    if (kind == RJ_WS_PINGED)
        HOLDS(item->data.len <= CONTROL_MAX);
    if (kind == RJ_WS_MESSAGE || kind == RJ_WS_PINGED)
        rj_buf_put_span(log, item->data);
    rj_buf_put_u8(log, '\n');
}

/* False: the connection is over. */
static bool read_piece(struct rj_ws_reader *reader, struct rj_span piece, struct rj_buf *log)
{
    uint8_t *copy = malloc(piece.len), *bytes = copy; /* of its own size, so that a read past it is seen */
    size_t len = piece.len;
    enum rj_ws_kind kind;
    HOLDS(copy);
    memcpy(copy, piece.data, len);
    do {
        struct rj_ws_item item = {0};
        kind = rj_ws_reader_next(reader, &limits, &bytes, &len, &item);
        HOLDS(bytes + len == copy + piece.len);
        HOLDS(reader->message.len <= limits.message_bytes && reader->control.len <= CONTROL_MAX);
        if (kind != RJ_WS_MORE)
            note(log, kind, &item);
    } while (kind != RJ_WS_MORE && kind != RJ_WS_SAID_CLOSE && kind != RJ_WS_BROKE_RULES);
    HOLDS(kind != RJ_WS_MORE || len == 0);
    free(copy);
    return kind == RJ_WS_MORE;
}

static void read_all(struct rj_span stream, size_t piece, struct rj_buf *log)
{
    struct rj_ws_reader reader = {0};
    bool goes_on = true;
    for (size_t at = 0; goes_on && at < stream.len; at += piece) {
        struct rj_span rest = rj_span_from(stream, at);
        goes_on = read_piece(&reader, rj_span_of(rest.data, piece < rest.len ? piece : rest.len), log);
    }
    rj_ws_reader_free(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rj_buf whole = {0}, pieces = {0};
    if (size < 2)
        return 0;
    struct rj_span stream = rj_span_of(data + 1, size - 1);
    read_all(stream, stream.len, &whole);
    read_all(stream, 1U + data[0] % 64, &pieces);
    HOLDS(rj_span_eq(rj_buf_span(&whole), rj_buf_span(&pieces)));
    rj_buf_free(&whole);
    rj_buf_free(&pieces);
    return 0;
}
