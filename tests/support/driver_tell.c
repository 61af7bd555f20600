#include <stdio.h>
#include <stdlib.h>

#include "proto/base/json.h"
#include "tests/support/driver.h"

/* --- telling */

static void begin(struct driver *driver, const char *what)
{
    rj_buf_clear(&driver->out);
    rj_buf_printf(&driver->out, "{\"on\":\"%s\"", what);
}

static void put_key(struct driver *driver, const char *key)
{
    rj_buf_printf(&driver->out, ",\"%s\":", key);
}

static void put_text(struct driver *driver, const char *key, const char *text)
{
    put_key(driver, key);
    rj_json_put_string(&driver->out, rj_span_str(text));
}

static void put_number(struct driver *driver, const char *key, uint64_t number)
{
    put_key(driver, key);
    rj_buf_put_u64_dec(&driver->out, number);
}

static void put_bool(struct driver *driver, const char *key, bool value)
{
    put_key(driver, key);
    rj_buf_put_str(&driver->out, value ? "true" : "false");
}

/* A JSON text; "" is null. */
static void put_json(struct driver *driver, const char *key, const char *json)
{
    put_key(driver, key);
    rj_buf_put_str(&driver->out, *json ? json : "null");
}

static void put_names(struct driver *driver, const char *key, const struct rejoin_names *names)
{
    put_key(driver, key);
    rj_buf_put_u8(&driver->out, '[');
    for (size_t i = 0; i < names->count; i++) {
        if (i)
            rj_buf_put_u8(&driver->out, ',');
        rj_json_put_string(&driver->out, rj_span_str(names->names[i]));
    }
    rj_buf_put_u8(&driver->out, ']');
}

static void put_args(struct driver *driver, const struct rejoin_args *args)
{
    put_json(driver, "args", args->json);
    put_key(driver, "attachments");
    rj_buf_put_u8(&driver->out, '[');
    for (size_t i = 0; i < args->attachment_count; i++) {
        const uint8_t *bytes = args->attachments[i].data;
        rj_buf_put_str(&driver->out, i ? ",\"" : "\"");
        for (size_t b = 0; b < args->attachments[i].len; b++)
            rj_buf_printf(&driver->out, "%02x", bytes[b]);
        rj_buf_put_u8(&driver->out, '"');
    }
    rj_buf_put_u8(&driver->out, ']');
}

static void put_handshake(struct driver *driver, const struct rejoin_handshake *handshake)
{
    rj_buf_printf(&driver->out, ",\"handshake\":{\"secure\":%s", handshake->is_secure ? "true" : "false");
    put_text(driver, "address", handshake->address);
    put_text(driver, "transport", handshake->transport);
    put_text(driver, "url", handshake->url);
    put_number(driver, "issued", handshake->issued_ms);
    rj_buf_put_str(&driver->out, ",\"headers\":{\"\":null");
    for (size_t i = 0; i < handshake->header_count; i++) {
        rj_buf_put_u8(&driver->out, ',');
        rj_json_put_string(&driver->out, rj_span_str(handshake->headers[i].name));
        rj_buf_put_u8(&driver->out, ':');
        rj_json_put_string(&driver->out, rj_span_str(handshake->headers[i].value));
    }
    rj_buf_put_str(&driver->out, "}}");
}

/* The members of a socket, behind others of the same object. */
static void put_socket(struct driver *driver, const struct rejoin_socket *socket)
{
    put_text(driver, "sid", socket->sid);
    put_text(driver, "nsp", socket->nsp);
    put_text(driver, "user", socket->user);
    put_json(driver, "data", socket->data);
    put_json(driver, "auth", socket->auth);
    put_names(driver, "rooms", &socket->rooms);
    put_number(driver, "connected", socket->connected_ms);
    if (socket->handshake)
        put_handshake(driver, socket->handshake);
}

static void end(struct driver *driver)
{
    rj_buf_put_str(&driver->out, "}\n");
    fwrite(driver->out.data, 1, driver->out.len, stdout);
    fflush(stdout);
}

static void begin_answer(const struct asked *asked, enum rejoin_status status)
{
    begin(asked->driver, "answer");
    put_number(asked->driver, "id", asked->id);
    put_text(asked->driver, "status", rejoin_status_code(status));
    if (status != REJOIN_OK)
        put_text(asked->driver, "detail", rejoin_detail(asked->driver->broker));
}

static void end_answer(struct asked *asked)
{
    end(asked->driver);
    free(asked);
}

/* --- what the library calls back with */

void driver_on_event(void *arg, struct rejoin *broker, const struct rejoin_event *event)
{
    struct driver *driver = arg;
    (void)broker;
    begin(driver, "event");
    put_number(driver, "job", event->job);
    put_text(driver, "sid", event->sid);
    put_text(driver, "nsp", event->nsp);
    put_text(driver, "name", event->name);
    put_args(driver, &event->args);
    put_bool(driver, "wantsAck", event->wants_ack);
    put_bool(driver, "repeated", event->is_repeated);
    put_number(driver, "timeout", event->timeout_ms);
    end(driver);
}

void driver_on_connect(void *arg, struct rejoin *broker, const struct rejoin_admission *admission)
{
    struct driver *driver = arg;
    (void)broker;
    begin(driver, "connect");
    put_number(driver, "job", admission->job);
    put_socket(driver, admission->socket);
    put_bool(driver, "rejoining", admission->is_rejoining);
    put_bool(driver, "repeated", admission->is_repeated);
    end(driver);
}

void driver_on_open(void *arg, struct rejoin *broker, const struct rejoin_opened *opened)
{
    struct driver *driver = arg;
    (void)broker;
    begin(driver, "open");
    put_socket(driver, opened->socket);
    put_bool(driver, "recovered", opened->is_recovered);
    put_bool(driver, "adopted", opened->is_adopted);
    end(driver);
}

void driver_on_close(void *arg, struct rejoin *broker, const struct rejoin_closed *closed)
{
    struct driver *driver = arg;
    (void)broker;
    begin(driver, "close");
    put_text(driver, "sid", closed->sid);
    put_text(driver, "nsp", closed->nsp);
    put_text(driver, "reason", closed->reason);
    put_names(driver, "rooms", &closed->rooms);
    end(driver);
}

void driver_on_note(void *arg, struct rejoin *broker, const struct rejoin_note *note)
{
    struct driver *driver = arg;
    (void)broker;
    begin(driver, "note");
    put_number(driver, "job", note->job);
    put_text(driver, "from", note->from);
    put_text(driver, "instance", note->instance);
    put_text(driver, "nsp", note->nsp);
    put_text(driver, "group", note->group);
    put_text(driver, "name", note->name);
    put_args(driver, &note->args);
    end(driver);
}

void driver_on_state(void *arg, struct rejoin *broker, enum rejoin_service_state state,
                     enum rejoin_status status, uint64_t sockets)
{
    struct driver *driver = arg;
    (void)broker;
    begin(driver, state == REJOIN_SERVICE_STARTED ? "started" : "ended");
    put_text(driver, "status", rejoin_status_code(status));
    put_number(driver, "sockets", sockets);
    end(driver);
}

void driver_on_published(void *arg, enum rejoin_status status, const struct rejoin_published *published)
{
    struct asked *asked = arg;
    begin_answer(asked, status);
    if (published) {
        put_text(asked->driver, "offset", published->offset);
        put_number(asked->driver, "seq", published->seq);
        put_bool(asked->driver, "duplicate", published->is_duplicate);
    }
    end_answer(asked);
}

void driver_on_answers(void *arg, enum rejoin_status status, struct rejoin_answers *answers)
{
    struct asked *asked = arg;
    struct driver *driver = asked->driver;
    begin_answer(asked, status);
    if (answers) {
        put_number(driver, "asked", answers->asked);
        put_names(driver, "missing", &answers->missing);
        put_key(driver, "answers");
        rj_buf_put_u8(&driver->out, '[');
        for (size_t i = 0; i < answers->count; i++) {
            rj_buf_printf(&driver->out, "%s{\"n\":%zu", i ? "," : "", i);
            put_text(driver, "sid", answers->answers[i].sid);
            put_args(driver, &answers->answers[i].args);
            rj_buf_put_u8(&driver->out, '}');
        }
        rj_buf_put_u8(&driver->out, ']');
    }
    end_answer(asked);
    rejoin_answers_free(&answers);
}

void driver_on_replies(void *arg, enum rejoin_status status, struct rejoin_replies *replies)
{
    struct asked *asked = arg;
    struct driver *driver = asked->driver;
    begin_answer(asked, status);
    if (replies) {
        put_number(driver, "sent", replies->sent);
        put_names(driver, "missing", &replies->missing);
        put_key(driver, "replies");
        rj_buf_put_u8(&driver->out, '[');
        for (size_t i = 0; i < replies->count; i++) {
            rj_buf_printf(&driver->out, "%s{\"n\":%zu", i ? "," : "", i);
            put_text(driver, "from", replies->replies[i].from);
            put_text(driver, "error", replies->replies[i].error);
            put_args(driver, &replies->replies[i].args);
            rj_buf_put_u8(&driver->out, '}');
        }
        rj_buf_put_u8(&driver->out, ']');
    }
    end_answer(asked);
    rejoin_replies_free(&replies);
}

void driver_on_affected(void *arg, enum rejoin_status status, uint64_t sockets)
{
    struct asked *asked = arg;
    begin_answer(asked, status);
    put_number(asked->driver, "sockets", sockets);
    end_answer(asked);
}

void driver_on_done(void *arg, enum rejoin_status status)
{
    struct asked *asked = arg;
    begin_answer(asked, status);
    end_answer(asked);
}

void driver_on_sockets(void *arg, enum rejoin_status status, struct rejoin_socket_page *page)
{
    struct asked *asked = arg;
    struct driver *driver = asked->driver;
    begin_answer(asked, status);
    if (page) {
        put_number(driver, "next", page->next);
        put_number(driver, "total", page->total);
        put_key(driver, "sockets");
        rj_buf_put_u8(&driver->out, '[');
        for (size_t i = 0; i < page->count; i++) {
            rj_buf_printf(&driver->out, "%s{\"n\":%zu", i ? "," : "", i);
            put_socket(driver, &page->sockets[i]);
            rj_buf_put_u8(&driver->out, '}');
        }
        rj_buf_put_u8(&driver->out, ']');
    }
    end_answer(asked);
    rejoin_socket_page_free(&page);
}

void driver_on_rooms(void *arg, enum rejoin_status status, struct rejoin_room_page *page)
{
    struct asked *asked = arg;
    struct driver *driver = asked->driver;
    begin_answer(asked, status);
    if (page) {
        put_bool(driver, "more", page->has_more);
        put_key(driver, "rooms");
        rj_buf_put_u8(&driver->out, '[');
        for (size_t i = 0; i < page->count; i++) {
            rj_buf_printf(&driver->out, "%s{\"members\":%llu", i ? "," : "",
                          (unsigned long long)page->rooms[i].members);
            put_text(driver, "name", page->rooms[i].name);
            rj_buf_put_u8(&driver->out, '}');
        }
        rj_buf_put_u8(&driver->out, ']');
    }
    end_answer(asked);
    rejoin_room_page_free(&page);
}
