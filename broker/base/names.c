#include "broker/base/names.h"

#include "broker/broker.h"
#include "proto/base/utf8.h"
#include "rejoin.pb-c.h"

bool rj_name_is_valid(const char *name, uint64_t most)
{
    struct rj_span text = rj_span_str(name);
    return text.len > 0 && text.len <= most && rj_utf8_is_valid(text);
}

static uint64_t longest_new(const struct rj_conf *conf, uint8_t kind)
{
    switch (kind) {
    case REJOIN__TARGET__KIND__ROOM: return conf->max_room_name;
    case REJOIN__TARGET__KIND__USER: return conf->max_user_name;
    default: return UINT64_MAX;
    }
}

bool rj_name_may_be_used(const struct rj_broker *broker, uint8_t kind, const char *nsp, const char *name)
{
    uint8_t key[RJ_TARGET_KEY_MAX];
    rj_room_id id;
    if (strlen(name) <= longest_new(broker->conf, kind))
        return true;
    size_t len = rj_target_key(key, kind, nsp, name);
    return rj_store_room(broker->store, rj_span_of(key, len), false, &id) == RJ_OK;
}
