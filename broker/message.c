/* What a message must be before it may stand in the log. */
#include "broker/history.h"
#include "broker/publish.h"
#include "proto/base/json.h"
#include "proto/placeholder.h"

/* Events of the client library itself; an event packet with such a name is a parse error to it. */
static const char *const reserved_events[] = {"connect",       "connect_error", "disconnect",
                                              "disconnecting", "newListener",   "removeListener"};

static bool event_is_valid(const char *event)
{
    struct rj_span text = rj_span_str(event);
    if (text.len > RJ_EVENT_MAX || !rj_utf8_is_valid(text))
        return false;
    for (size_t i = 0; i < sizeof reserved_events / sizeof *reserved_events; i++)
        if (strcmp(event, reserved_events[i]) == 0)
            return false;
    return true;
}

enum rj_status rj_message_check(const Rejoin__Message *message, uint64_t max_data_bytes, const char **why)
{
    struct rj_span data = rj_span_of(message->data.data, message->data.len);
    uint64_t bytes = data.len;
    if (message->n_attachments > RJ_ATTACHMENTS_MAX)
        return *why = "too many attachments", RJ_TOO_MANY;
    for (size_t i = 0; i < message->n_attachments; i++)
        bytes += message->attachments[i].len;
    if (bytes > max_data_bytes)
        return *why = "the message is too large", RJ_TOO_LARGE;
    if (!event_is_valid(message->event))
        return *why = "the event's name is not allowed", RJ_BAD_REQUEST;
    if (strlen(message->id) > RJ_PUBLISH_ID_MAX || !rj_utf8_is_valid(rj_span_str(message->id)))
        return *why = "the id is too long or not valid UTF-8", RJ_BAD_REQUEST;
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
