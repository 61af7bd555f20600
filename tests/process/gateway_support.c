#include "tests/process/gateway_support.h"

#include <stdlib.h>

/* ---- the stage */

int stage_setup_with(void **state, const char *const env[])
{
    struct stage *stage = calloc(1, sizeof *stage);
    char path[512], listen[64];
    stage->guest.ws.fd = -1;
    assert_true(rj_temp_dir(stage->folder, sizeof stage->folder));
    rj_fake_broker_open(&stage->broker, stage->folder);
    snprintf(stage->log, sizeof stage->log, "%s/gateway.log", stage->folder);
    const char *argv[] = {rj_process_program("rejoin-gateway", path, sizeof path),
                          "--listen",
                          "127.0.0.1:0",
                          "--broker",
                          stage->broker.endpoint,
                          NULL};
    assert_true(rj_process_start(&stage->gateway, argv, env, stage->log));
    assert_true(rj_process_wait_ready(&stage->gateway, WAIT_MS));
    assert_true(rj_process_ready_value(&stage->gateway, "listen", listen, sizeof listen));
    stage->port = (uint16_t)atoi(strrchr(listen, ':') + 1);
    *state = stage;
    return 0;
}

int stage_setup(void **state)
{
    return stage_setup_with(state, NULL);
}

static bool for_each_line(const char *path, bool (*f)(const char *line, const char *text), const char *text)
{
    char line[4096];
    bool found = false;
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        found = f(line, text) || found;
    if (file)
        fclose(file);
    return found;
}

static bool show(const char *line, const char *text)
{
    (void)text;
    fputs(line, stderr);
    return false;
}

static bool has(const char *line, const char *text)
{
    return strstr(line, text) != NULL;
}

bool log_has(const struct stage *stage, const char *text)
{
    return for_each_line(stage->log, has, text);
}

int stage_teardown(void **state)
{
    struct stage *stage = *state;
    int status = -1;
    bool is_clean = stage->gateway.pid == 0 || /* the test has seen to it */
                    (rj_process_signal(&stage->gateway, SIGTERM) &&
                     rj_process_wait_end(&stage->gateway, WAIT_MS, &status) && status == 0);
    if (!is_clean)
        for_each_line(stage->log, show, NULL);
    rj_process_kill(&stage->gateway);
    rj_ws_disconnect(&stage->guest.ws);
    rj_fake_broker_close(&stage->broker);
    rj_temp_dir_remove(stage->folder);
    rj_buf_free(&stage->text);
    free(stage);
    return is_clean ? 0 : -1;
}

Rejoin__Hello *link_up(struct stage *stage)
{
    Rejoin__Hello *hello = rj_fake_broker_welcome(&stage->broker, EPOCH, HEAD, false, WAIT_MS);
    assert_non_null(hello);
    assert_non_null(rj_fake_broker_expect(&stage->broker, REJOIN__ITEM__KIND_READY, WAIT_MS));
    return hello;
}

void link_down(struct stage *stage)
{
    Rejoin__NeedHello need_hello = REJOIN__NEED_HELLO__INIT;
    rj_fake_broker_send(&stage->broker, REJOIN__ITEM__KIND_NEED_HELLO, &need_hello);
}

/* ---- clients */

void arrive(struct stage *stage, struct guest *guest)
{
    assert_int_equal(rj_ws_open(&guest->ws, stage->port, "/socket.io/?EIO=4&transport=websocket", NULL), 101);
    expect_start(stage, guest, "0{");
}

Rejoin__Command *knock(struct stage *stage, struct guest *guest, const char *nsp, const char *auth)
{
    char text[512];
    bool is_main = strcmp(nsp, "/") == 0;
    snprintf(text, sizeof text, "40%s%s%s", is_main ? "" : nsp, is_main ? "" : ",", auth ? auth : "");
    say(guest, text);
    Rejoin__Command *command = get_command(stage, REJOIN__COMMAND__KIND_CONNECT);
    assert_string_equal(command->connect->namespace_, nsp);
    guest->handle = command->client;
    guest->nsp = nsp;
    return command;
}

static void reply(struct stage *stage, const Rejoin__Command *command, Rejoin__Reply *reply_)
{
    reply_->id = command->id;
    reply_->client = command->client;
    rj_fake_broker_send(&stage->broker, REJOIN__ITEM__KIND_REPLY, reply_);
}

void let_in(struct stage *stage, struct guest *guest, const Rejoin__Command *command,
            const struct entry *entry)
{
    Rejoin__Reply answer = REJOIN__REPLY__INIT;
    Rejoin__Connected connected = REJOIN__CONNECTED__INIT;
    Rejoin__RoomState room = REJOIN__ROOM_STATE__INIT;
    Rejoin__RoomState *rooms[] = {&room};
    char text[256];
    room.room = (char *)(uintptr_t)entry->room;
    room.since_pos = 3;
    connected.sid = (char *)(uintptr_t)(entry->sid ? entry->sid : "S");
    connected.pid = "P";
    connected.user = (char *)(uintptr_t)(entry->user ? entry->user : "");
    connected.recovered = entry->recovered;
    connected.from_pos = entry->from_pos ? entry->from_pos : HEAD;
    connected.incarnation = 2;
    connected.rooms = rooms;
    connected.n_rooms = entry->room ? 1 : 0;
    answer.result_case = REJOIN__REPLY__RESULT_CONNECTED;
    answer.connected = &connected;
    reply(stage, command, &answer);
    bool is_main = strcmp(guest->nsp, "/") == 0;
    snprintf(text, sizeof text, "40%s%s{\"sid\":\"%s\",\"pid\":\"P\"}", is_main ? "" : guest->nsp,
             is_main ? "" : ",", connected.sid);
    expect_text(stage, guest, text);
}

void turn_away(struct stage *stage, const Rejoin__Command *command, const char *code, const char *message,
               const char *data)
{
    Rejoin__Reply answer = REJOIN__REPLY__INIT;
    Rejoin__Error error = REJOIN__ERROR__INIT;
    error.code = (char *)(uintptr_t)code;
    error.message = (char *)(uintptr_t)message;
    if (data)
        error.data = (ProtobufCBinaryData){strlen(data), (uint8_t *)(uintptr_t)data};
    answer.error = &error;
    reply(stage, command, &answer);
}

void enter(struct stage *stage, struct guest *guest, const struct entry *entry)
{
    arrive(stage, guest);
    const char *auth = entry->recovered ? "{\"pid\":\"P\",\"offset\":\"7.1\"}" : NULL;
    let_in(stage, guest, knock(stage, guest, entry->nsp ? entry->nsp : "/", auth), entry);
}

void say(struct guest *guest, const char *text)
{
    assert_true(rj_ws_send_text(&guest->ws, text));
}

void expect_start(struct stage *stage, struct guest *guest, const char *prefix)
{
    assert_int_equal(rj_ws_receive(&guest->ws, &stage->text, WAIT_MS), RJ_WS_TEXT);
    if (strncmp(rj_buf_cstr(&stage->text), prefix, strlen(prefix)) != 0)
        assert_string_equal(rj_buf_cstr(&stage->text), prefix); /* shows both */
}

void expect_text(struct stage *stage, struct guest *guest, const char *text)
{
    expect_start(stage, guest, text);
    assert_string_equal(rj_buf_cstr(&stage->text), text);
}

void expect_none(struct stage *stage, struct guest *guest, const char *prefix)
{
    if (rj_ws_expect(&guest->ws, prefix, &stage->text, SOON_MS))
        fail_msg("unexpected: %s", rj_buf_cstr(&stage->text));
}

/* ---- deliveries */

void deliver(struct stage *stage, const struct what *what)
{
    enum { TARGETS_MAX = 8 };
    Rejoin__Deliver item = REJOIN__DELIVER__INIT;
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    Rejoin__Target targets[TARGETS_MAX], *list[TARGETS_MAX];
    uint64_t seqs[TARGETS_MAX];
    const char *data = what->data ? what->data : "1";
    ProtobufCBinaryData attachment = {0};
    char *except_sid = (char *)(uintptr_t)what->except_sid;
    char *except_room = (char *)(uintptr_t)what->except_room;
    size_t n = 0;
    for (; n < TARGETS_MAX && what->targets[n].name; n++) {
        rejoin__target__init(&targets[n]);
        targets[n].kind = what->targets[n].kind;
        targets[n].name = (char *)(uintptr_t)what->targets[n].name;
        list[n] = &targets[n];
        seqs[n] = what->pos;
    }
    message.namespace_ = (char *)(uintptr_t)(what->nsp ? what->nsp : "/");
    message.targets = list;
    message.n_targets = n;
    message.event = "m";
    message.data = (ProtobufCBinaryData){strlen(data), (uint8_t *)(uintptr_t)data};
    message.plain = what->is_plain;
    if (what->attachment) {
        attachment = (ProtobufCBinaryData){strlen(what->attachment), (uint8_t *)(uintptr_t)what->attachment};
        message.attachments = &attachment;
        message.n_attachments = 1;
    }
    message.except_sids = &except_sid;
    message.n_except_sids = except_sid ? 1 : 0;
    message.except_rooms = &except_room;
    message.n_except_rooms = except_room ? 1 : 0;
    message.id = (char *)(uintptr_t)(what->id ? what->id : "");
    message.from_sid = (char *)(uintptr_t)(what->from_sid ? what->from_sid : "");
    item.pos = what->pos;
    item.seqs = seqs;
    item.n_seqs = what->pos && !what->is_pending ? n : 0;
    item.message = &message;
    item.client = what->client;
    item.ask = what->ask;
    item.ask_ms = what->ask_ms;
    rj_fake_broker_send(&stage->broker,
                        what->is_pending ? REJOIN__ITEM__KIND_PENDING : REJOIN__ITEM__KIND_DELIVER, &item);
}

void caught_up(struct stage *stage, const struct guest *guest, uint64_t upto)
{
    Rejoin__CaughtUp item = REJOIN__CAUGHT_UP__INIT;
    item.client = guest->handle;
    item.upto = upto;
    rj_fake_broker_send(&stage->broker, REJOIN__ITEM__KIND_CAUGHT_UP, &item);
}

void kick(struct stage *stage, const struct guest *guest, Rejoin__Kick__How how)
{
    Rejoin__Kick item = REJOIN__KICK__INIT;
    item.client = guest->handle;
    item.how = how;
    item.reason = "because the test says so";
    rj_fake_broker_send(&stage->broker, REJOIN__ITEM__KIND_KICK, &item);
}

void moved(struct stage *stage, const struct guest *guest, const char *room, bool left, uint64_t since_pos)
{
    Rejoin__Moved item = REJOIN__MOVED__INIT;
    item.client = guest->handle;
    item.room = (char *)(uintptr_t)room;
    item.left = left;
    item.since_pos = since_pos;
    rj_fake_broker_send(&stage->broker, REJOIN__ITEM__KIND_MOVED, &item);
}

void reply_error(struct stage *stage, const Rejoin__Command *command, const char *code, const char *message)
{
    turn_away(stage, command, code, message, NULL);
}

void reply_event(struct stage *stage, const Rejoin__Command *command, const char *args,
                 const char *attachment)
{
    Rejoin__Reply answer = REJOIN__REPLY__INIT;
    Rejoin__EventAnswer event = REJOIN__EVENT_ANSWER__INIT;
    ProtobufCBinaryData bytes = {0};
    event.args = (ProtobufCBinaryData){strlen(args), (uint8_t *)(uintptr_t)args};
    if (attachment) {
        bytes = (ProtobufCBinaryData){strlen(attachment), (uint8_t *)(uintptr_t)attachment};
        event.attachments = &bytes;
        event.n_attachments = 1;
    }
    answer.result_case = REJOIN__REPLY__RESULT_EVENT;
    answer.event = &event;
    reply(stage, command, &answer);
}

/* ---- what the gateway says */

Rejoin__Command *get_command(struct stage *stage, Rejoin__Command__KindCase kind)
{
    Rejoin__Command *command = rj_fake_broker_command(&stage->broker, kind, WAIT_MS);
    assert_non_null(command);
    return command;
}

Rejoin__Asked *get_asked(struct stage *stage)
{
    Rejoin__Item *item = rj_fake_broker_expect(&stage->broker, REJOIN__ITEM__KIND_ASKED, WAIT_MS);
    assert_non_null(item);
    return item->asked;
}

Rejoin__AskAnswer *get_answer(struct stage *stage)
{
    Rejoin__Item *item = rj_fake_broker_expect(&stage->broker, REJOIN__ITEM__KIND_ASK_ANSWER, WAIT_MS);
    assert_non_null(item);
    return item->ask_answer;
}

void expect_no_item(struct stage *stage, Rejoin__Item__KindCase kind)
{
    assert_null(rj_fake_broker_expect(&stage->broker, kind, SOON_MS));
}

void expect_gone(struct stage *stage, const struct guest *guest, const char *reason, bool left)
{
    Rejoin__Command *command = get_command(stage, REJOIN__COMMAND__KIND_DISCONNECT);
    assert_int_equal(command->client, guest->handle);
    assert_string_equal(command->disconnect->reason, reason);
    assert_int_equal(command->disconnect->left, left);
}

uint64_t metric(struct stage *stage, const char *name)
{
    struct rj_http_answer answer;
    char line[256];
    assert_true(rj_http_once(stage->port, "GET", "/metrics", NULL, NULL, &answer));
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(rj_http_body(&answer), line);
    assert_non_null(at);
    uint64_t value = strtoull(at + strlen(line), NULL, 10);
    rj_http_free(&answer);
    return value;
}
