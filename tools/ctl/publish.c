#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctl.h"
#include "print.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"
#include "proto/base/mem.h"

enum { READ_SIZE = 64 * 1024, LONGEST_LINE = 16 * 1024 * 1024 };

static const struct option options[] = {
    {"namespace", required_argument, NULL, 'n'},
    {"event", required_argument, NULL, 'e'},
    {"id", required_argument, NULL, 'i'},
    {"volatile", no_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

/* Standard input on its way to the broker. */
struct feed {
    const struct rj_ctl *ctl;
    struct rejoin *broker;
    struct rejoin_publish form; /* what all lines share; `id` is their common beginning */
    struct rj_buf input;
    size_t taken;         /* bytes of the input that are published or refused */
    uint64_t lines;       /* of the input, so far */
    uint64_t progress_ms; /* when an answer came last, or was first waited for */
    uint64_t unknown;     /* lines that were given up without an answer */
    bool is_at_end, is_full, has_failed;
};

/* One line of it, until it is answered. */
struct line {
    struct feed *feed;
    uint64_t number;
};

static bool print_published(const char *room, const struct rejoin_published *published)
{
    struct rj_buf line = {0};
    rj_ctl_print_published(&line, room, published);
    bool is_written = rj_ctl_write_line((const char *)line.data, line.len);
    rj_buf_free(&line);
    return is_written;
}

static bool is_json(struct rj_span text)
{
    return rj_json_check(text, RJ_JSON_DEPTH) == RJ_OK;
}

static void on_published(void *arg, enum rejoin_status status, const struct rejoin_published *published)
{
    struct line *line = arg;
    struct feed *feed = line->feed;
    feed->progress_ms = rj_clock_mono_ms();
    if (status == REJOIN_CLOSED) {
        feed->unknown++;
    } else if (status != REJOIN_OK) {
        char what[64];
        snprintf(what, sizeof what, "publish, line %llu", (unsigned long long)line->number);
        rj_ctl_failed(feed->broker, what, status);
    }
    if (status != REJOIN_OK || !print_published(feed->form.room, published))
        feed->has_failed = true;
    free(line);
}

/* False: the broker's handle takes no more now. */
static bool publish_line(struct feed *feed, struct rj_span text)
{
    struct rejoin_publish publish = feed->form;
    publish.data = (const char *)text.data;
    publish.data_len = text.len;
    struct rj_buf id = {0};
    if (feed->form.id) {
        rj_buf_printf(&id, "%s-%llu", feed->form.id, (unsigned long long)feed->lines + 1);
        publish.id = rj_buf_cstr(&id);
    }
    struct line *line = rj_alloc(sizeof *line);
    *line = (struct line){feed, feed->lines + 1};
    if (rejoin_unanswered(feed->broker) == 0)
        feed->progress_ms = rj_clock_mono_ms();
    enum rejoin_status status = rejoin_publish(feed->broker, &publish, on_published, line);
    rj_buf_free(&id);
    if (status == REJOIN_BUSY)
        free(line);
    else if (status != REJOIN_OK)
        on_published(line, status, NULL);
    return status != REJOIN_BUSY;
}

/* False: it has to wait. */
static bool take_line(struct feed *feed, struct rj_span text)
{
    if (text.len && text.data[text.len - 1] == '\r')
        text.len--;
    bool is_blank = true;
    for (size_t i = 0; i < text.len; i++)
        is_blank = is_blank && (text.data[i] == ' ' || text.data[i] == '\t');
    if (!is_blank && !is_json(text)) {
        fprintf(stderr, "rejoinctl publish: line %llu is not one JSON text\n",
                (unsigned long long)feed->lines + 1);
        feed->has_failed = true;
    } else if (!is_blank && !publish_line(feed, text)) {
        return false;
    }
    feed->lines++;
    return true;
}

/* Publishes the whole lines that were read; the last one needs no line break. */
static void take_lines(struct feed *feed)
{
    feed->is_full = false;
    while (feed->taken < feed->input.len) {
        struct rj_span rest = rj_span_from(rj_buf_span(&feed->input), feed->taken);
        const uint8_t *end = memchr(rest.data, '\n', rest.len);
        if (!end && !feed->is_at_end)
            break;
        size_t len = end ? (size_t)(end - rest.data) : rest.len;
        if (!take_line(feed, rj_span_of(rest.data, len))) {
            feed->is_full = true;
            return;
        }
        feed->taken += len + (end ? 1 : 0);
    }
    size_t left = feed->input.len - feed->taken;
    if (left)
        memmove(feed->input.data, feed->input.data + feed->taken, left);
    feed->input.len = left;
    feed->taken = 0;
}

static enum rj_ctl_exit read_input(struct feed *feed)
{
    if (feed->input.len > LONGEST_LINE) {
        fprintf(stderr, "rejoinctl publish: line %llu is longer than %d bytes\n",
                (unsigned long long)feed->lines + 1, LONGEST_LINE);
        return RJ_CTL_FAILED;
    }
    ssize_t got = read(STDIN_FILENO, rj_buf_reserve(&feed->input, READ_SIZE), READ_SIZE);
    if (got < 0 && errno != EINTR && errno != EAGAIN) {
        fprintf(stderr, "rejoinctl publish: cannot read: %s\n", strerror(errno));
        return RJ_CTL_FAILED;
    }
    if (got > 0)
        feed->input.len += (size_t)got;
    feed->is_at_end = got == 0;
    return RJ_CTL_DONE;
}

/* The time until the broker is overdue with its answers; -1 when none is waited for. */
static int patience_ms(const struct feed *feed)
{
    if (rejoin_unanswered(feed->broker) == 0)
        return -1;
    uint64_t waited = rj_clock_mono_ms() - feed->progress_ms;
    return waited < (uint64_t)feed->ctl->timeout_ms ? feed->ctl->timeout_ms - (int)waited : 0;
}

static enum rj_ctl_exit turn(struct feed *feed)
{
    bool wants_input = !feed->is_at_end && !feed->is_full;
    int patience = patience_ms(feed);
    struct pollfd waiting[] = {{.fd = rejoin_fd(feed->broker), .events = POLLIN},
                               {.fd = wants_input ? STDIN_FILENO : -1, .events = POLLIN}};
    poll(waiting, 2, patience);
    enum rejoin_status status = rejoin_process(feed->broker);
    if (status != REJOIN_OK)
        return rj_ctl_failed(feed->broker, "publish", status);
    if (patience == 0 && patience_ms(feed) == 0)
        return rj_ctl_failed(feed->broker, "publish", REJOIN_TIMEOUT);
    if (wants_input && waiting[1].revents)
        return read_input(feed);
    return RJ_CTL_DONE;
}

static enum rj_ctl_exit publish_input(const struct rj_ctl *ctl, struct rejoin *broker,
                                      const struct rejoin_publish *form)
{
    struct feed feed = {.ctl = ctl, .broker = broker, .form = *form};
    enum rj_ctl_exit result = RJ_CTL_DONE;
    while (result == RJ_CTL_DONE) {
        take_lines(&feed);
        if (feed.is_at_end && !feed.is_full && rejoin_unanswered(broker) == 0)
            break;
        result = turn(&feed);
    }
    rejoin_close(&broker);
    if (feed.unknown)
        fprintf(stderr, "rejoinctl publish: of %llu lines it is not known whether they are stored\n",
                (unsigned long long)feed.unknown);
    rj_buf_free(&feed.input);
    return feed.has_failed ? RJ_CTL_FAILED : result;
}

static enum rj_ctl_exit publish_one(const struct rj_ctl *ctl, struct rejoin *broker,
                                    const struct rejoin_publish *publish)
{
    struct rejoin_published published;
    enum rj_ctl_exit result = RJ_CTL_DONE;
    enum rejoin_status status = rejoin_publish_wait(broker, publish, ctl->timeout_ms, &published);
    if (status != REJOIN_OK)
        result = rj_ctl_failed(broker, "publish", status);
    else if (!print_published(publish->room, &published))
        result = RJ_CTL_FAILED;
    rejoin_close(&broker);
    return result;
}

static enum rj_ctl_exit parse(int argc, char **argv, struct rejoin_publish *publish)
{
    int option;
    while ((option = rj_ctl_option(argc, argv, options)) != -1) {
        switch (option) {
        case 'n': publish->nsp = optarg; break;
        case 'e': publish->event = optarg; break;
        case 'i': publish->id = optarg; break;
        case 'v': publish->is_volatile = true; break;
        default:
            return rj_ctl_misused(&rj_ctl_publish,
                                  "unknown option or missing value: %s (a negative number "
                                  "comes after --)",
                                  argv[optind - 1]);
        }
    }
    if (argc - optind != 2)
        return rj_ctl_misused(&rj_ctl_publish, "a room and a JSON text are wanted");
    publish->room = argv[optind];
    publish->data = argv[optind + 1];
    if (strcmp(publish->data, "-") != 0 && !is_json(rj_span_str(publish->data)))
        return rj_ctl_misused(&rj_ctl_publish,
                              "not a JSON text: %s\n"
                              "a plain text needs its own quotes inside the shell's: '\"hello\"'",
                              publish->data);
    return RJ_CTL_DONE;
}

static enum rj_ctl_exit run(const struct rj_ctl *ctl, int argc, char **argv)
{
    struct rejoin_publish publish = {0};
    struct rejoin *broker;
    enum rj_ctl_exit result = parse(argc, argv, &publish);
    if (result == RJ_CTL_DONE)
        result = rj_ctl_open(ctl, &broker);
    if (result != RJ_CTL_DONE)
        return result;
    return strcmp(publish.data, "-") == 0 ? publish_input(ctl, broker, &publish)
                                          : publish_one(ctl, broker, &publish);
}

const struct rj_ctl_command rj_ctl_publish = {
    .name = "publish",
    .arguments = "[--namespace NSP] [--event EVENT] [--id ID] [--volatile] ROOM JSON|-",
    .summary = "Publishes to a room and waits until it is on disk",
    .help =
        "  --namespace NSP  the room's namespace (default /)\n"
        "  --event EVENT    what the members get it as (default room:message)\n"
        "  --id ID          published once under this id, however often it is said; with - the line N has\n"
        "                   the id ID-N\n"
        "  --volatile       not stored: only who is there gets it\n\n"
        "JSON is one JSON text, such as '{\"n\":1}' or '\"hello\"'. With - every line of the standard input\n"
        "is one. Prints one JSON object a message: its seq in the room and its offset in the log.\n",
    .run = run,
};
