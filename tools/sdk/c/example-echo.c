/* The smallest server: every event `echo` of "/" comes back to its client, as the ack and as an event.
 *
 *     example-echo --broker ENDPOINT
 *
 * Start it as often as you like: the instances share the clients. It says "ready" when it has its share, and
 * hands it over to the others on SIGTERM.
 */
#include <poll.h>
#include <rejoin.h>
#include <rejoin_serve.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

static void on_event(void *arg, struct rejoin *broker, const struct rejoin_event *event)
{
    (void)arg;
    const struct rejoin_target sender = {.kind = REJOIN_SOCKET, .name = event->sid};
    const struct rejoin_publish back = {
        .targets = &sender,
        .target_count = 1,
        .event = "echo",
        .data = event->args.json,
        .data_len = event->args.len,
        .attachments = event->args.attachments,
        .attachment_count = event->args.attachment_count,
        .is_plain = true,
    };
    enum rejoin_status status = rejoin_publish(broker, &back, NULL, NULL);
    if (status == REJOIN_OK)
        rejoin_ack(broker, event->job, &event->args);
    else
        rejoin_refuse(broker, event->job, &(struct rejoin_refusal){.code = rejoin_status_code(status)});
}

static void on_state(void *arg, struct rejoin *broker, enum rejoin_service_state state,
                     enum rejoin_status status, uint64_t sockets)
{
    (void)arg;
    if (state == REJOIN_SERVICE_STARTED)
        printf("example-echo ready sockets=%llu\n", (unsigned long long)sockets);
    else
        fprintf(stderr, "refused: %s (%s)\n", rejoin_strerror(status), rejoin_detail(broker));
    fflush(stdout);
}

/* Until a signal asks for the end. */
static enum rejoin_status serve(struct rejoin *broker, int signals)
{
    struct pollfd watched[] = {{.fd = rejoin_fd(broker), .events = POLLIN},
                               {.fd = signals, .events = POLLIN}};
    enum rejoin_status status = REJOIN_OK;
    while (status == REJOIN_OK && !watched[1].revents) {
        poll(watched, 2, -1);
        status = rejoin_process(broker);
    }
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 3 || strcmp(argv[1], "--broker") != 0) {
        fprintf(stderr, "usage: %s --broker ENDPOINT\n", argv[0]);
        return 2;
    }
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigprocmask(SIG_BLOCK, &ending, NULL);

    struct rejoin_options options = {.endpoint = argv[2], .name = "example-echo"};
    struct rejoin *broker = NULL;
    struct rejoin_service_options serving = {
        .group = "echo", .events = REJOIN_NAMES("echo"), .on_event = on_event, .on_state = on_state};
    struct rejoin_service *service = NULL;
    enum rejoin_status status = rejoin_open(&options, &broker);
    if (status == REJOIN_OK)
        status = rejoin_serve(broker, &serving, &service);
    if (status == REJOIN_OK)
        status = serve(broker, signalfd(-1, &ending, SFD_CLOEXEC));
    if (status != REJOIN_OK)
        fprintf(stderr, "%s: %s\n", argv[2], rejoin_strerror(status));
    rejoin_unserve(&service, false);
    if (broker)
        rejoin_flush(broker, 1000);
    rejoin_close(&broker);
    return status == REJOIN_OK ? 0 : 1;
}
