#include "tests/fuzz/sdk_user.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

/* ------------------------------------------------------------------------------------------ what is read */

static void eat(struct sdk_user *user, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    HOLDS(data || len == 0);
    for (size_t i = 0; i < len; i++)
        user->eaten += bytes[i];
}

static void eat_text(struct sdk_user *user, const char *text)
{
    HOLDS(text);
    eat(user, text, strlen(text) + 1);
}

static void eat_json(struct sdk_user *user, const char *json, size_t len)
{
    HOLDS(json && json[len] == '\0');
    eat(user, json, len);
}

static void eat_names(struct sdk_user *user, struct rejoin_names names)
{
    for (size_t i = 0; i < names.count; i++)
        eat_text(user, names.names[i]);
}

static void eat_attachments(struct sdk_user *user, const struct rejoin_bytes *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        eat(user, list[i].data, list[i].len);
}

static void eat_args(struct sdk_user *user, const struct rejoin_args *args)
{
    eat_json(user, args->json, args->len);
    eat_attachments(user, args->attachments, args->attachment_count);
}

static void eat_message(struct sdk_user *user, const struct rejoin_message *message)
{
    const char *const texts[] = {message->offset,    message->nsp,      message->event, message->id,
                                 message->from_user, message->from_sid, message->source};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        eat_text(user, texts[i]);
    HOLDS(message->target_count > 0);
    for (size_t i = 0; i < message->target_count; i++)
        eat_text(user, message->targets[i].name);
    eat_json(user, message->data, message->data_len);
    eat_attachments(user, message->attachments, message->attachment_count);
}

static void eat_handshake(struct sdk_user *user, const struct rejoin_handshake *handshake)
{
    eat_text(user, handshake->address);
    eat_text(user, handshake->transport);
    eat_text(user, handshake->url);
    for (size_t i = 0; i < handshake->header_count; i++) {
        eat_text(user, handshake->headers[i].name);
        eat_text(user, handshake->headers[i].value);
    }
}

static void eat_socket(struct sdk_user *user, const struct rejoin_socket *socket)
{
    const char *const texts[] = {socket->sid, socket->nsp, socket->user, socket->data, socket->auth};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        eat_text(user, texts[i]);
    eat_names(user, socket->rooms);
    if (socket->handshake)
        eat_handshake(user, socket->handshake);
}

/* ------------------------------------------------------------------------------------------ answers */

static void end_call(struct sdk_user *user, enum rejoin_status status, bool has_result)
{
    HOLDS(user->ended < user->started);
    HOLDS(has_result == (status == REJOIN_OK));
    user->ended++;
    eat_text(user, rejoin_status_code(status));
    eat_text(user, rejoin_detail(user->handle));
}

static void on_published(void *arg, enum rejoin_status status, const struct rejoin_published *published)
{
    end_call(arg, status, published);
    if (!published)
        return;
    eat_text(arg, published->offset);
    HOLDS(published->seq_count <= REJOIN_TARGETS_MAX);
}

static void on_batch(void *arg, const struct rejoin_outcome *outcomes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (outcomes[i].status == REJOIN_OK)
            eat_text(arg, outcomes[i].published.offset);
    end_call(arg, REJOIN_OK, true);
}

static void on_answers(void *arg, enum rejoin_status status, struct rejoin_answers *answers)
{
    end_call(arg, status, answers);
    for (size_t i = 0; answers && i < answers->count; i++) {
        eat_text(arg, answers->answers[i].sid);
        eat_args(arg, &answers->answers[i].args);
    }
    if (answers)
        eat_names(arg, answers->missing);
    rejoin_answers_free(&answers);
}

static void on_page(void *arg, enum rejoin_status status, struct rejoin_page *page)
{
    end_call(arg, status, page);
    for (size_t i = 0; page && i < page->count; i++)
        eat_message(arg, &page->messages[i]);
    rejoin_page_free(&page);
}

static void on_metrics(void *arg, enum rejoin_status status, struct rejoin_metrics *metrics)
{
    end_call(arg, status, metrics);
    for (size_t i = 0; metrics && i < metrics->count; i++)
        eat_text(arg, metrics->metrics[i].name);
    rejoin_metrics_free(&metrics);
}

static void on_replies(void *arg, enum rejoin_status status, struct rejoin_replies *replies)
{
    end_call(arg, status, replies);
    for (size_t i = 0; replies && i < replies->count; i++) {
        eat_text(arg, replies->replies[i].from);
        eat_text(arg, replies->replies[i].instance);
        eat_text(arg, replies->replies[i].error);
        eat_text(arg, replies->replies[i].error_message);
        eat_args(arg, &replies->replies[i].args);
    }
    if (replies)
        eat_names(arg, replies->missing);
    rejoin_replies_free(&replies);
}

static void on_affected(void *arg, enum rejoin_status status, uint64_t sockets)
{
    HOLDS(status == REJOIN_OK || sockets == 0);
    end_call(arg, status, status == REJOIN_OK);
}

static void on_done(void *arg, enum rejoin_status status)
{
    end_call(arg, status, status == REJOIN_OK);
}

static void on_sockets(void *arg, enum rejoin_status status, struct rejoin_socket_page *page)
{
    end_call(arg, status, page);
    for (size_t i = 0; page && i < page->count; i++)
        eat_socket(arg, &page->sockets[i]);
    rejoin_socket_page_free(&page);
}

static void on_rooms(void *arg, enum rejoin_status status, struct rejoin_room_page *page)
{
    end_call(arg, status, page);
    for (size_t i = 0; page && i < page->count; i++)
        eat_text(arg, page->rooms[i].name);
    rejoin_room_page_free(&page);
}

static void on_read(void *arg, enum rejoin_status status, const struct rejoin_read_state *state)
{
    end_call(arg, status, state);
}

static void on_unread(void *arg, enum rejoin_status status, struct rejoin_unread *unread)
{
    end_call(arg, status, unread);
    for (size_t i = 0; unread && i < unread->count; i++)
        eat_text(arg, unread->rooms[i].name);
    rejoin_unread_free(&unread);
}

static void on_presence(void *arg, enum rejoin_status status, struct rejoin_presence *presence)
{
    end_call(arg, status, presence);
    for (size_t i = 0; presence && i < presence->count; i++) {
        eat_text(arg, presence->users[i].user);
        eat_text(arg, presence->users[i].data);
    }
    rejoin_presence_free(&presence);
}

static void on_user(void *arg, enum rejoin_status status, struct rejoin_user *found)
{
    end_call(arg, status, found);
    for (size_t i = 0; found && i < found->count; i++)
        eat_socket(arg, &found->sockets[i]);
    rejoin_user_free(&found);
}

/* ------------------------------------------------------------------------------------------ jobs */

static uint64_t *place_of(struct sdk_user *user, uint64_t job)
{
    for (size_t i = 0; i < SDK_JOBS; i++)
        if (user->jobs[i] == job)
            return &user->jobs[i];
    return NULL;
}

static void answer(struct sdk_user *user, uint64_t job, unsigned how)
{
    static const struct rejoin_bytes attachment = {"b", 1};
    const struct rejoin_args args[] = {
        {0},
        {.json = "[1]"},
        {.json = "[", .len = 1},
        {.json = "[{\"_placeholder\":true,\"num\":0}]", .attachments = &attachment, .attachment_count = 1}};
    const struct rejoin_refusal refusal = {.code = how & 8 ? "denied" : NULL, .data = how & 16 ? "{}" : "{"};
    const struct rejoin_acceptance acceptance = {
        .user = "ann", .data = how & 8 ? "{}" : NULL, .rooms = REJOIN_NAMES("a", "b")};
    uint64_t *place = place_of(user, job);
    enum rejoin_status status;
    switch (how % 4) {
    case 0:
    case 1: status = rejoin_ack(user->handle, job, &args[how / 4 % 4]); break;
    case 2: status = rejoin_refuse(user->handle, job, &refusal); break;
    default: status = rejoin_accept(user->handle, job, how & 32 ? NULL : &acceptance); break;
    }
    /* The library forgets jobs that are long overdue. */
    HOLDS(place || job == 0 || status == REJOIN_NOT_FOUND);
    if (place && (status == REJOIN_OK || status == REJOIN_NOT_FOUND)) {
        *place = 0;
        HOLDS(rejoin_ack(user->handle, job, NULL) == REJOIN_NOT_FOUND);
    }
}

static void take_job(struct sdk_user *user, uint64_t job, unsigned how)
{
    uint64_t *place = place_of(user, job);
    if (!place)
        place = place_of(user, 0);
    if (place)
        *place = job;
    if (place && how % 4)
        answer(user, job, how / 4);
}

void sdk_user_answer(struct sdk_user *user, struct fuzz_bytes *how)
{
    unsigned choice = fuzz_u8(how);
    answer(user, choice == 0xff ? 77777 : user->jobs[choice % SDK_JOBS], fuzz_u8(how));
}

static void on_event(void *arg, struct rejoin *handle, const struct rejoin_event *event)
{
    struct sdk_user *user = arg;
    HOLDS(handle == user->handle && event->job);
    eat_text(user, event->sid);
    eat_text(user, event->nsp);
    eat_text(user, event->name);
    eat_args(user, &event->args);
    take_job(user, event->job, fuzz_u8(user->how));
}

static void on_connect(void *arg, struct rejoin *handle, const struct rejoin_admission *admission)
{
    struct sdk_user *user = arg;
    HOLDS(handle == user->handle && admission->job);
    eat_socket(user, admission->socket);
    take_job(user, admission->job, fuzz_u8(user->how));
}

static void on_open(void *arg, struct rejoin *handle, const struct rejoin_opened *opened)
{
    (void)handle;
    eat_socket(arg, opened->socket);
}

static void on_close(void *arg, struct rejoin *handle, const struct rejoin_closed *closed)
{
    (void)handle;
    eat_text(arg, closed->sid);
    eat_text(arg, closed->nsp);
    eat_text(arg, closed->reason);
    eat_names(arg, closed->rooms);
}

static void on_note(void *arg, struct rejoin *handle, const struct rejoin_note *note)
{
    struct sdk_user *user = arg;
    (void)handle;
    eat_text(user, note->from);
    eat_text(user, note->instance);
    eat_text(user, note->nsp);
    eat_text(user, note->group);
    eat_text(user, note->name);
    eat_args(user, &note->args);
    if (note->job)
        take_job(user, note->job, fuzz_u8(user->how));
}

/* Services and tails may end themselves in the middle of what they are told. */
static void on_service_state(void *arg, struct rejoin *handle, enum rejoin_service_state state,
                             enum rejoin_status status, uint64_t sockets)
{
    struct sdk_user *user = arg;
    (void)handle, (void)sockets;
    HOLDS((status == REJOIN_OK) == (state == REJOIN_SERVICE_STARTED));
    if (fuzz_seldom(user->how, 8))
        rejoin_unserve(&user->services[fuzz_below(user->how, SDK_SERVICES)], false);
}

/* ------------------------------------------------------------------------------------------ tails */

static void on_message(void *arg, const struct rejoin_message *message)
{
    struct sdk_user *user = arg;
    eat_message(user, message);
    if (fuzz_seldom(user->how, 8))
        rejoin_tail_stop(&user->tails[fuzz_below(user->how, SDK_TAILS)]);
}

static void on_tail_state(void *arg, enum rejoin_tail_state state, enum rejoin_status status,
                          const char *offset)
{
    struct sdk_user *user = arg;
    (void)state, (void)status;
    eat_text(user, offset);
    if (fuzz_seldom(user->how, 8))
        rejoin_tail_stop(&user->tails[fuzz_below(user->how, SDK_TAILS)]);
}

/* ------------------------------------------------------------------------------------------ acts */

static const char *pick(struct fuzz_bytes *how, const char *const *texts, unsigned n)
{
    return texts[fuzz_below(how, n)];
}

static const char *pick_room(struct fuzz_bytes *how)
{
    static const char *const rooms[] = {"a", "b", "", NULL, "\xff"};
    return pick(how, rooms, 5);
}

static const char *pick_json(struct fuzz_bytes *how)
{
    static const char *const texts[] = {"[1]", "{\"a\":1}", "[]", "[", NULL, "\"x\""};
    return pick(how, texts, 6);
}

static struct rejoin_publish a_publish(struct fuzz_bytes *how)
{
    static const struct rejoin_target targets[] = {{.kind = REJOIN_SOCKET, .name = "s"},
                                                   {.kind = REJOIN_NAMESPACE, .name = ""}};
    struct rejoin_publish publish = {.data = pick_json(how)};
    unsigned choice = fuzz_u8(how);
    if (choice & 1) {
        publish.targets = targets;
        publish.target_count = 1 + (choice >> 1 & 1);
    } else {
        publish.room = pick_room(how);
    }
    publish.is_volatile = choice & 4;
    publish.is_plain = choice & 8;
    publish.event = choice & 16 ? "msg" : NULL;
    publish.id = choice & 32 ? "same" : NULL;
    return publish;
}

static struct rejoin_filter a_filter(struct fuzz_bytes *how)
{
    static const char *const names[] = {"a", "b", "c"};
    return (struct rejoin_filter){.rooms = {names, fuzz_below(how, 4)}, .sids = {names, fuzz_below(how, 2)}};
}

static void start_tail(struct sdk_user *user, struct fuzz_bytes *how)
{
    static const char *const offsets[] = {NULL, "0", "garbled", ""};
    struct rejoin_tail **place = &user->tails[fuzz_below(how, SDK_TAILS)];
    rejoin_tail_stop(place);
    rejoin_tail(user->handle,
                &(struct rejoin_tail_options){.room = pick_room(how),
                                              .offset = pick(how, offsets, 4),
                                              .window = fuzz_below(how, 5),
                                              .on_message = on_message,
                                              .on_state = on_tail_state,
                                              .arg = user},
                place);
}

static void start_service(struct sdk_user *user, struct fuzz_bytes *how)
{
    static const char *const groups[] = {"g", "h", ""};
    struct rejoin_service **place = &user->services[fuzz_below(how, SDK_SERVICES)];
    unsigned choice = fuzz_u8(how);
    rejoin_unserve(place, choice & 1);
    rejoin_serve(user->handle,
                 &(struct rejoin_service_options){.group = pick(how, groups, 3),
                                                  .takes_all_events = true,
                                                  .on_event = on_event,
                                                  .on_connect = choice & 2 ? on_connect : NULL,
                                                  .on_open = choice & 4 ? on_open : NULL,
                                                  .on_close = choice & 8 ? on_close : NULL,
                                                  .on_note = choice & 16 ? on_note : NULL,
                                                  .on_state = on_service_state,
                                                  .arg = user},
                 place);
}

static enum rejoin_status ask_who_is_there(struct sdk_user *user, struct fuzz_bytes *how)
{
    const struct rejoin_presence_query query = {
        .room = pick_room(how), .limit = fuzz_below(how, 3), .count_only = fuzz_seldom(how, 4)};
    if (fuzz_seldom(how, 2))
        return rejoin_user(user->handle, NULL, pick_room(how), query.limit, on_user, user);
    return rejoin_presence(user->handle, &query, on_presence, user);
}

/* Waited for, and given up at once: what comes later is for nobody. */
static void say_and_wait(struct sdk_user *user, struct fuzz_bytes *how)
{
    struct rejoin *handle = user->handle;
    struct rejoin_filter filter = {0};
    struct rejoin_publish publish = {.room = "a", .data = "1"};
    const struct rejoin_read read = {.user = "ann", .room = "a", .all = true};
    struct rejoin_published published;
    struct rejoin_outcome outcome;
    struct rejoin_read_state state;
    struct rejoin_page *page = NULL;
    struct rejoin_unread *unread = NULL;
    struct rejoin_presence *presence = NULL;
    struct rejoin_user *found = NULL;
    struct rejoin_socket_page *sockets = NULL;
    struct rejoin_room_page *rooms = NULL;
    uint64_t n;
    enum rejoin_status status;
    switch (fuzz_below(how, 13)) {
    case 0: status = rejoin_publish_wait(handle, &publish, 0, &published); break;
    case 1: status = rejoin_publish_batch_wait(handle, &publish, 1, 0, &outcome); break;
    case 2: status = rejoin_history_wait(handle, &(struct rejoin_query){.room = "a"}, 0, &page); break;
    case 3: status = rejoin_sockets_join_wait(handle, &filter, &REJOIN_NAMES("a"), 0, &n); break;
    case 4: status = rejoin_sockets_leave_wait(handle, &filter, &REJOIN_NAMES("a"), 0, &n); break;
    case 5: status = rejoin_sockets_disconnect_wait(handle, &filter, false, 0, &n); break;
    case 6: status = rejoin_socket_set_data_wait(handle, NULL, "s", "{}", 0); break;
    case 7:
        status = rejoin_sockets_list_wait(handle, &(struct rejoin_socket_query){0}, 0, &sockets);
        rejoin_socket_page_free(&sockets);
        break;
    case 8:
        status = rejoin_rooms_list_wait(handle, &(struct rejoin_room_query){0}, 0, &rooms);
        rejoin_room_page_free(&rooms);
        break;
    case 9: status = rejoin_read_wait(handle, &read, 0, &state); break;
    case 10: status = rejoin_unread_wait(handle, NULL, "ann", 0, &unread); break;
    case 11:
        status = rejoin_presence_wait(handle, &(struct rejoin_presence_query){0}, 0, &presence);
        rejoin_presence_free(&presence);
        break;
    default:
        status = rejoin_user_wait(handle, NULL, "ann", 0, 0, &found);
        rejoin_user_free(&found);
        break;
    }
    eat_text(user, rejoin_status_code(status));
    rejoin_page_free(&page);
    rejoin_unread_free(&unread);
}

static enum rejoin_status say(struct sdk_user *user, struct fuzz_bytes *how)
{
    struct rejoin *handle = user->handle;
    struct rejoin_publish publishes[3];
    struct rejoin_filter filter;
    switch (fuzz_below(how, 15)) {
    case 0: publishes[0] = a_publish(how); return rejoin_publish(handle, publishes, on_published, user);
    case 1:
        for (size_t i = 0; i < 3; i++)
            publishes[i] = a_publish(how);
        return rejoin_publish_batch(handle, publishes, 1 + fuzz_below(how, 3), on_batch, user);
    case 2: return rejoin_ask(handle, &(struct rejoin_ask){.message = a_publish(how)}, on_answers, user);
    case 3: return rejoin_history(handle, &(struct rejoin_query){.room = pick_room(how)}, on_page, user);
    case 4: return rejoin_stats(handle, on_metrics, user);
    case 5:
        return rejoin_send(handle,
                           &(struct rejoin_send){.group = "g",
                                                 .name = "n",
                                                 .args = {.json = pick_json(how)},
                                                 .wants_answers = fuzz_u8(how) & 1},
                           on_replies, user);
    case 6:
        filter = a_filter(how);
        return rejoin_sockets_join(handle, &filter, &REJOIN_NAMES("a", "b"), on_affected, user);
    case 7:
        filter = a_filter(how);
        return rejoin_sockets_leave(handle, &filter, &REJOIN_NAMES("a"), on_affected, user);
    case 8:
        filter = a_filter(how);
        return rejoin_sockets_disconnect(handle, &filter, fuzz_u8(how) & 1, on_affected, user);
    case 9: return rejoin_socket_set_data(handle, NULL, "s", pick_json(how), on_done, user);
    case 10:
        return rejoin_sockets_list(
            handle, &(struct rejoin_socket_query){.filter = a_filter(how), .count_only = fuzz_u8(how) & 1},
            on_sockets, user);
    case 11: return rejoin_rooms_list(handle, &(struct rejoin_room_query){0}, on_rooms, user);
    case 12:
        return rejoin_read(handle, &(struct rejoin_read){.user = "ann", .room = "a", .all = true}, on_read,
                           user);
    case 13: return rejoin_unread(handle, NULL, "ann", on_unread, user);
    default: return ask_who_is_there(user, how);
    }
}

void sdk_user_act(struct sdk_user *user, struct fuzz_bytes *how)
{
    unsigned choice = fuzz_below(how, 16);
    if (choice == 15) {
        say_and_wait(user, how);
        return;
    }
    switch (choice % 8) {
    case 0: start_tail(user, how); break;
    case 1: start_service(user, how); break;
    case 2: rejoin_tail_stop(&user->tails[fuzz_below(how, SDK_TAILS)]); break;
    case 3: rejoin_unserve(&user->services[fuzz_below(how, SDK_SERVICES)], fuzz_u8(how) & 1); break;
    default: user->started += say(user, how) == REJOIN_OK; break;
    }
}

/* ------------------------------------------------------------------------------------------ life */

void sdk_user_open(struct sdk_user *user)
{
    const struct rejoin_options options = {
        .endpoint = "ipc://fuzz", .name = "fuzz", .max_unanswered = 20, .max_unanswered_bytes = 4000};
    *user = (struct sdk_user){0};
    HOLDS(rejoin_open(&options, &user->handle) == REJOIN_OK);
}

void sdk_user_close(struct sdk_user *user)
{
    struct fuzz_bytes nothing = fuzz_bytes(NULL, 0);
    user->how = &nothing;
    HOLDS(rejoin_close(&user->handle) == REJOIN_OK);
    HOLDS(user->ended == user->started);
}
