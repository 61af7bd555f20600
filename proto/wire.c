#include "proto/wire.h"

static const uint8_t header[RJ_WIRE_HEADER] = {'R', 'J', RJ_WIRE_MAJOR, RJ_WIRE_MINOR};

/* Protobuf field keys, (number << 3) | wire type, of the fields that are written by hand. */
enum { VARINT = 0, BYTES = 2 };
enum {
    BATCH_NUMBER = 1 << 3 | VARINT,
    BATCH_UPTO = 2 << 3 | VARINT,
    BATCH_ITEMS = 3 << 3 | BYTES,
    ITEM_DELIVER = 23 << 3 | BYTES,
    DELIVER_POS = 1 << 3 | VARINT,
    DELIVER_TS = 2 << 3 | VARINT,
    DELIVER_SEQS = 3 << 3 | BYTES,
    DELIVER_MESSAGE = 4 << 3 | BYTES,
    DELIVER_CLIENT = 5 << 3 | VARINT,
    ITEM_JOB = 30 << 3 | BYTES,
    ITEM_PENDING = 37 << 3 | BYTES,
    JOB_ID = 1 << 3 | VARINT,
    JOB_REPEATED = 5 << 3 | VARINT,
    JOB_TIMEOUT = 6 << 3 | VARINT,
};

static void *arena_alloc(void *arena, size_t size)
{
    return rj_arena_alloc(arena, size);
}

static void arena_free(void *arena, void *pointer)
{
    (void)arena;
    (void)pointer;
}

static void drop_unknown(ProtobufCMessage *message);

/* Calls drop_unknown for what `field` of the message at `base` holds, if it holds messages. */
static void drop_inside(const ProtobufCFieldDescriptor *field, const uint8_t *base)
{
    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n = *(const size_t *)(base + field->quantifier_offset);
        ProtobufCMessage *const *messages = *(ProtobufCMessage *const *const *)(base + field->offset);
        for (size_t i = 0; i < n; i++)
            drop_unknown(messages[i]);
        return;
    }
    bool is_in_union = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
    if (is_in_union && *(const uint32_t *)(base + field->quantifier_offset) != field->id)
        return;
    ProtobufCMessage *inner = *(ProtobufCMessage *const *)(base + field->offset);
    if (inner)
        drop_unknown(inner);
}

/* protobuf-c keeps the fields that it does not know and writes them out again, among them a field number 0
 * (in an encoding longer than it need be) that it then refuses to read. Stored and forwarded, such a message
 * would break every stream that carries it. So unknown fields end here; a type of ours never contains itself,
 * which bounds the recursion. */
static void drop_unknown(ProtobufCMessage *message)
{
    message->n_unknown_fields = 0;
    message->unknown_fields = NULL;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++)
        drop_inside(&message->descriptor->fields[i], (const uint8_t *)message);
}

ProtobufCMessage *rj_wire_unpack_message(const ProtobufCMessageDescriptor *type, struct rj_span bytes,
                                         struct rj_arena *arena)
{
    ProtobufCAllocator allocator = {.alloc = arena_alloc, .free = arena_free, .allocator_data = arena};
    static const uint8_t none[1];
    ProtobufCMessage *message =
        protobuf_c_message_unpack(type, &allocator, bytes.len, bytes.len ? bytes.data : none);
    if (message)
        drop_unknown(message);
    return message;
}

enum rj_status rj_wire_unpack(struct rj_span frame, size_t limit_bytes, struct rj_arena *arena,
                              Rejoin__Batch **out)
{
    if (frame.len > limit_bytes)
        return RJ_TOO_LARGE;
    if (frame.len < RJ_WIRE_HEADER || memcmp(frame.data, header, 2) != 0)
        return RJ_BAD_REQUEST;
    if (frame.data[2] != RJ_WIRE_MAJOR)
        return RJ_VERSION;
    ProtobufCMessage *batch =
        rj_wire_unpack_message(&rejoin__batch__descriptor, rj_span_from(frame, RJ_WIRE_HEADER), arena);
    if (!batch)
        return RJ_BAD_REQUEST;
    *out = (Rejoin__Batch *)batch;
    return RJ_OK;
}

static size_t varint_size(uint64_t value)
{
    size_t n = 1;
    while (value >= 0x80) {
        value >>= 7;
        n++;
    }
    return n;
}

static void put_varint(struct rj_buf *buf, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;
    while (value >= 0x80) {
        bytes[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[n++] = (uint8_t)value;
    rj_buf_put(buf, bytes, n);
}

static size_t number_field_size(unsigned key, uint64_t value)
{
    return value ? varint_size(key) + varint_size(value) : 0;
}

static void put_number_field(struct rj_buf *buf, unsigned key, uint64_t value)
{
    if (!value)
        return;
    put_varint(buf, key);
    put_varint(buf, value);
}

static void begin_item(struct rj_wire_out *out, size_t item_size)
{
    if (out->frame.len == 0)
        rj_buf_put(&out->frame, header, sizeof header);
    put_varint(&out->frame, BATCH_ITEMS);
    put_varint(&out->frame, item_size);
    out->items++;
}

void rj_wire_pack(const ProtobufCMessage *message, struct rj_buf *out)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    protobuf_c_message_pack(message, rj_buf_reserve(out, size));
    out->len += size;
}

void rj_wire_put(struct rj_wire_out *out, const Rejoin__Item *item)
{
    begin_item(out, protobuf_c_message_get_packed_size(&item->base));
    rj_wire_pack(&item->base, &out->frame);
}

void rj_wire_put_packed(struct rj_wire_out *out, struct rj_span item)
{
    begin_item(out, item.len);
    rj_buf_put_span(&out->frame, item);
}

static void put_deliver(struct rj_wire_out *out, uint64_t kind, uint64_t pos, uint64_t ts_ms,
                        const uint64_t *seqs, size_t n_seqs, struct rj_span message, uint64_t client)
{
    size_t seqs_size = 0;
    for (size_t i = 0; i < n_seqs; i++)
        seqs_size += varint_size(seqs[i]);
    size_t deliver_size = number_field_size(DELIVER_POS, pos) + number_field_size(DELIVER_TS, ts_ms) +
                          (n_seqs ? 1 + varint_size(seqs_size) + seqs_size : 0) + 1 +
                          varint_size(message.len) + message.len + number_field_size(DELIVER_CLIENT, client);
    begin_item(out, varint_size(kind) + varint_size(deliver_size) + deliver_size);
    struct rj_buf *frame = &out->frame;
    put_varint(frame, kind);
    put_varint(frame, deliver_size);
    put_number_field(frame, DELIVER_POS, pos);
    put_number_field(frame, DELIVER_TS, ts_ms);
    if (n_seqs) {
        put_varint(frame, DELIVER_SEQS);
        put_varint(frame, seqs_size);
        for (size_t i = 0; i < n_seqs; i++)
            put_varint(frame, seqs[i]);
    }
    put_varint(frame, DELIVER_MESSAGE);
    put_varint(frame, message.len);
    rj_buf_put_span(frame, message);
    put_number_field(frame, DELIVER_CLIENT, client);
}

void rj_wire_put_deliver(struct rj_wire_out *out, uint64_t pos, uint64_t ts_ms, const uint64_t *seqs,
                         size_t n_seqs, struct rj_span message, uint64_t client)
{
    put_deliver(out, ITEM_DELIVER, pos, ts_ms, seqs, n_seqs, message, client);
}

void rj_wire_put_pending(struct rj_wire_out *out, uint64_t pos, uint64_t ts_ms, struct rj_span message)
{
    put_deliver(out, ITEM_PENDING, pos, ts_ms, NULL, 0, message, 0);
}

void rj_wire_put_job(struct rj_wire_out *out, uint64_t id, bool repeated, uint64_t timeout_ms,
                     struct rj_span body)
{
    size_t job_size = number_field_size(JOB_ID, id) + number_field_size(JOB_REPEATED, repeated) +
                      number_field_size(JOB_TIMEOUT, timeout_ms) + body.len;
    begin_item(out, varint_size(ITEM_JOB) + varint_size(job_size) + job_size);
    struct rj_buf *frame = &out->frame;
    put_varint(frame, ITEM_JOB);
    put_varint(frame, job_size);
    put_number_field(frame, JOB_ID, id);
    put_number_field(frame, JOB_REPEATED, repeated);
    put_number_field(frame, JOB_TIMEOUT, timeout_ms);
    rj_buf_put_span(frame, body);
}

void rj_wire_seal(struct rj_wire_out *out, uint64_t number, uint64_t upto)
{
    if (out->frame.len == 0)
        rj_buf_put(&out->frame, header, sizeof header);
    put_number_field(&out->frame, BATCH_NUMBER, number);
    put_number_field(&out->frame, BATCH_UPTO, upto);
}

void rj_wire_clear(struct rj_wire_out *out)
{
    rj_buf_reuse(&out->frame);
    out->items = 0;
}

void rj_wire_free(struct rj_wire_out *out)
{
    rj_buf_free(&out->frame);
    out->items = 0;
}
