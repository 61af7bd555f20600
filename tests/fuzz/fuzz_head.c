/* HTTP requests, read as a peer reads them: head, meaning, body, and whatever follows. However the bytes
 * arrive, the requests are the same: so the input is read as a whole and again in pieces, whose sizes its
 * first byte decides. What is bad stays bad, a head is never accepted above the limits, and all that is read
 * lies in the input.
 */
#include "gateway/frontends/body.h"
#include "gateway/frontends/head.h"
#include "gateway/frontends/request.h"
#include "gateway/frontends/target.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_BYTES = 400, MAX_LINES = 12, REQUESTS = 8 };

static const struct rj_head_limits limits = {MAX_BYTES, MAX_LINES};

struct outcome {
    enum rj_head head;
    enum rj_body_kind body;
    unsigned status;
    size_t length, content; /* of the head, in the body */
    size_t end;             /* where it stands behind the request */
};

static bool is_same(const struct outcome *a, const struct outcome *b)
{
    return a->head == b->head && a->body == b->body && a->status == b->status && a->length == b->length &&
           a->content == b->content && a->end == b->end;
}

/* Of two faults, a look at a part may show the other first. */
static bool is_refused(enum rj_head head)
{
    return head == RJ_HEAD_BAD || head == RJ_HEAD_TOO_LONG;
}

/* More and more of it, each time at the end of memory of its own, so that a read past it is seen. */
static enum rj_head look(struct rj_span input, size_t piece, struct rj_head_look *look)
{
    enum rj_head head = RJ_HEAD_MORE;
    size_t len = 0;
    while (head == RJ_HEAD_MORE && len < input.len && len <= MAX_BYTES) {
        len = len + piece < input.len ? len + piece : input.len;
        len = len < MAX_BYTES + 1 ? len : MAX_BYTES + 1;
        uint8_t *copy = malloc(len);
        HOLDS(copy);
        memcpy(copy, input.data, len);
        head = rj_head_look(look, rj_span_of(copy, len), &limits);
        free(copy);
    }
    HOLDS(look->seen <= len && look->seen <= MAX_BYTES + 1);
    HOLDS(head != RJ_HEAD_WHOLE || (look->seen <= MAX_BYTES && look->lines <= MAX_LINES));
    HOLDS(head != RJ_HEAD_MORE || len == input.len);
    return head;
}

static void check_headers(const struct rj_request *request)
{
    struct rj_buf all = {0}, some = {0};
    size_t n = rj_request_put_headers(request, 2 * MAX_BYTES + MAX_LINES, &all);
    size_t fewer = rj_request_put_headers(request, 40, &some), nuls = 0;
    HOLDS(n <= MAX_LINES && fewer <= n && some.len <= 40);
    for (size_t i = 0; i < all.len; i++)
        nuls += all.data[i] == 0;
    HOLDS(nuls == 2 * n);
    rj_buf_free(&all);
    rj_buf_free(&some);
}

static bool is_without_body(enum rj_http_method method)
{
    return method == RJ_HTTP_GET || method == RJ_HTTP_HEAD;
}

static unsigned read_request(struct rj_span head, struct rj_arena *arena, struct rj_request *request)
{
    struct rj_span value;
    unsigned status = rj_request_read(head, arena, request);
    HOLDS(status == 0 || status == 400 || status == 411);
    HOLDS(request->n_args <= RJ_HTTP_MAX_ARGS && request->path.len);
    HOLDS(request->path.data[0] == (request->is_to_server ? '*' : '/'));
    HOLDS(!request->is_to_server || (request->method == RJ_HTTP_OPTIONS && request->n_args == 0));
    if (status)
        return status;
    HOLDS(!(request->has_length && request->is_chunked));
    HOLDS(!is_without_body(request->method) || (request->length == 0 && !request->is_chunked));
    HOLDS(rj_authority_is_valid(request->authority));
    rj_request_arg(request, "sid", &value);
    check_headers(request);
    return 0;
}

static void read_body(const struct rj_request *request, struct rj_span input, size_t piece,
                      struct outcome *out)
{
    struct rj_body body;
    struct rj_span bytes = {0}, data;
    size_t at = out->length;
    rj_body_start(&body, request->is_chunked, request->length);
    do {
        size_t wanted = rj_body_wants(&body, piece);
        wanted = wanted < input.len - at ? wanted : input.len - at;
        bytes = rj_span_of(input.data + at, wanted);
        at += wanted;
        while ((out->body = rj_body_next(&body, &bytes, &data)) == RJ_BODY_DATA) {
            HOLDS(data.len && data.data >= input.data && data.data + data.len <= input.data + at);
            out->content += data.len;
        }
        HOLDS(bytes.len == 0 || rj_body_may_end_early(&body));
    } while (out->body == RJ_BODY_MORE && at < input.len);
    HOLDS(out->body != RJ_BODY_END || request->is_chunked || out->content == request->length);
    out->end = at - bytes.len;
}

static struct outcome read_one(struct rj_span input, size_t piece, struct rj_arena *arena)
{
    struct outcome out = {.body = RJ_BODY_MORE};
    struct rj_head_look looked = {0};
    struct rj_request request;
    out.head = look(input, piece, &looked);
    if (out.head != RJ_HEAD_WHOLE)
        return out;
    out.length = out.end = looked.seen;
    out.status = read_request(rj_span_of(input.data, looked.seen), arena, &request);
    if (out.status == 0)
        read_body(&request, input, piece, &out);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t piece = 1 + data[0] % 64;
    struct rj_span rest = rj_span_of(data + 1, size - 1);
    for (int i = 0; i < REQUESTS && rest.len; i++) {
        struct rj_arena arena = {0};
        struct outcome whole = read_one(rest, rest.len, &arena);
        struct outcome pieces = read_one(rest, piece, &arena);
        rj_arena_free(&arena);
        bool is_end = whole.head != RJ_HEAD_WHOLE || whole.status || whole.body != RJ_BODY_END;
        HOLDS(is_same(&whole, &pieces) || (is_refused(whole.head) && is_refused(pieces.head)));
        if (is_end)
            break;
        rest = rj_span_from(rest, whole.end);
    }
    return 0;
}
