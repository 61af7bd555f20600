#include "tests/unit/store_model.h"

unsigned below(struct world *w, unsigned limit)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (unsigned)((w->random >> 11) % limit);
}

rj_room_id id_of(struct world *w, unsigned room)
{
    char name[32];
    snprintf(name, sizeof name, "room number %u", room);
    return room_id(w->f->store, name);
}

uint64_t trimmed_upto(const struct world *w)
{
    return rj_store_head(w->f->store).oldest - 1;
}

char letter(const struct model_record *record)
{
    return (char)('a' + record->fill);
}

bool is_payload(const struct model_record *record, struct rj_span payload)
{
    for (size_t i = 0; i < payload.len; i++) {
        if (payload.data[i] != (uint8_t)letter(record))
            return false;
    }
    return payload.len == record->payload_len;
}

/* ------------------------------------------------------------------------------------------ floors */

uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t seq_in(const struct model_record *record, unsigned room)
{
    for (size_t i = 0; i < record->n_rooms; i++) {
        if (record->rooms[i] == room)
            return record->seqs[i];
    }
    return 0;
}

static const struct model_record *record_of(const struct world *w, unsigned room, uint64_t seq)
{
    for (size_t i = w->n_records; i-- > 0;) {
        if (seq_in(&w->records[i], room) == seq)
            return &w->records[i];
    }
    return NULL;
}

const struct rj_store_limits *limits_of(const struct world *w, unsigned room)
{
    static const struct rj_store_limits none;
    return room < PLAIN ? &none : &w->limits[room - PLAIN];
}

/* The floor that count and bytes make, with the records up to the room's `head`. */
static uint64_t limited_floor(const struct world *w, unsigned room, const struct rj_store_limits *limits,
                              uint64_t head)
{
    uint64_t count = 0, bytes = 0;
    for (size_t i = w->n_records; i-- > 0;) {
        uint64_t seq = seq_in(&w->records[i], room);
        if (seq == 0 || seq > head)
            continue;
        count++;
        bytes += w->records[i].bytes;
        bool is_above =
            (limits->count && count > limits->count) || (limits->bytes && bytes > limits->bytes && count > 1);
        if (is_above)
            return seq + 1;
    }
    return 1;
}

/* Whether the record is older than some room of these may keep it. */
static bool is_old(const struct world *w, const struct rj_store_limits *limits,
                   const struct model_record *record)
{
    uint64_t ages[] = {limits->age_ms, w->f->options.retention_ms};
    for (size_t i = 0; i < 2; i++) {
        if (ages[i] && record->ts_ms + ages[i] < rj_clock_wall_ms())
            return true;
    }
    return false;
}

uint64_t floor_under(struct world *w, unsigned room, const struct rj_store_limits *limits)
{
    struct rj_room_state state = rj_store_room_state(w->f->store, id_of(w, room));
    w->due[room] = larger(w->due[room], limited_floor(w, room, limits, state.head_seq));
    assert_true(state.floor_seq >= w->due[room]);
    assert_true(state.floor_seq >= w->floors[room]);
    if (state.floor_seq > larger(larger(w->due[room], w->floors[room]), w->purging[room]))
        assert_true(is_old(w, limits, record_of(w, room, state.floor_seq - 1)));
    w->floors[room] = state.floor_seq;
    return state.floor_seq;
}

uint64_t floor_seq(struct world *w, unsigned room)
{
    return floor_under(w, room, limits_of(w, room));
}

uint64_t floor_pos(struct world *w, unsigned room)
{
    uint64_t floor = floor_seq(w, room);
    return floor > 1 ? record_of(w, room, floor - 1)->pos : 0;
}

bool is_kept(struct world *w, uint64_t pos)
{
    const struct model_record *record = &w->records[pos - 1];
    for (size_t i = 0; i < record->n_rooms; i++) {
        if (record->rooms[i] != GONE && record->seqs[i] >= floor_seq(w, record->rooms[i]))
            return true;
    }
    return false;
}
