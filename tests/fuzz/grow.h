/* Messages of the wire protocol, grown from an input by their descriptors: whatever rejoin.proto comes to
 * hold is tried without another line here. What a field is filled with depends on its name: usual and unusual
 * texts and numbers, and what was seen on the wire before (sids, pids, offsets, jobs …), so that commands fit
 * together.
 */
#ifndef RJ_FUZZ_GROW_H
#define RJ_FUZZ_GROW_H

#include <protobuf-c/protobuf-c.h>

#include "proto/base/arena.h"
#include "tests/fuzz/bytes.h"

enum { FUZZ_SEEN = 4, FUZZ_TEXT = 64 };

/* The last few of a kind, the newest first. */
struct fuzz_texts {
    char list[FUZZ_SEEN][FUZZ_TEXT];
};
struct fuzz_numbers {
    uint64_t list[FUZZ_SEEN];
};

struct fuzz_seen {
    struct fuzz_texts sids, pids, offsets;
    struct fuzz_numbers jobs, asks, tails, nonces, epochs, positions, pages;
};

void fuzz_see_text(struct fuzz_texts *texts, const char *text);
void fuzz_see_number(struct fuzz_numbers *numbers, uint64_t number);

/* A message in `arena`. A kind of a oneof may be fixed: `kind` is the tag of the field that is set; 0: any.
 */
ProtobufCMessage *fuzz_grow(const ProtobufCMessageDescriptor *type, uint32_t kind, struct fuzz_bytes *bytes,
                            const struct fuzz_seen *seen, struct rj_arena *arena);

/* Puts right what the broker never says: texts that are no UTF-8, `data` and `args` that are no JSON (`args`
 * and the data of `plain` messages: no array), placeholders that point to no attachment. */
void fuzz_tidy(ProtobufCMessage *message);

/* The tag of one of the oneof's fields in a message that has one oneof, by a byte. */
uint32_t fuzz_pick_kind(const ProtobufCMessageDescriptor *type, struct fuzz_bytes *bytes);

#endif
