#include "gateway/translate_presence.h"

#include "proto/base/json.h"

static void put_number(struct rj_buf *out, const char *name, uint64_t value)
{
    rj_buf_put_str(out, name);
    rj_buf_put_u64_dec(out, value);
}

static void put_user(const Rejoin__PresenceList__User *user, struct rj_buf *out)
{
    struct rj_span data = rj_span_of(user->data.data, user->data.len);
    rj_buf_put_str(out, "{\"user\":");
    rj_json_put_string(out, rj_span_str(user->user));
    put_number(out, ",\"sockets\":", user->sockets);
    put_number(out, ",\"since\":", user->since_ms);
    rj_buf_put_str(out, user->reconnecting ? ",\"state\":\"reconnecting\"" : ",\"state\":\"online\"");
    if (data.len && rj_json_check(data, RJ_JSON_DEPTH) == RJ_OK) {
        rj_buf_put_str(out, ",\"data\":");
        rj_buf_put_span(out, data);
    }
    rj_buf_put_u8(out, '}');
}

void rj_translate_presence(const Rejoin__PresenceList *list, struct rj_buf *out)
{
    rj_buf_put_str(out, "{\"ok\":true,\"users\":[");
    for (size_t i = 0; i < list->n_users; i++) {
        if (i)
            rj_buf_put_u8(out, ',');
        put_user(list->users[i], out);
    }
    put_number(out, "],\"count\":", list->count);
    put_number(out, ",\"sockets\":", list->sockets);
    put_number(out, ",\"anonymous\":", list->anonymous);
    rj_buf_put_str(out, list->more ? ",\"more\":true}" : ",\"more\":false}");
}
