#include "proto/placeholder.h"

#include "proto/base/json.h"

enum key { KEY_OTHER, KEY_PLACEHOLDER, KEY_NUM };

/* An open container. As in JavaScript, the last of several members with one name counts. */
struct level {
    bool is_object;
    bool wants_key;
    enum key key; /* of the member whose value comes next */
    bool is_placeholder;
    bool has_num;
    uint64_t num;
};

struct walk {
    struct rj_span json;
    size_t at;
    size_t depth;
    struct level levels[RJ_JSON_DEPTH + 1];
};

static struct level *top(struct walk *walk)
{
    return &walk->levels[walk->depth];
}

/* The string, number or word at the walk's place; moves past it. */
static struct rj_span take_scalar(struct walk *walk)
{
    size_t from = walk->at;
    const uint8_t *data = walk->json.data;
    if (data[walk->at] == '"') {
        for (walk->at++; walk->at < walk->json.len && data[walk->at] != '"'; walk->at++)
            walk->at += data[walk->at] == '\\';
        walk->at++;
        if (walk->at > walk->json.len)
            walk->at = walk->json.len;
    } else {
        while (walk->at < walk->json.len && !memchr(",]} \t\r\n", data[walk->at], 7))
            walk->at++;
    }
    return rj_span_of(data + from, walk->at - from);
}

static enum key key_of(struct rj_span text)
{
    if (rj_json_string_is(text, "_placeholder"))
        return KEY_PLACEHOLDER;
    return rj_json_string_is(text, "num") ? KEY_NUM : KEY_OTHER;
}

/* `value` is empty for a container. */
static void on_value(struct level *level, struct rj_span value)
{
    if (!level->is_object)
        return;
    if (level->key == KEY_PLACEHOLDER)
        level->is_placeholder = rj_span_is(value, "true");
    else if (level->key == KEY_NUM)
        level->has_num = value.len && rj_json_u64(value, &level->num);
}

static void on_scalar(struct walk *walk)
{
    struct rj_span text = take_scalar(walk);
    if (top(walk)->wants_key) {
        top(walk)->key = key_of(text);
        top(walk)->wants_key = false;
    } else {
        on_value(top(walk), text);
    }
}

static bool on_open(struct walk *walk, bool is_object)
{
    on_value(top(walk), (struct rj_span){0});
    if (walk->depth == RJ_JSON_DEPTH)
        return false;
    walk->levels[++walk->depth] = (struct level){.is_object = is_object, .wants_key = is_object};
    walk->at++;
    return true;
}

static bool on_close(struct walk *walk, size_t n)
{
    const struct level *level = top(walk);
    walk->at++;
    if (walk->depth == 0)
        return false;
    walk->depth--;
    return !level->is_placeholder || (level->has_num && level->num < n);
}

bool rj_placeholders_are_valid(struct rj_span json, size_t n)
{
    struct walk walk = {.json = json};
    bool is_valid = true;
    while (is_valid && walk.at < json.len) {
        switch (json.data[walk.at]) {
        case '{':
        case '[': is_valid = on_open(&walk, json.data[walk.at] == '{'); break;
        case '}':
        case ']': is_valid = on_close(&walk, n); break;
        case ',':
            top(&walk)->wants_key = top(&walk)->is_object;
            walk.at++;
            break;
        case ':':
        case ' ':
        case '\t':
        case '\r':
        case '\n': walk.at++; break;
        default: on_scalar(&walk);
        }
    }
    return is_valid;
}
