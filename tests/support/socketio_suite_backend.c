/* The server that the official Socket.IO protocol suite wants, as a backend: in "/" and "/custom" a client
 * gets its own `auth` back as an event when it comes, `message` comes back as `message-back`, and
 * `message-with-ack` as its ack.
 *
 *     socketio-suite-backend --broker ENDPOINT
 */
#include <rejoin_serve.h>
#include <stdio.h>
#include <string.h>

static void emit_to(struct rejoin *broker, const char *nsp, const char *sid, const char *event,
                    const struct rejoin_args *args)
{
    const struct rejoin_target target = {.kind = REJOIN_SOCKET, .name = sid};
    const struct rejoin_publish publish = {
        .nsp = nsp,
        .targets = &target,
        .target_count = 1,
        .event = event,
        .data = args->json,
        .data_len = args->len,
        .attachments = args->attachments,
        .attachment_count = args->attachment_count,
        .is_plain = true,
    };
    enum rejoin_status status = rejoin_publish(broker, &publish, NULL, NULL);
    if (status != REJOIN_OK)
        fprintf(stderr, "publish: %s (%s)\n", rejoin_strerror(status), rejoin_detail(broker));
}

static void on_open(void *arg, struct rejoin *broker, const struct rejoin_opened *opened)
{
    (void)arg;
    char json[64 * 1024];
    if (opened->is_adopted)
        return;
    const char *auth = *opened->socket->auth ? opened->socket->auth : "{}";
    snprintf(json, sizeof json, "[%s]", auth);
    emit_to(broker, opened->socket->nsp, opened->socket->sid, "auth", &(struct rejoin_args){.json = json});
}

static void on_event(void *arg, struct rejoin *broker, const struct rejoin_event *event)
{
    (void)arg;
    if (strcmp(event->name, "message") == 0)
        emit_to(broker, event->nsp, event->sid, "message-back", &event->args);
    rejoin_ack(broker, event->job, strcmp(event->name, "message-with-ack") == 0 ? &event->args : NULL);
}

static void on_state(void *arg, struct rejoin *broker, enum rejoin_service_state state,
                     enum rejoin_status status, uint64_t sockets)
{
    (void)arg, (void)sockets;
    if (state == REJOIN_SERVICE_STARTED)
        printf("socketio-suite-backend ready\n");
    else
        fprintf(stderr, "refused: %s (%s)\n", rejoin_strerror(status), rejoin_detail(broker));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 3 || strcmp(argv[1], "--broker") != 0) {
        fprintf(stderr, "usage: %s --broker ENDPOINT\n", argv[0]);
        return 2;
    }
    struct rejoin_options options = {.endpoint = argv[2], .name = "socketio-suite-backend"};
    struct rejoin_service_options serving = {
        .group = "socketio-suite",
        .namespaces = REJOIN_NAMES("/", "/custom"),
        .events = REJOIN_NAMES("message", "message-with-ack"),
        .on_event = on_event,
        .on_open = on_open,
        .on_state = on_state,
    };
    struct rejoin *broker = NULL;
    struct rejoin_service *service = NULL;
    enum rejoin_status status = rejoin_open(&options, &broker);
    if (status == REJOIN_OK)
        status = rejoin_serve(broker, &serving, &service);
    while (status == REJOIN_OK)
        status = rejoin_run_once(broker, -1);
    fprintf(stderr, "%s: %s\n", argv[2], rejoin_strerror(status));
    rejoin_close(&broker);
    return 1;
}
