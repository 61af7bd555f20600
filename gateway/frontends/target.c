#include "gateway/frontends/target.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <strings.h>

/* ------------------------------------------------------------------------------------------ the authority */

/* unreserved / sub-delims (RFC 3986 §2.2, §2.3) */
static bool is_of_name(uint8_t byte)
{
    return isalnum(byte) || (byte && strchr("-._~!$&'()*+,;=", byte));
}

static bool is_escape(struct rj_span text, size_t at)
{
    return text.len - at >= 3 && text.data[at] == '%' && isxdigit(text.data[at + 1]) &&
           isxdigit(text.data[at + 2]);
}

/* How much of it is a name or the digits and dots of an IPv4 address. */
static size_t name_len(struct rj_span text)
{
    size_t at = 0;
    while (at < text.len && (is_of_name(text.data[at]) || is_escape(text, at)))
        at += text.data[at] == '%' ? 3 : 1;
    return at;
}

/* "v1.x": an address of a kind that is still to come. */
static bool is_future_address(struct rj_span text)
{
    size_t at = 1;
    if (text.len == 0 || (text.data[0] | 0x20) != 'v')
        return false;
    while (at < text.len && isxdigit(text.data[at]))
        at++;
    if (at == 1 || at + 1 >= text.len || text.data[at] != '.')
        return false;
    for (at++; at < text.len && (is_of_name(text.data[at]) || text.data[at] == ':');)
        at++;
    return at == text.len;
}

/* What stands in brackets. */
static bool is_literal_address(struct rj_span text)
{
    struct in6_addr address;
    char copy[INET6_ADDRSTRLEN];
    if (is_future_address(text))
        return true;
    if (text.len >= sizeof copy || memchr(text.data, '\0', text.len))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return inet_pton(AF_INET6, copy, &address) == 1;
}

static bool is_port(struct rj_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!isdigit(text.data[i]))
            return false;
    }
    return true;
}

/* Bytes of the host, its brackets included; false: it is none. */
static bool measure_host(struct rj_span text, size_t *len)
{
    if (text.len == 0 || text.data[0] != '[') {
        *len = name_len(text);
        return true;
    }
    const uint8_t *end = memchr(text.data, ']', text.len);
    if (!end)
        return false;
    *len = (size_t)(end - text.data) + 1;
    return is_literal_address(rj_span_of(text.data + 1, *len - 2));
}

bool rj_authority_is_valid(struct rj_span text)
{
    size_t len;
    if (!measure_host(text, &len))
        return false;
    return len == text.len || (text.data[len] == ':' && is_port(rj_span_from(text, len + 1)));
}

/* ------------------------------------------------------------------------------------------ the target */

static const char *const schemes[] = {"http://", "https://"};

enum { SCHEMES = sizeof schemes / sizeof *schemes };

static bool is_same(struct rj_span text, const char *word, size_t len)
{
    return strncasecmp((const char *)text.data, word, len) == 0;
}

/* Bytes of the scheme and the slashes behind it; 0: neither of ours. */
static size_t scheme_len(struct rj_span target)
{
    for (size_t i = 0; i < SCHEMES; i++) {
        size_t len = strlen(schemes[i]);
        if (target.len >= len && is_same(target, schemes[i], len))
            return len;
    }
    return 0;
}

/* Where the path, the query or the fragment begins. */
static size_t authority_len(struct rj_span text)
{
    size_t len = 0;
    while (len < text.len && text.data[len] != '/' && text.data[len] != '?' && text.data[len] != '#')
        len++;
    return len;
}

/* A NUL may stand in the query, where the stock client puts one that it is given, but in no path. */
static bool is_sound(struct rj_span text, bool is_path)
{
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t *at = text.data + i;
        if (*at == ' ' || *at == '\t' || *at == '#')
            return false;
        if (*at == '%' && !is_escape(text, i))
            return false;
        if (is_path && *at == '%' && at[1] == '0' && at[2] == '0')
            return false;
    }
    return true;
}

static bool read_path(struct rj_span text, struct rj_target *out)
{
    const uint8_t *mark = text.len ? memchr(text.data, '?', text.len) : NULL;
    size_t len = mark ? (size_t)(mark - text.data) : text.len;
    out->path = rj_span_of(text.data, len);
    out->query = rj_span_from(text, len);
    return is_sound(out->path, true) && is_sound(out->query, false);
}

/* No path is the same as the root (RFC 9110 §4.2.3); but with OPTIONS and no query either it is the server
 * (RFC 9112 §3.2.4). */
static bool read_absolute(struct rj_span rest, bool is_options, struct rj_target *out)
{
    size_t len = authority_len(rest);
    out->authority = rj_span_of(rest.data, len);
    if (len == 0 || rest.data[0] == ':' || !rj_authority_is_valid(out->authority))
        return false;
    if (!read_path(rj_span_from(rest, len), out))
        return false;
    if (out->path.len == 0)
        out->path = rj_span_str(is_options && out->query.len == 0 ? "*" : "/");
    return true;
}

bool rj_target_read(struct rj_span target, bool is_options, struct rj_target *out)
{
    *out = (struct rj_target){0};
    size_t len = scheme_len(target);
    if (len)
        return read_absolute(rj_span_from(target, len), is_options, out);
    if (is_options && rj_span_is(target, "*")) {
        out->path = target;
        return true;
    }
    return target.len > 0 && target.data[0] == '/' && read_path(target, out);
}

bool rj_target_may_begin(struct rj_span bytes, bool is_options)
{
    if (bytes.len == 0 || bytes.data[0] == '/' || (is_options && bytes.data[0] == '*'))
        return true;
    for (size_t i = 0; i < SCHEMES; i++) {
        size_t len = strlen(schemes[i]);
        if (is_same(bytes, schemes[i], len < bytes.len ? len : bytes.len))
            return true;
    }
    return false;
}
