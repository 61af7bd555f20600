/* The texts that the benchmarks send and read, by position and prefix, without parsing JSON. The data of a
 * message is one string: when it was sent (or was due) in microseconds of the monotonic clock, who sent it,
 * and padding.
 */
#ifndef RJ_BENCH_MESSAGE_H
#define RJ_BENCH_MESSAGE_H

#include "proto/base/buf.h"

enum { MESSAGE_DATA_LEAST = 23 /* bytes of data that the stamp needs */ };

struct message_stamp {
    uint64_t sent_us;
    uint32_t sender; /* index of the connection */
};

/* Appends the data, a JSON string of `size` characters (at least MESSAGE_DATA_LEAST). */
void message_put_data(struct rj_buf *out, const struct message_stamp *stamp, size_t size);

/* Appends a room:publish whose ack is to come under `id`. */
void message_put_publish(struct rj_buf *out, const char *room, uint64_t id, const struct message_stamp *stamp,
                         size_t size);

/* Finds the stamp in the text of a message or publish; false when there is none. */
bool message_stamp(struct rj_span text, struct message_stamp *out);

/* What stands between the first `before` and the next quote; empty when there is none. */
struct rj_span message_quoted(struct rj_span text, const char *before);

/* The last string of a packet "…,"LAST"]": the offset that the server appends to an event. Empty: none. */
struct rj_span message_last_string(struct rj_span text);

/* The decimal number at the start of `text`; 0 when there is none. */
uint64_t message_number(struct rj_span text);

/* Appends the arguments of call `id` of a caller, a JSON array: an object whose data, of `size` characters,
 * is like no other call's. */
void message_put_call_args(struct rj_buf *out, uint64_t id, uint32_t caller, size_t size);

/* Whether it is the answer, "3ID[…", to that call: its arguments came back as they were. */
bool message_is_answer(struct rj_span text, uint64_t id, uint32_t caller, size_t size);

/* Reads an ack, "3ID[{…": its id, and the seq in it (0 when there is none). True when it says ok. */
bool message_ack(struct rj_span text, uint64_t *id, uint64_t *seq);

#endif
