/* A backend whose every move a test decides: it does what the JSON lines on stdin say, and tells on stdout,
 * one JSON object a line, what librejoin calls back with. tests/e2e/support/backend.mjs is the other end.
 *
 *     backend-driver --broker ENDPOINT --name NAME
 *
 * A line in:   {"do":"publish","id":7,…}; `id` comes back with the answer. Attachments are hexadecimal.
 * A line out:  {"on":"answer","id":7,"status":"ok",…} or {"on":"event",…} and the like.
 * It ends on SIGTERM or the end of stdin.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "proto/base/json.h"
#include "proto/base/mem.h"
#include "tests/support/driver.h"

enum { READ_MAX = 64 * 1024 };

/* --- reading a command; what is handed out lives as long as the command */

struct command {
    struct driver *driver;
    struct rj_span json;
};

static bool get(const struct command *command, const char *key, struct rj_span *value)
{
    return rj_json_get(command->json, key, value) && rj_json_type(*value) != RJ_JSON_NULL;
}

static const char *decode(const struct command *command, struct rj_span value)
{
    struct rj_buf text = {0};
    if (rj_json_string(value, &text) != RJ_OK)
        rj_buf_clear(&text);
    const char *copy = rj_arena_copy(&command->driver->arena, text.data, text.len);
    rj_buf_free(&text);
    return copy;
}

/* NULL when it is not there. */
static const char *get_text(const struct command *command, const char *key)
{
    struct rj_span value;
    return get(command, key, &value) ? decode(command, value) : NULL;
}

/* Any JSON value as it stands; NULL when it is not there. */
static const char *get_json(const struct command *command, const char *key)
{
    struct rj_span value;
    if (!get(command, key, &value))
        return NULL;
    value = rj_json_trim(value);
    return rj_arena_copy(&command->driver->arena, value.data, value.len);
}

static uint64_t get_number(const struct command *command, const char *key)
{
    struct rj_span value;
    uint64_t number = 0;
    if (get(command, key, &value))
        rj_json_u64(value, &number);
    return number;
}

static bool get_bool(const struct command *command, const char *key)
{
    struct rj_span value;
    bool is_true = false;
    return get(command, key, &value) && rj_json_bool(value, &is_true) && is_true;
}

static size_t count_elements(struct rj_span array)
{
    struct rj_json_iter iter = rj_json_iter(array);
    struct rj_span element;
    size_t count = 0;
    while (rj_json_next_element(&iter, &element))
        count++;
    return count;
}

static struct rejoin_names get_names(const struct command *command, const char *key)
{
    struct rj_span list, element;
    if (!get(command, key, &list))
        return (struct rejoin_names){0};
    const char **names = rj_arena_alloc(&command->driver->arena, count_elements(list) * sizeof *names);
    struct rj_json_iter iter = rj_json_iter(list);
    size_t count = 0;
    while (rj_json_next_element(&iter, &element))
        names[count++] = decode(command, element);
    return (struct rejoin_names){names, count};
}

static struct rejoin_bytes unhex(const struct command *command, struct rj_span element)
{
    const char *hex = decode(command, element);
    size_t len = strlen(hex) / 2;
    uint8_t *bytes = rj_arena_alloc(&command->driver->arena, len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)strtoul((char[]){hex[2 * i], hex[2 * i + 1], 0}, NULL, 16);
    return (struct rejoin_bytes){bytes, len};
}

static struct rejoin_args get_args(const struct command *command, const char *key)
{
    struct rejoin_args args = {.json = get_json(command, key)};
    struct rj_span list, element;
    if (!get(command, "attachments", &list))
        return args;
    struct rejoin_bytes *attachments =
        rj_arena_alloc(&command->driver->arena, count_elements(list) * sizeof *attachments);
    struct rj_json_iter iter = rj_json_iter(list);
    while (rj_json_next_element(&iter, &element))
        attachments[args.attachment_count++] = unhex(command, element);
    args.attachments = attachments;
    return args;
}

static enum rejoin_target_kind kind_of(const char *text)
{
    static const char *const kinds[] = {"room", "namespace", "socket", "user"};
    for (unsigned i = 0; i < 4; i++)
        if (text && strcmp(text, kinds[i]) == 0)
            return (enum rejoin_target_kind)i;
    return REJOIN_ROOM;
}

static struct rejoin_publish get_publish(const struct command *command)
{
    struct rejoin_args args = get_args(command, "data");
    struct rejoin_publish publish = {
        .nsp = get_text(command, "nsp"),
        .room = get_text(command, "room"),
        .except_rooms = get_names(command, "exceptRooms"),
        .except_sids = get_names(command, "exceptSids"),
        .event = get_text(command, "event"),
        .data = args.json,
        .attachments = args.attachments,
        .attachment_count = args.attachment_count,
        .id = get_text(command, "key"),
        .is_plain = get_bool(command, "plain"),
        .is_volatile = get_bool(command, "volatile"),
    };
    struct rj_span list, element;
    if (!get(command, "targets", &list))
        return publish;
    struct rejoin_target *targets =
        rj_arena_alloc(&command->driver->arena, count_elements(list) * sizeof *targets);
    struct rj_json_iter iter = rj_json_iter(list);
    while (rj_json_next_element(&iter, &element)) {
        struct command target = {command->driver, element};
        targets[publish.target_count++] = (struct rejoin_target){.kind = kind_of(get_text(&target, "kind")),
                                                                 .name = get_text(&target, "name")};
    }
    publish.targets = targets;
    return publish;
}

static struct rejoin_filter get_filter(const struct command *command)
{
    return (struct rejoin_filter){
        .nsp = get_text(command, "nsp"),
        .rooms = get_names(command, "inRooms"),
        .users = get_names(command, "users"),
        .sids = get_names(command, "sids"),
        .except_rooms = get_names(command, "exceptRooms"),
        .except_sids = get_names(command, "exceptSids"),
    };
}

/* --- doing it: each returns whether the call has begun; its answer then comes through `asked` */

static enum rejoin_status do_publish(const struct command *command, struct asked *asked)
{
    struct rejoin_publish publish = get_publish(command);
    return rejoin_publish(command->driver->broker, &publish, driver_on_published, asked);
}

static enum rejoin_status do_ask(const struct command *command, struct asked *asked)
{
    struct rejoin_ask ask = {.message = get_publish(command),
                             .timeout_ms = (uint32_t)get_number(command, "timeout"),
                             .max_answers = (uint32_t)get_number(command, "max")};
    return rejoin_ask(command->driver->broker, &ask, driver_on_answers, asked);
}

static enum rejoin_status do_send(const struct command *command, struct asked *asked)
{
    struct rejoin_send send = {.nsp = get_text(command, "nsp"),
                               .group = get_text(command, "group"),
                               .name = get_text(command, "name"),
                               .args = get_args(command, "args"),
                               .wants_answers = get_bool(command, "wantsAnswers"),
                               .timeout_ms = (uint32_t)get_number(command, "timeout")};
    return rejoin_send(command->driver->broker, &send, driver_on_replies, asked);
}

static enum rejoin_status do_join(const struct command *command, struct asked *asked)
{
    struct rejoin_filter filter = get_filter(command);
    struct rejoin_names rooms = get_names(command, "rooms");
    return rejoin_sockets_join(command->driver->broker, &filter, &rooms, driver_on_affected, asked);
}

static enum rejoin_status do_leave(const struct command *command, struct asked *asked)
{
    struct rejoin_filter filter = get_filter(command);
    struct rejoin_names rooms = get_names(command, "rooms");
    return rejoin_sockets_leave(command->driver->broker, &filter, &rooms, driver_on_affected, asked);
}

static enum rejoin_status do_disconnect(const struct command *command, struct asked *asked)
{
    struct rejoin_filter filter = get_filter(command);
    return rejoin_sockets_disconnect(command->driver->broker, &filter, get_bool(command, "close"),
                                     driver_on_affected, asked);
}

static enum rejoin_status do_data(const struct command *command, struct asked *asked)
{
    return rejoin_socket_set_data(command->driver->broker, get_text(command, "nsp"), get_text(command, "sid"),
                                  get_json(command, "data"), driver_on_done, asked);
}

static enum rejoin_status do_sockets(const struct command *command, struct asked *asked)
{
    struct rejoin_socket_query query = {.filter = get_filter(command),
                                        .count_only = get_bool(command, "countOnly"),
                                        .with_handshake = get_bool(command, "withHandshake"),
                                        .after = get_number(command, "after"),
                                        .limit = (uint32_t)get_number(command, "limit")};
    return rejoin_sockets_list(command->driver->broker, &query, driver_on_sockets, asked);
}

static enum rejoin_status do_rooms(const struct command *command, struct asked *asked)
{
    struct rejoin_room_query query = {.nsp = get_text(command, "nsp"),
                                      .after = get_text(command, "after"),
                                      .pattern = get_text(command, "pattern"),
                                      .limit = (uint32_t)get_number(command, "limit")};
    return rejoin_rooms_list(command->driver->broker, &query, driver_on_rooms, asked);
}

/* --- and those that are done at once */

static enum rejoin_status serve(const struct command *command)
{
    struct driver *driver = command->driver;
    const char *group = get_text(command, "group");
    struct rejoin_service_options options = {
        .group = group,
        .namespaces = get_names(command, "namespaces"),
        .events = get_names(command, "events"),
        .takes_all_events = get_bool(command, "allEvents"),
        .window = (uint32_t)get_number(command, "window"),
        .timeout_ms = (uint32_t)get_number(command, "timeout"),
        .fails_lost = get_bool(command, "failsLost"),
        .on_event = driver_on_event,
        .on_connect = get_bool(command, "admits") ? driver_on_connect : NULL,
        .on_open = driver_on_open,
        .on_close = driver_on_close,
        .on_note = driver_on_note,
        .on_state = driver_on_state,
        .arg = driver,
    };
    for (size_t i = 0; i < SERVICES_MAX; i++) {
        if (driver->services[i].service)
            continue;
        free(driver->services[i].group);
        driver->services[i].group = rj_strndup(group, strlen(group));
        return rejoin_serve(driver->broker, &options, &driver->services[i].service);
    }
    return REJOIN_TOO_MANY;
}

static enum rejoin_status unserve(const struct command *command)
{
    struct driver *driver = command->driver;
    const char *group = get_text(command, "group");
    for (size_t i = 0; i < SERVICES_MAX; i++) {
        if (!driver->services[i].service || strcmp(driver->services[i].group, group) != 0)
            continue;
        rejoin_unserve(&driver->services[i].service, get_bool(command, "forget"));
        return REJOIN_OK;
    }
    return REJOIN_NOT_FOUND;
}

static enum rejoin_status ack(const struct command *command)
{
    struct rejoin_args args = get_args(command, "args");
    return rejoin_ack(command->driver->broker, get_number(command, "job"), &args);
}

static enum rejoin_status refuse(const struct command *command)
{
    const struct rejoin_refusal refusal = {.code = get_text(command, "code"),
                                           .message = get_text(command, "message"),
                                           .data = get_json(command, "data")};
    return rejoin_refuse(command->driver->broker, get_number(command, "job"), &refusal);
}

static enum rejoin_status admit(const struct command *command)
{
    const struct rejoin_acceptance acceptance = {.user = get_text(command, "user"),
                                                 .data = get_json(command, "data"),
                                                 .rooms = get_names(command, "rooms")};
    return rejoin_accept(command->driver->broker, get_number(command, "job"), &acceptance);
}

static const struct action {
    const char *name;
    enum rejoin_status (*start)(const struct command *command, struct asked *asked);
    enum rejoin_status (*run)(const struct command *command);
} actions[] = {
    {"publish", do_publish, NULL}, {"ask", do_ask, NULL},         {"send", do_send, NULL},
    {"join", do_join, NULL},       {"leave", do_leave, NULL},     {"disconnect", do_disconnect, NULL},
    {"data", do_data, NULL},       {"sockets", do_sockets, NULL}, {"rooms", do_rooms, NULL},
    {"serve", NULL, serve},        {"unserve", NULL, unserve},    {"ack", NULL, ack},
    {"refuse", NULL, refuse},      {"accept", NULL, admit},
};

static void act(struct driver *driver, struct rj_span line)
{
    struct command command = {driver, line};
    if (rj_json_check(line, RJ_JSON_DEPTH) != RJ_OK) {
        fprintf(stderr, "no JSON: %.*s\n", (int)line.len, (const char *)line.data);
        exit(1);
    }
    const char *name = get_text(&command, "do");
    const struct action *action = actions;
    while (action < actions + sizeof actions / sizeof *actions && strcmp(action->name, name) != 0)
        action++;
    if (action == actions + sizeof actions / sizeof *actions) {
        fprintf(stderr, "nobody can %s\n", name);
        exit(1);
    }
    struct asked *asked = rj_calloc(1, sizeof *asked);
    *asked = (struct asked){driver, get_number(&command, "id")};
    enum rejoin_status status = action->start ? action->start(&command, asked) : action->run(&command);
    if (action->run || status != REJOIN_OK)
        driver_on_done(asked, status);
    rj_arena_reset(&driver->arena);
}

/* Reads what is there and does all whole lines. False at the end of the input. */
static bool take_input(struct driver *driver)
{
    ssize_t got = read(STDIN_FILENO, rj_buf_reserve(&driver->input, READ_MAX), READ_MAX);
    if (got <= 0)
        return got < 0 && errno == EINTR;
    driver->input.len += (size_t)got;
    uint8_t *from = driver->input.data, *to = from + driver->input.len, *newline;
    while ((newline = memchr(from, '\n', (size_t)(to - from)))) {
        act(driver, rj_span_of(from, (size_t)(newline - from)));
        from = newline + 1;
    }
    driver->input.len = (size_t)(to - from);
    memmove(driver->input.data, from, driver->input.len);
    return true;
}

static void run(struct driver *driver, int signals)
{
    struct pollfd watched[] = {{.fd = rejoin_fd(driver->broker), .events = POLLIN},
                               {.fd = STDIN_FILENO, .events = POLLIN},
                               {.fd = signals, .events = POLLIN}};
    while (!watched[2].revents) {
        poll(watched, 3, -1);
        if (watched[1].revents && !take_input(driver))
            return;
        if (rejoin_process(driver->broker) != REJOIN_OK)
            fprintf(stderr, "refused: %s\n", rejoin_detail(driver->broker));
    }
}

static void close_driver(struct driver *driver)
{
    for (size_t i = 0; i < SERVICES_MAX; i++) {
        rejoin_unserve(&driver->services[i].service, false);
        free(driver->services[i].group);
    }
    rejoin_flush(driver->broker, 1000);
    rejoin_close(&driver->broker);
    rj_buf_free(&driver->input);
    rj_buf_free(&driver->out);
    rj_arena_free(&driver->arena);
}

int main(int argc, char **argv)
{
    if (argc != 5 || strcmp(argv[1], "--broker") != 0 || strcmp(argv[3], "--name") != 0) {
        fprintf(stderr, "usage: %s --broker ENDPOINT --name NAME\n", argv[0]);
        return 2;
    }
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigprocmask(SIG_BLOCK, &ending, NULL);
    struct driver driver = {0};
    struct rejoin_options options = {.endpoint = argv[2], .name = argv[4]};
    if (rejoin_open(&options, &driver.broker) != REJOIN_OK) {
        fprintf(stderr, "%s is no endpoint\n", argv[2]);
        return 1;
    }
    printf("backend-driver ready\n");
    fflush(stdout);
    int signals = signalfd(-1, &ending, SFD_CLOEXEC);
    run(&driver, signals);
    close(signals);
    close_driver(&driver);
    return 0;
}
