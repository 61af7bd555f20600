/* A durable consumer: prints every message of a room once it is on disk at the broker, and goes on after any
 * restart where it stopped.
 *
 *     example-consumer --broker ENDPOINT --room ROOM --position FILE
 *
 * FILE holds the offset of the last message that was taken care of. It is replaced in one step, after the
 * work and before the next message: a crash between the two repeats one message, and loses none.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <rejoin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fail(const char *what)
{
    fprintf(stderr, "example-consumer: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* "0", the oldest message that is kept, before the first start. */
static void load(const char *path, char offset[REJOIN_OFFSET_SIZE])
{
    FILE *file = fopen(path, "r");
    strcpy(offset, "0");
    if (!file && errno != ENOENT)
        fail(path);
    if (file && fscanf(file, "%31s", offset) != 1)
        strcpy(offset, "0");
    if (file)
        fclose(file);
}

static void sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        fail(folder);
    close(fd);
}

static void save(const char *path, const char *offset)
{
    char fresh[PATH_MAX];
    if (snprintf(fresh, sizeof fresh, "%s.new", path) >= PATH_MAX)
        fail(path);
    FILE *file = fopen(fresh, "w");
    if (!file || fprintf(file, "%s\n", offset) < 0 || fflush(file) != 0 || fsync(fileno(file)) != 0 ||
        fclose(file) != 0 || rename(fresh, path) != 0)
        fail(fresh);
    sync_folder_of(path);
}

static void on_message(void *arg, const struct rejoin_message *message)
{
    printf("%s %s %s\n", message->offset, message->event, message->data); /* the work */
    if (fflush(stdout) != 0)
        fail("stdout");
    save(arg, message->offset);
}

static void on_state(void *arg, enum rejoin_tail_state state, enum rejoin_status status, const char *offset)
{
    (void)arg;
    if (state == REJOIN_TAIL_GAP)
        fprintf(stderr, "example-consumer: messages before %s are no longer kept\n", offset);
    if (state == REJOIN_TAIL_ENDED)
        fprintf(stderr, "example-consumer: %s\n", rejoin_strerror(status));
    if (state == REJOIN_TAIL_ENDED)
        exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 7 || strcmp(argv[1], "--broker") || strcmp(argv[3], "--room") ||
        strcmp(argv[5], "--position")) {
        fprintf(stderr, "usage: %s --broker ENDPOINT --room ROOM --position FILE\n", argv[0]);
        return 2;
    }
    char offset[REJOIN_OFFSET_SIZE];
    load(argv[6], offset);
    struct rejoin_options options = {.endpoint = argv[2], .name = "example-consumer"};
    struct rejoin_tail_options following = {
        .room = argv[4], .offset = offset, .on_message = on_message, .on_state = on_state, .arg = argv[6]};
    struct rejoin *broker = NULL;
    struct rejoin_tail *tail = NULL;
    enum rejoin_status status = rejoin_open(&options, &broker);
    if (status == REJOIN_OK)
        status = rejoin_tail(broker, &following, &tail);
    while (status == REJOIN_OK)
        status = rejoin_run_once(broker, -1);
    fprintf(stderr, "example-consumer: %s: %s\n", argv[2], rejoin_strerror(status));
    rejoin_close(&broker);
    return 1;
}
