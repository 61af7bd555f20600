#include "proto/base/json.h"

/* Number.MAX_SAFE_INTEGER */
#define MAX_SAFE_INTEGER ((UINT64_C(1) << 53) - 1)

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* ---- scanning
 *
 * Each scan_* takes the rest of the text, checks one token at its start and returns its length; 0 is a fault.
 */

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* 0 to 15, or 16 for anything else. */
static unsigned hex_digit(uint8_t c)
{
    if (is_digit(c))
        return c - '0';
    uint8_t lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10U : 16U;
}

static struct rj_span skip_space(struct rj_span text)
{
    size_t at = 0;
    while (at < text.len && is_space(text.data[at]))
        at++;
    return rj_span_from(text, at);
}

static size_t count_digits(struct rj_span text)
{
    size_t n = 0;
    while (n < text.len && is_digit(text.data[n]))
        n++;
    return n;
}

static size_t scan_number(struct rj_span text)
{
    size_t at = text.data[0] == '-';
    size_t digits = count_digits(rj_span_from(text, at));
    if (digits == 0 || (digits > 1 && text.data[at] == '0'))
        return 0;
    at += digits;
    if (at < text.len && text.data[at] == '.') {
        digits = count_digits(rj_span_from(text, at + 1));
        if (digits == 0)
            return 0;
        at += 1 + digits;
    }
    if (at < text.len && (text.data[at] | 0x20) == 'e') {
        at++;
        if (at < text.len && (text.data[at] == '+' || text.data[at] == '-'))
            at++;
        digits = count_digits(rj_span_from(text, at));
        if (digits == 0)
            return 0;
        at += digits;
    }
    return at;
}

static size_t scan_escape(struct rj_span text)
{
    if (text.len < 2)
        return 0;
    if (text.data[1] != 'u')
        return text.data[1] && strchr("\"\\/bfnrt", text.data[1]) ? 2 : 0;
    if (text.len < 6)
        return 0;
    for (size_t i = 2; i < 6; i++)
        if (hex_digit(text.data[i]) == 16)
            return 0;
    return 6;
}

static size_t scan_string(struct rj_span text)
{
    for (size_t at = 1; at < text.len;) {
        struct rj_span rest = rj_span_from(text, at);
        size_t step = rj_utf8_plain_run(rest);
        if (step == 0) {
            if (rest.data[0] == '"')
                return at + 1;
            if (rest.data[0] < 0x20)
                return 0;
            step = rest.data[0] == '\\' ? scan_escape(rest) : rj_utf8_sequence(rest);
            if (step == 0)
                return 0;
        }
        at += step;
    }
    return 0;
}

static size_t scan_word(struct rj_span text, const char *word)
{
    size_t len = strlen(word);
    return text.len >= len && memcmp(text.data, word, len) == 0 ? len : 0;
}

static size_t scan_scalar(struct rj_span text)
{
    switch (text.data[0]) {
    case '"': return scan_string(text);
    case 't': return scan_word(text, "true");
    case 'f': return scan_word(text, "false");
    case 'n': return scan_word(text, "null");
    default: return scan_number(text);
    }
}

/* ---- the check
 *
 * The containers that are open: one bit a level, set for an object. Levels within the limit stand in `near`;
 * a text that nests deeper is read to its end all the same, since a malformed one is told as such. */

struct nesting {
    size_t depth;
    size_t deepest;
    uint8_t near[RJ_JSON_DEPTH / 8];
    struct rj_buf far; /* levels from RJ_JSON_DEPTH on */
};

static uint8_t *level_byte(struct nesting *open, size_t level)
{
    if (level < RJ_JSON_DEPTH)
        return &open->near[level / 8];
    size_t at = (level - RJ_JSON_DEPTH) / 8;
    if (at == open->far.len)
        rj_buf_put_u8(&open->far, 0);
    return &open->far.data[at];
}

static void push(struct nesting *open, bool is_object)
{
    uint8_t *byte = level_byte(open, open->depth);
    uint8_t bit = (uint8_t)(1U << open->depth % 8);
    *byte = (uint8_t)(is_object ? *byte | bit : *byte & ~bit);
    if (++open->depth > open->deepest)
        open->deepest = open->depth;
}

static bool is_in_object(struct nesting *open)
{
    return *level_byte(open, open->depth - 1) >> (open->depth - 1) % 8 & 1;
}

/* Takes `"key" :` and the white space after it. */
static bool take_key(struct rj_span *rest)
{
    size_t len = rest->len && rest->data[0] == '"' ? scan_string(*rest) : 0;
    if (len == 0)
        return false;
    *rest = skip_space(rj_span_from(*rest, len));
    if (rest->len == 0 || rest->data[0] != ':')
        return false;
    *rest = skip_space(rj_span_from(*rest, 1));
    return true;
}

/* Takes a whole scalar, an empty container, or the opening of a container and, in an object, its first key:
 * so that a value is next unless `*is_done`. */
static bool take_value(struct nesting *open, struct rj_span *rest, bool *is_done)
{
    if (rest->len == 0)
        return false;
    uint8_t first = rest->data[0];
    if (first != '{' && first != '[') {
        size_t len = scan_scalar(*rest);
        *rest = rj_span_from(*rest, len);
        *is_done = true;
        return len > 0;
    }
    push(open, first == '{');
    *rest = skip_space(rj_span_from(*rest, 1));
    *is_done = rest->len && rest->data[0] == (first == '{' ? '}' : ']');
    if (*is_done) {
        *rest = rj_span_from(*rest, 1);
        open->depth--;
        return true;
    }
    return first == '[' || take_key(rest);
}

/* After a complete value: takes closing brackets, then a comma (and a key) if one is due. False is a fault;
 * with no container left open the text must be at its end. */
static bool take_ends(struct nesting *open, struct rj_span *rest)
{
    for (;;) {
        *rest = skip_space(*rest);
        if (open->depth == 0)
            return rest->len == 0;
        if (rest->len == 0)
            return false;
        bool in_object = is_in_object(open);
        uint8_t c = rest->data[0];
        *rest = rj_span_from(*rest, 1);
        if (c == ',') {
            *rest = skip_space(*rest);
            return !in_object || take_key(rest);
        }
        if (c != (in_object ? '}' : ']'))
            return false;
        open->depth--;
    }
}

static bool check_text(struct nesting *open, struct rj_span text)
{
    struct rj_span rest = skip_space(text);
    bool is_done;
    while (take_value(open, &rest, &is_done)) {
        if (!is_done)
            continue;
        if (!take_ends(open, &rest))
            return false;
        if (open->depth == 0)
            return true;
    }
    return false;
}

enum rj_status rj_json_check(struct rj_span text, unsigned max_depth)
{
    struct nesting open = {0};
    bool is_valid = check_text(&open, text);
    rj_buf_free(&open.far);
    if (!is_valid)
        return RJ_BAD_REQUEST;
    return open.deepest > max_depth ? RJ_TOO_LARGE : RJ_OK;
}

/* ---- reading what was checked
 *
 * Nothing below looks for faults, but no function reads past its span, whatever that holds. */

struct rj_span rj_json_trim(struct rj_span value)
{
    value = skip_space(value);
    while (value.len && is_space(value.data[value.len - 1]))
        value.len--;
    return value;
}

enum rj_json_type rj_json_type(struct rj_span value)
{
    value = skip_space(value);
    switch (value.len ? value.data[0] : 'n') {
    case 'n': return RJ_JSON_NULL;
    case 't':
    case 'f': return RJ_JSON_BOOL;
    case '"': return RJ_JSON_STRING;
    case '[': return RJ_JSON_ARRAY;
    case '{': return RJ_JSON_OBJECT;
    default: return RJ_JSON_NUMBER;
    }
}

static size_t string_length(struct rj_span text)
{
    size_t at = 1;
    while (at < text.len && text.data[at] != '"') {
        size_t step = rj_utf8_plain_run(rj_span_from(text, at));
        at += step ? step : text.data[at] == '\\' ? 2 : 1;
    }
    return at < text.len ? at + 1 : text.len;
}

static size_t container_length(struct rj_span text)
{
    size_t depth = 0;
    for (size_t at = 0; at < text.len;) {
        uint8_t c = text.data[at];
        at += c == '"' ? string_length(rj_span_from(text, at)) : 1;
        if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && --depth == 0)
            return at;
    }
    return text.len;
}

static size_t value_length(struct rj_span text)
{
    if (text.len == 0)
        return 0;
    if (text.data[0] == '"')
        return string_length(text);
    if (text.data[0] == '[' || text.data[0] == '{')
        return container_length(text);
    size_t at = 0;
    while (at < text.len && !is_space(text.data[at]) && !strchr(",]}", text.data[at]))
        at++;
    return at;
}

/* `rest` starts at the opening bracket before the first step, at the comma or the closing bracket after a
 * step: so an iterator of the wrong kind never starts. */
struct rj_json_iter rj_json_iter(struct rj_span value)
{
    return (struct rj_json_iter){skip_space(value)};
}

static bool step_into(struct rj_json_iter *iter, uint8_t opening, uint8_t closing)
{
    struct rj_span rest = iter->rest;
    if (rest.len == 0 || (rest.data[0] != opening && rest.data[0] != ','))
        return false;
    rest = skip_space(rj_span_from(rest, 1));
    if (rest.len == 0 || rest.data[0] == closing)
        return false;
    iter->rest = rest;
    return true;
}

static struct rj_span take_span(struct rj_json_iter *iter)
{
    struct rj_span value = rj_span_of(iter->rest.data, value_length(iter->rest));
    iter->rest = skip_space(rj_span_from(iter->rest, value.len));
    return value;
}

bool rj_json_next_element(struct rj_json_iter *iter, struct rj_span *value)
{
    if (!step_into(iter, '[', ']'))
        return false;
    *value = take_span(iter);
    return true;
}

bool rj_json_next_member(struct rj_json_iter *iter, struct rj_span *key, struct rj_span *value)
{
    if (!step_into(iter, '{', '}'))
        return false;
    *key = take_span(iter);
    iter->rest = skip_space(rj_span_from(iter->rest, 1)); /* the colon */
    *value = take_span(iter);
    return true;
}

bool rj_json_get(struct rj_span object, const char *name, struct rj_span *value)
{
    bool is_found = false;
    struct rj_span key, member;
    for (struct rj_json_iter iter = rj_json_iter(object); rj_json_next_member(&iter, &key, &member);) {
        if (rj_json_string_is(key, name)) {
            *value = member;
            is_found = true;
        }
    }
    return is_found;
}

/* ---- strings */

/* What is between the quotes; false when `value` is no string. */
static bool inner_of(struct rj_span value, struct rj_span *inner)
{
    value = rj_json_trim(value);
    if (value.len < 2 || value.data[0] != '"' || value.data[value.len - 1] != '"')
        return false;
    *inner = rj_span_of(value.data + 1, value.len - 2);
    return true;
}

/* The UTF-16 unit of the `\uXXXX` at the start of `text`; false when none stands there. */
static bool unit_at(struct rj_span text, uint32_t *unit)
{
    if (text.len < 6 || text.data[0] != '\\' || text.data[1] != 'u')
        return false;
    uint32_t value = 0;
    for (size_t i = 2; i < 6; i++)
        value = value << 4 | (hex_digit(text.data[i]) & 15);
    *unit = value;
    return true;
}

/* Decodes the escape at the start of `*rest` and takes it off; returns the number of bytes in `out`. */
static size_t take_escape(struct rj_span *rest, uint8_t out[static 4])
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    uint32_t unit, low;
    if (!unit_at(*rest, &unit)) {
        uint8_t letter = rest->len > 1 ? rest->data[1] : '\\';
        const char *known = memchr(letters, letter, sizeof letters - 1);
        *rest = rj_span_from(*rest, 2);
        out[0] = known ? (uint8_t)meanings[known - letters] : letter;
        return 1;
    }
    *rest = rj_span_from(*rest, 6);
    if (unit >= 0xd800 && unit < 0xdc00 && unit_at(*rest, &low) && low >= 0xdc00 && low < 0xe000) {
        *rest = rj_span_from(*rest, 6);
        return rj_utf8_put(0x10000 + ((unit - 0xd800) << 10 | (low - 0xdc00)), out);
    }
    return rj_utf8_put(unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit, out);
}

static size_t run_before_escape(struct rj_span text)
{
    const uint8_t *escape = text.len ? memchr(text.data, '\\', text.len) : NULL;
    return escape ? (size_t)(escape - text.data) : text.len;
}

enum rj_status rj_json_string(struct rj_span value, struct rj_buf *out)
{
    struct rj_span rest;
    if (!inner_of(value, &rest))
        return RJ_BAD_REQUEST;
    while (rest.len) {
        size_t run = run_before_escape(rest);
        rj_buf_put(out, rest.data, run);
        rest = rj_span_from(rest, run);
        uint8_t decoded[4];
        if (rest.len)
            rj_buf_put(out, decoded, take_escape(&rest, decoded));
    }
    return RJ_OK;
}

static bool take_prefix(struct rj_span *text, const void *bytes, size_t len)
{
    if (text->len < len || (len && memcmp(text->data, bytes, len) != 0))
        return false;
    *text = rj_span_from(*text, len);
    return true;
}

bool rj_json_string_is(struct rj_span value, const char *text)
{
    struct rj_span rest, wanted = rj_span_str(text);
    if (!inner_of(value, &rest))
        return false;
    while (rest.len) {
        size_t run = run_before_escape(rest);
        if (!take_prefix(&wanted, rest.data, run))
            return false;
        rest = rj_span_from(rest, run);
        uint8_t decoded[4];
        if (rest.len && !take_prefix(&wanted, decoded, take_escape(&rest, decoded)))
            return false;
    }
    return wanted.len == 0;
}

void rj_json_put_string(struct rj_buf *out, struct rj_span utf8)
{
    static const char letters[] = "btnvfr"; /* of U+0008 to U+000D; U+000B has none in JSON */
    rj_buf_put_u8(out, '"');
    while (utf8.len) {
        uint8_t c = utf8.data[0];
        size_t step = rj_utf8_plain_run(utf8);
        if (step == 0 && c >= 0x20 && c != '"' && c != '\\')
            step = rj_utf8_sequence(utf8);
        rj_buf_put(out, utf8.data, step);
        if (step == 0) {
            step = 1;
            if (c == '"' || c == '\\')
                rj_buf_printf(out, "\\%c", c);
            else if (c >= 0x20)
                rj_buf_put_str(out, replacement);
            else if (c >= 0x08 && c <= 0x0d && c != 0x0b)
                rj_buf_printf(out, "\\%c", letters[c - 0x08]);
            else
                rj_buf_printf(out, "\\u%04x", c);
        }
        utf8 = rj_span_from(utf8, step);
    }
    rj_buf_put_u8(out, '"');
}

/* ---- numbers */

/* The exponent behind `e`; one too large for any text that fits into memory is cut, keeping its sign. */
static int64_t read_exponent(struct rj_span text)
{
    const int64_t most = INT64_C(1) << 60;
    int64_t value = 0;
    bool is_negative = text.len && text.data[0] == '-';
    for (size_t i = 0; i < text.len; i++)
        if (is_digit(text.data[i]) && value < most / 10)
            value = value * 10 + (text.data[i] - '0');
    return is_negative ? -value : value;
}

/* Exact, on the decimal digits: a double would round 4.99999999999999999 to an integer. */
bool rj_json_u64(struct rj_span value, uint64_t *out)
{
    value = rj_json_trim(value);
    if (value.len == 0 || scan_number(value) != value.len)
        return false;
    bool is_negative = value.data[0] == '-';
    struct rj_span digits = rj_span_from(value, is_negative);
    struct rj_span exponent = {0};
    size_t whole = count_digits(digits);
    for (size_t i = whole; i < digits.len; i++) {
        if ((digits.data[i] | 0x20) == 'e') {
            exponent = rj_span_from(digits, i + 1);
            digits.len = i;
        }
    }
    /* The power of ten of the digit that is looked at. */
    int64_t power = read_exponent(exponent) + (int64_t)whole - 1;
    uint64_t result = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] == '.')
            continue;
        uint64_t digit = digits.data[i] - (uint64_t)'0';
        if (power < 0 && digit)
            return false;
        if (power >= 0)
            result = result * 10 + digit;
        if (result > MAX_SAFE_INTEGER)
            return false;
        power--;
    }
    for (; power >= 0 && result; power--) {
        result *= 10;
        if (result > MAX_SAFE_INTEGER)
            return false;
    }
    if (is_negative && result)
        return false;
    *out = result;
    return true;
}

bool rj_json_bool(struct rj_span value, bool *out)
{
    value = rj_json_trim(value);
    bool is_true = rj_span_is(value, "true");
    if (!is_true && !rj_span_is(value, "false"))
        return false;
    *out = is_true;
    return true;
}
