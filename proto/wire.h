/* The envelope of rejoin.proto: one ZeroMQ frame = "RJ", MAJOR, MINOR, one packed Batch.
 *
 * Reading is pure: a frame is checked and unpacked into an arena. Writing is by concatenation: a
 * `struct rj_wire_out` grows by packed items, so that the stored bytes of a message are forwarded verbatim
 * without being unpacked. Neither side does I/O.
 */
#ifndef RJ_WIRE_H
#define RJ_WIRE_H

#include "proto/base/arena.h"
#include "proto/base/buf.h"
#include "proto/base/status.h"
#include "rejoin.pb-c.h"

enum { RJ_WIRE_MAJOR = 1, RJ_WIRE_MINOR = 0, RJ_WIRE_HEADER = 4 };

/* Unpacks a frame. `*out` and all it points to lives in `arena` until that is reset; byte fields are copies.
 * Errors: RJ_TOO_LARGE (above `limit_bytes`, not looked at), RJ_VERSION (other MAJOR), RJ_BAD_REQUEST (no
 * envelope, no valid protobuf). Never fails for want of memory: a frame can only ask for a small multiple of
 * its own size. */
enum rj_status rj_wire_unpack(struct rj_span frame, size_t limit_bytes, struct rj_arena *arena,
                              Rejoin__Batch **out);

/* Unpacks one message of any type into `arena`; NULL when it is not valid. Fields that this version does not
 * know are dropped: what is packed again never carries bytes that nobody here has looked at. */
ProtobufCMessage *rj_wire_unpack_message(const ProtobufCMessageDescriptor *type, struct rj_span bytes,
                                         struct rj_arena *arena);

/* A frame being written. Zero-initialise. */
struct rj_wire_out {
    struct rj_buf frame; /* empty until the first item */
    size_t items;
};

/* Appends one item, packed now. */
void rj_wire_put(struct rj_wire_out *out, const Rejoin__Item *item);

/* Appends one item that was packed before (with rj_wire_pack), such as a command that is repeated. */
void rj_wire_put_packed(struct rj_wire_out *out, struct rj_span item);

/* Appends a Deliver item whose Message is already packed (`message`), without touching those bytes. */
void rj_wire_put_deliver(struct rj_wire_out *out, uint64_t pos, uint64_t ts_ms, const uint64_t *seqs,
                         size_t n_seqs, struct rj_span message, uint64_t client);

/* The same as an item `pending`, which has no seqs yet. */
void rj_wire_put_pending(struct rj_wire_out *out, uint64_t pos, uint64_t ts_ms, struct rj_span message);

/* Appends a Job item whose body (group, sid, namespace and what it is about) is already packed. */
void rj_wire_put_job(struct rj_wire_out *out, uint64_t id, bool repeated, uint64_t timeout_ms,
                     struct rj_span body);

/* Appends Batch.number and Batch.upto (protobuf lets fields come in any order). Call once, at the end;
 * then `out->frame` is the frame to send. */
void rj_wire_seal(struct rj_wire_out *out, uint64_t number, uint64_t upto);

/* Ready for the next frame; memory is kept, within reason (rj_buf_reuse). */
void rj_wire_clear(struct rj_wire_out *out);
void rj_wire_free(struct rj_wire_out *out);

/* Packs a message into `out` (appended). */
void rj_wire_pack(const ProtobufCMessage *message, struct rj_buf *out);

#endif
