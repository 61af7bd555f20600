/* Between a client's events and the broker's commands: the built-in events of Rejoin, their arguments, and
 * their acks. Pure: no I/O, no clients, memory from an arena or a buffer of the caller's.
 */
#ifndef RJ_TRANSLATE_H
#define RJ_TRANSLATE_H

#include "gateway/client.h"
#include "gateway/optimistic.h"
#include "proto/base/arena.h"
#include "proto/base/buf.h"
#include "proto/base/status.h"
#include "rejoin.pb-c.h"

/* The arguments of a packet to a client: JSON texts, comma-separated, and what their placeholders mean. */
struct rj_args {
    struct rj_buf json;
    struct rj_span *attachments; /* in the arena */
    size_t n_attachments;
};

/* ---- translate_event.c: what a client says */

/* Fills `command` (initialised; its kind and content; not id and client) from an event. What it points to
 * lives in `arena`, or is the event's own memory. An error leaves `*why` with a sentence for the sender. An
 * event that is not built in becomes the command Event. */
enum rj_status rj_translate_event(const struct rj_client_event *event, struct rj_arena *arena,
                                  Rejoin__Command *command, const char **why);

/* Arguments with their brackets, in `arena`. */
ProtobufCBinaryData rj_translate_array(struct rj_span args, struct rj_arena *arena);

/* Attachments as a message's field: the list is in `arena`, the bytes are borrowed. */
ProtobufCBinaryData *rj_translate_attachments(const struct rj_span *attachments, size_t n,
                                              struct rj_arena *arena);

/* ---- translate.c: what it is told */

/* Fills in the ack for a successful or failed command. `room` is the one that the command was about (for
 * pages; may be NULL). The JSON is appended. */
void rj_translate_reply(const Rejoin__Reply *reply, const char *room, struct rj_arena *arena,
                        struct rj_args *out);

/* Appends {"ok":false,"error":{…}}. */
void rj_translate_error(const char *code, const char *message, struct rj_buf *out);

/* Appends the envelope that members get for a message in `room`; NULL: it came by another kind of target, and
 * names none. `seq` 0: left out (volatile, or no room). */
void rj_translate_envelope(const Rejoin__Deliver *deliver, const char *room, uint64_t seq,
                           struct rj_buf *out);

/* The same for a message that is accepted but not committed: marked `pending`, without a seq. */
void rj_translate_pending(const Rejoin__Deliver *deliver, const char *room, struct rj_buf *out);

/* Appends the arguments of room:confirmed and room:failed. */
void rj_translate_confirmed(const Rejoin__Deliver *deliver, const char *room, uint64_t seq,
                            const char *offset, struct rj_buf *out);
void rj_translate_failed(const struct rj_shown *shown, struct rj_buf *out);

/* The arguments of a `plain` message as they go into a packet: JSON texts with commas, without the brackets.
 * Borrowed from the message. What is no array is one argument. */
struct rj_span rj_translate_plain(const Rejoin__Message *message);

/* Appends `json` with `shift` added to the number of every placeholder. */
void rj_translate_shifted(struct rj_span json, size_t shift, struct rj_buf *out);

#endif
