#include "tools/bench/replay_sessions.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "tools/bench/message.h"
#include "tools/bench/publish_side.h"

static bool has_room(const struct session *session, uint32_t n, uint32_t room)
{
    for (uint32_t i = 0; i < n; i++)
        if (session->rooms[i].room == room)
            return true;
    return false;
}

static void draw_rooms(struct session *session, uint32_t n, struct store_draws *draws)
{
    for (uint32_t i = 0; i < n;) {
        uint32_t room = store_draws_random(draws, draws->n_rooms);
        if (!has_room(session, i, room))
            session->rooms[i++].room = room;
    }
}

void sessions_init(struct sessions *sessions, uint32_t n, uint32_t n_rooms, struct store_draws *draws)
{
    assert(n_rooms <= SESSION_ROOMS_MAX && n_rooms <= draws->n_rooms);
    *sessions = (struct sessions){.n = n, .n_rooms = n_rooms};
    sessions->list = rj_calloc(n, sizeof *sessions->list);
    for (uint32_t i = 0; i < n; i++)
        draw_rooms(&sessions->list[i], n_rooms, draws);
}

void sessions_free(struct sessions *sessions)
{
    free(sessions->list);
    sessions->list = NULL;
}

/* ------------------------------------------------------------------------------------------- connecting */

static void on_opening(void *ctx, const struct load_conn *conn, struct rj_buf *auth)
{
    struct sessions *sessions = ctx;
    const struct session *session = &sessions->list[conn->index];
    if (sessions->is_back)
        rj_buf_printf(auth, "{\"pid\":\"%s\",\"offset\":\"%s\"}", session->pid, session->offset);
}

static void keep(char *out, size_t size, struct rj_span text)
{
    snprintf(out, size, "%.*s", (int)text.len, (const char *)text.data);
}

/* As the stock client: it is recovered when the answer has its own pid. */
static void on_connected(void *ctx, const struct load_conn *conn, struct rj_span text)
{
    struct sessions *sessions = ctx;
    struct session *session = &sessions->list[conn->index];
    struct rj_span pid = message_quoted(text, "\"pid\":\"");
    if (!sessions->is_back) {
        keep(session->pid, sizeof session->pid, pid);
        return;
    }
    histogram_add(&sessions->connected, rj_clock_mono_us() - sessions->began_us);
    sessions->unrecovered +=
        pid.len == 0 || pid.len != strlen(session->pid) || memcmp(pid.data, session->pid, pid.len) != 0;
}

void sessions_join(struct sessions *sessions, struct load *load)
{
    for (uint32_t i = 0; i < sessions->n; i++)
        for (uint32_t j = 0; j < sessions->n_rooms; j++) {
            char room[PUBLISH_ROOM_SIZE], text[PUBLISH_ROOM_SIZE + 48];
            publish_room_name(sessions->list[i].rooms[j].room, room);
            snprintf(text, sizeof text, "42%u[\"room:join\",\"%s\"]", j, room);
            load_send(&load->conns[i], rj_span_str(text));
        }
}

/* Of a join: its id is the place of the room. */
static void on_ack(void *ctx, struct load_conn *conn, struct rj_span text)
{
    struct sessions *sessions = ctx;
    struct session *session = &sessions->list[conn->index];
    uint64_t id, seq;
    if (!message_ack(text, &id, &seq) || id >= sessions->n_rooms) {
        sessions->strange++;
        return;
    }
    session->rooms[id].seq = seq;
    session->joined++;
}

bool sessions_have_joined(const struct sessions *sessions)
{
    for (uint32_t i = 0; i < sessions->n; i++)
        if (sessions->list[i].joined < sessions->n_rooms)
            return false;
    return true;
}

/* ------------------------------------------------------------------------------------------- messages */

static struct session_room *room_of(const struct sessions *sessions, struct session *session, uint64_t room)
{
    for (uint32_t i = 0; i < sessions->n_rooms; i++)
        if (session->rooms[i].room == room)
            return &session->rooms[i];
    return NULL;
}

static void on_event(void *ctx, struct load_conn *conn, struct rj_span text)
{
    static const char start[] = "2[\"room:message\",{\"room\":\"room-", seq_key[] = "\",\"seq\":";
    enum { START = sizeof start - 1, ROOM_DIGITS = 6 };
    struct sessions *sessions = ctx;
    struct session *session = &sessions->list[conn->index];
    if (text.len < START || memcmp(text.data, start, START) != 0)
        return; /* presence and the like */
    struct rj_span number = message_quoted(text, "\"room\":\"room-");
    struct session_room *room = room_of(sessions, session, message_number(number));
    size_t at = START + number.len + sizeof seq_key - 1;
    if (!room || number.len < ROOM_DIGITS || at >= text.len) {
        sessions->strange++;
        return;
    }
    uint64_t seq = message_number(rj_span_from(text, at));
    if (seq <= room->seq) {
        sessions->doubled++;
        return;
    }
    sessions->skipped += seq - room->seq - 1;
    room->seq = seq;
    keep(session->offset, sizeof session->offset, message_last_string(text));
    sessions->messages++;
    session->got++;
    sessions->strange += session->got > session->expected;
    if (session->got == session->expected) {
        sessions->n_caught_up++;
        if (sessions->is_back)
            histogram_add(&sessions->caught_up, rj_clock_mono_us() - sessions->began_us);
    }
}

struct load_handler sessions_handler(struct sessions *sessions)
{
    return (struct load_handler){
        .ctx = sessions, .opening = on_opening, .connected = on_connected, .event = on_event, .ack = on_ack};
}

void sessions_expect(struct sessions *sessions, uint64_t a_room)
{
    sessions->n_caught_up = 0;
    for (uint32_t i = 0; i < sessions->n; i++) {
        sessions->list[i].got = 0;
        sessions->list[i].expected = a_room * sessions->n_rooms;
    }
}

bool sessions_are_caught_up(const struct sessions *sessions)
{
    return sessions->n_caught_up == sessions->n;
}

void sessions_come_back(struct sessions *sessions)
{
    sessions->is_back = true;
    sessions->messages = 0;
    sessions->began_us = rj_clock_mono_us();
}

uint64_t sessions_missed(const struct sessions *sessions)
{
    uint64_t missing = 0;
    for (uint32_t i = 0; i < sessions->n; i++) {
        const struct session *session = &sessions->list[i];
        missing += session->expected > session->got ? session->expected - session->got : 0;
    }
    return missing;
}
