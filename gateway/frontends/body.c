#include "gateway/frontends/body.h"

enum state {
    BY_LENGTH,
    SIZE,      /* hexadecimal digits */
    EXTENSION, /* behind them */
    SIZE_LF,
    CONTENT,
    CONTENT_CR,
    CONTENT_LF,
    TRAILER_BEGIN, /* a trailer, or the last line */
    TRAILER,
    TRAILER_LF,
    LAST_LF,
    ENDED,
};

enum { MAX_DIGITS = 15 };

void rj_body_start(struct rj_body *body, bool is_chunked, uint64_t length)
{
    *body = (struct rj_body){.state = is_chunked ? SIZE : BY_LENGTH, .left = is_chunked ? 0 : length};
}

static int digit_of(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool take_size(struct rj_body *body, uint8_t byte)
{
    int digit = digit_of(byte);
    if (digit >= 0) {
        body->left = body->left << 4 | (uint64_t)digit;
        return ++body->digits <= MAX_DIGITS;
    }
    body->state = byte == '\r' ? SIZE_LF : EXTENSION;
    return body->digits > 0 && (byte == '\r' || byte == ';' || byte == ' ' || byte == '\t');
}

/* Of an extension or a trailer, up to the CR. */
static bool take_trapping(struct rj_body *body, uint8_t byte, int behind)
{
    if (byte == '\r') {
        body->state = behind;
        return true;
    }
    return (byte >= ' ' || byte == '\t') && byte != 0x7f && ++body->trappings <= RJ_BODY_MAX_TRAPPINGS;
}

static bool take_exactly(struct rj_body *body, uint8_t byte, uint8_t wanted, int behind)
{
    body->state = behind;
    return byte == wanted;
}

/* One byte that is none of the content. False: it may not stand there. */
static bool take(struct rj_body *body, uint8_t byte)
{
    switch ((enum state)body->state) {
    case SIZE: return take_size(body, byte);
    case EXTENSION: return take_trapping(body, byte, SIZE_LF);
    case SIZE_LF: return take_exactly(body, byte, '\n', body->left ? CONTENT : TRAILER_BEGIN);
    case CONTENT_CR: return take_exactly(body, byte, '\r', CONTENT_LF);
    case CONTENT_LF: body->digits = 0; return take_exactly(body, byte, '\n', SIZE);
    case TRAILER_BEGIN:
        body->state = TRAILER;
        return byte != ' ' && byte != '\t' && take_trapping(body, byte, LAST_LF);
    case TRAILER: return take_trapping(body, byte, TRAILER_LF);
    case TRAILER_LF: return take_exactly(body, byte, '\n', TRAILER_BEGIN);
    case LAST_LF: return take_exactly(body, byte, '\n', ENDED);
    case BY_LENGTH:
    case CONTENT:
    case ENDED: break;
    }
    return false;
}

static enum rj_body_kind take_content(struct rj_body *body, struct rj_span *bytes, struct rj_span *data)
{
    size_t len = bytes->len < body->left ? bytes->len : (size_t)body->left;
    if (len == 0)
        return RJ_BODY_MORE;
    *data = rj_span_of(bytes->data, len);
    *bytes = rj_span_from(*bytes, len);
    body->left -= len;
    if (body->left == 0 && body->state == CONTENT)
        body->state = CONTENT_CR;
    return RJ_BODY_DATA;
}

enum rj_body_kind rj_body_next(struct rj_body *body, struct rj_span *bytes, struct rj_span *data)
{
    for (;;) {
        if (body->state == ENDED || (body->state == BY_LENGTH && body->left == 0))
            return RJ_BODY_END;
        if (body->state == BY_LENGTH || body->state == CONTENT)
            return take_content(body, bytes, data);
        if (bytes->len == 0)
            return RJ_BODY_MORE;
        uint8_t byte = bytes->data[0];
        *bytes = rj_span_from(*bytes, 1);
        if (!take(body, byte))
            return RJ_BODY_BAD;
    }
}

size_t rj_body_wants(const struct rj_body *body, size_t most)
{
    if (body->state == BY_LENGTH)
        return body->left < most ? (size_t)body->left : most;
    return body->state == ENDED ? 0 : most;
}

bool rj_body_may_end_early(const struct rj_body *body)
{
    return body->state != BY_LENGTH;
}
