/* The smallest backend: publishes one message to a room and tells its place there.
 *
 *     example-publisher ENDPOINT ROOM JSON
 */
#include <rejoin.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s ENDPOINT ROOM JSON\n", argv[0]);
        return 2;
    }
    struct rejoin_options options = {.endpoint = argv[1], .name = "example"};
    struct rejoin *broker = NULL;
    enum rejoin_status status = rejoin_open(&options, &broker);
    if (status != REJOIN_OK) {
        fprintf(stderr, "%s: %s\n", argv[1], rejoin_strerror(status));
        return 1;
    }

    struct rejoin_publish message = {.room = argv[2], .data = argv[3]};
    struct rejoin_published stored;
    status = rejoin_publish_wait(broker, &message, 5000, &stored);
    if (status == REJOIN_OK)
        printf("seq %llu, offset %s\n", (unsigned long long)stored.seq, stored.offset);
    else
        fprintf(stderr, "%s (%s)\n", rejoin_strerror(status), rejoin_detail(broker));
    rejoin_close(&broker);
    return status == REJOIN_OK ? 0 : 1;
}
