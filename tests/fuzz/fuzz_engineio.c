#include "gateway/engineio.h"
#include "tests/fuzz/fuzz.h"

/* What was decoded is encoded and decoded again: the same bytes. */
static void round_trip(struct rj_span data)
{
    struct rj_buf text = {0}, scratch = {0};
    struct rj_eio_packet packet;
    rj_eio_put_base64(&text, data);
    HOLDS(text.len == rj_eio_base64_len(data.len));
    struct rj_eio_payload payload = rj_eio_payload(rj_buf_span(&text));
    HOLDS(rj_eio_payload_next(&payload, &scratch, &packet) == RJ_OK);
    HOLDS(packet.is_binary && rj_span_eq(packet.data, data));
    HOLDS(rj_eio_payload_next(&payload, &scratch, &packet) == RJ_NOT_FOUND);
    rj_buf_free(&text);
    rj_buf_free(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rj_eio_payload payload = rj_eio_payload(rj_span_of(data, size));
    struct rj_buf scratch = {0};
    struct rj_eio_packet packet;
    size_t packets = 0, bytes = 0;
    while (rj_eio_payload_next(&payload, &scratch, &packet) == RJ_OK) {
        HOLDS(packet.type <= RJ_EIO_NOOP);
        HOLDS(!packet.is_binary || packet.type == RJ_EIO_MESSAGE);
        packets++;
        bytes += packet.data.len;
        if (packet.is_binary)
            round_trip(packet.data);
    }
    HOLDS(packets <= size && bytes <= size);
    rj_buf_free(&scratch);
    round_trip(rj_span_of(data, size));
    return 0;
}
