/* What a message must be before it may stand in the log. */
#include "broker/base/names.h"
#include "broker/conf.h"
#include "broker/messages/history.h"
#include "broker/messages/publish.h"
#include "proto/base/json.h"
#include "proto/placeholder.h"

/* Events of the client library itself; an event packet with such a name is a parse error to it. */
static const char *const reserved_events[] = {"connect",       "connect_error", "disconnect",
                                              "disconnecting", "newListener",   "removeListener"};

static bool is_reserved(const char *event)
{
    for (size_t i = 0; i < sizeof reserved_events / sizeof *reserved_events; i++)
        if (strcmp(event, reserved_events[i]) == 0)
            return true;
    return false;
}

/* What may be missing: an empty text is good, too. */
static bool text_is_valid(const char *text, uint64_t most)
{
    return !*text || rj_name_is_valid(text, most);
}

enum rj_status rj_message_check(const Rejoin__Message *message, const struct rj_conf *conf, const char **why)
{
    struct rj_span data = rj_span_of(message->data.data, message->data.len);
    uint64_t bytes = data.len;
    if (message->n_attachments > RJ_ATTACHMENTS_MAX)
        return *why = "too many attachments", RJ_TOO_MANY;
    for (size_t i = 0; i < message->n_attachments; i++)
        bytes += message->attachments[i].len;
    if (bytes > conf->max_data_bytes)
        return *why = "the message is too large", RJ_TOO_LARGE;
    if (!text_is_valid(message->event, conf->max_event_name))
        return *why = "the event's name is longer than max-event-name or not valid UTF-8", RJ_BAD_REQUEST;
    if (is_reserved(message->event))
        return *why = "the event's name is reserved", RJ_BAD_REQUEST;
    if (!text_is_valid(message->id, conf->max_message_id))
        return *why = "the id is longer than max-message-id or not valid UTF-8", RJ_BAD_REQUEST;
    enum rj_status status = rj_json_check(data, RJ_JSON_DEPTH);
    if (status != RJ_OK)
        return *why = "data is no valid JSON", status;
    if (message->plain && rj_json_type(data) != RJ_JSON_ARRAY)
        return *why = "plain data is a JSON array: the event's arguments", RJ_BAD_REQUEST;
    /* Without attachments too: in an ack, the message may stand beside others that have some. */
    if (!rj_placeholders_are_valid(data, message->n_attachments))
        return *why = "a placeholder points to no attachment", RJ_BAD_REQUEST;
    return RJ_OK;
}
