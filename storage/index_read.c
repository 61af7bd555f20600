/* The index as readers ask it: the table up to indexed_seq, and behind it the entries that wait in memory. */
#include "storage/index.h"

#include "proto/base/mem.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The one that belongs to indexed_seq + i. */
static const struct rj_index_entry *entry_at(const struct rj_store_room *room, uint64_t i)
{
    return &room->pending[room->pending_at + i];
}

bool rj_index_lookup(const struct rj_reader *reader, rj_room_id room, uint64_t seq, uint64_t *pos)
{
    uint8_t name[RJ_INDEX_KEY];
    rj_layout_index_key(name, room, seq);
    MDB_val key = rj_val(name, sizeof name), value;
    struct rj_index_entry entry;
    if (mdb_cursor_get(reader->index, &key, &value, MDB_SET) ||
        !rj_layout_entry_decode(rj_val_span(value), &entry))
        return false;
    *pos = entry.pos;
    return entry.pos > 0; /* no record is there: it would be passed over as one that was seen */
}

static bool entry_of(MDB_val key, MDB_val value, rj_room_id room, uint64_t *seq, struct rj_index_entry *entry)
{
    rj_room_id found;
    return rj_layout_index_key_parse(rj_val_span(key), &found, seq) && found == room &&
           rj_layout_entry_decode(rj_val_span(value), entry);
}

bool rj_index_range(const struct rj_reader *reader, rj_room_id room, struct rj_index_range *out)
{
    uint8_t name[RJ_INDEX_KEY];
    struct rj_index_range range;
    struct rj_index_entry first, last;
    rj_layout_index_key(name, room, 0);
    MDB_val key = rj_val(name, sizeof name), value;
    if (mdb_cursor_get(reader->index, &key, &value, MDB_SET_RANGE) ||
        !entry_of(key, value, room, &range.first_seq, &first))
        return false;
    rj_layout_index_key(name, room, UINT64_MAX);
    key = rj_val(name, sizeof name);
    MDB_cursor_op back = mdb_cursor_get(reader->index, &key, &value, MDB_SET_RANGE) ? MDB_LAST : MDB_PREV;
    if (mdb_cursor_get(reader->index, &key, &value, back) ||
        !entry_of(key, value, room, &range.last_seq, &last))
        return false;
    range.first_pos = first.pos;
    range.last_pos = last.pos;
    *out = range;
    return true;
}

/* ------------------------------------------------------------------------------------------ the trimmed part
 */

bool rj_index_is_true(const struct rj_reader *reader, rj_room_id room, uint64_t seq, uint64_t pos)
{
    struct rj_record record;
    MDB_val key = rj_val(&pos, sizeof pos), value;
    if (mdb_cursor_get(reader->log, &key, &value, MDB_SET) ||
        rj_record_decode_open(rj_val_span(value), pos, &record))
        return false;
    for (size_t i = 0; i < record.fields.n_rooms; i++)
        if (record.rooms[i] == room && record.seqs[i] == seq)
            return true;
    return false;
}

struct trimmed_part {
    const struct rj_reader *reader;
    const struct rj_store_room *room;
    uint64_t trim_pos, from;
    struct rj_index_end end;
};

/* As long as an entry of the index stands at or above the saved floor, its record stands in the log. */
static bool is_true_entry(const struct trimmed_part *part, uint64_t seq, uint64_t *pos)
{
    return rj_index_lookup(part->reader, part->room->id, seq, pos) &&
           rj_index_is_true(part->reader, part->room->id, seq, *pos);
}

static void set_end(struct trimmed_part *part, uint64_t seq, uint64_t pos)
{
    part->end.seq = seq + 1;
    part->end.pos = pos;
}

/* Positions ascend, so the end is found by halving, without a look at the log. False: an entry is missing. */
static bool halve(struct trimmed_part *part)
{
    uint64_t low = part->from, high = part->room->indexed_seq, pos;
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (!rj_index_lookup(part->reader, part->room->id, mid, &pos))
            return false;
        if (pos <= part->trim_pos) {
            set_end(part, mid, pos);
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return true;
}

/* What the entries on both sides of the end say is true: then it is the end, whatever the others say. */
static bool is_confirmed(const struct trimmed_part *part)
{
    uint64_t pos, seq = part->end.seq;
    bool is_below_true = seq == part->from || (is_true_entry(part, seq - 1, &pos) && pos <= part->trim_pos);
    return is_below_true &&
           (seq >= part->room->indexed_seq || (is_true_entry(part, seq, &pos) && pos > part->trim_pos));
}

/* The highest seq from `low` to `high` with a true entry. */
static bool find_true(struct trimmed_part *part, uint64_t low, uint64_t high, uint64_t *seq, uint64_t *pos)
{
    for (*seq = high; *seq >= low && *seq > 0; --*seq) {
        if (is_true_entry(part, *seq, pos))
            return true;
        part->end.damaged = *seq;
    }
    return false;
}

/* The same with a look at each record, and past the entries that are not true. */
static void halve_with_log(struct trimmed_part *part)
{
    uint64_t low = part->from, high = part->room->indexed_seq, seq, pos;
    part->end = (struct rj_index_end){.seq = low};
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (find_true(part, low, mid, &seq, &pos) && pos > part->trim_pos) {
            high = seq;
            continue;
        }
        if (seq >= low)
            set_end(part, seq, pos);
        low = mid + 1;
    }
}

struct rj_index_end rj_index_trimmed_end(const struct rj_reader *reader, const struct rj_store_room *room,
                                         uint64_t from, uint64_t trim_pos)
{
    struct trimmed_part part = {
        .reader = reader, .room = room, .trim_pos = trim_pos, .from = from, .end = {.seq = from}};
    if (!halve(&part) || !is_confirmed(&part))
        halve_with_log(&part);
    return part.end;
}

/* ------------------------------------------------------------------------------------------ from a pos */

/* How many of the entries in memory lie at or below `pos`. */
static uint32_t count_upto(const struct rj_store_room *room, uint64_t pos)
{
    uint32_t low = 0, high = room->n_pending;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (entry_at(room, mid)->pos <= pos)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

enum rj_status rj_index_first_above(const struct rj_reader *reader, const struct rj_store_room *room,
                                    uint64_t pos, uint64_t *seq)
{
    uint32_t in_memory = count_upto(room, pos);
    uint64_t high = room->indexed_seq, low = high, step = 1, found;
    if (in_memory > 0 || room->floor_seq >= high) {
        *seq = room->indexed_seq + in_memory;
        if (*seq < room->floor_seq)
            *seq = room->floor_seq;
        return RJ_OK;
    }
    /* Gallop back from the newest entry of the table: what a client missed is mostly recent. `high` is always
     * above `pos`; the loop ends with `low` at or below it, or just under the floor. */
    for (; low > room->floor_seq; step *= 2) {
        low = low - room->floor_seq > step ? low - step : room->floor_seq;
        if (!rj_index_lookup(reader, room->id, low, &found))
            return RJ_CORRUPT;
        if (found <= pos)
            break;
        high = low;
    }
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (!rj_index_lookup(reader, room->id, mid, &found))
            return RJ_CORRUPT;
        if (found <= pos)
            low = mid + 1;
        else
            high = mid;
    }
    *seq = high;
    return RJ_OK;
}

static enum rj_status read_table(const struct rj_reader *reader, const struct rj_store_room *room,
                                 uint64_t seq, size_t n, uint64_t *positions)
{
    uint8_t name[RJ_INDEX_KEY];
    rj_layout_index_key(name, room->id, seq);
    MDB_val key = rj_val(name, sizeof name), value;
    MDB_cursor_op op = MDB_SET_RANGE;
    for (size_t i = 0; i < n; i++, op = MDB_NEXT) {
        uint64_t found;
        struct rj_index_entry entry;
        if (mdb_cursor_get(reader->index, &key, &value, op) ||
            !entry_of(key, value, room->id, &found, &entry) || found != seq + i)
            return RJ_CORRUPT;
        positions[i] = entry.pos;
        /* Readers merge by these: one out of order would hide the others. */
        if (positions[i] > room->head_pos || (i > 0 && positions[i] <= positions[i - 1]))
            return RJ_CORRUPT;
    }
    return RJ_OK;
}

/* Of a record whose entry was written by format 1; what cannot be read counts nothing. */
static uint32_t size_in_log(const struct rj_reader *reader, uint64_t pos)
{
    MDB_val key = rj_val(&pos, sizeof pos), value;
    return mdb_cursor_get(reader->log, &key, &value, MDB_SET) ? 0 : (uint32_t)value.mv_size;
}

/* Sums sizes up from the seq `from` on, until `to` is reached or the sum is `enough`. */
struct summing {
    uint64_t seq, to, bytes, enough;
};

static void sum_table(const struct rj_reader *reader, const struct rj_store_room *room, struct summing *sum)
{
    uint8_t name[RJ_INDEX_KEY];
    rj_layout_index_key(name, room->id, sum->seq);
    MDB_val key = rj_val(name, sizeof name), value;
    MDB_cursor_op op = MDB_SET_RANGE;
    uint64_t end = least(sum->to, room->indexed_seq), seq;
    struct rj_index_entry entry;
    for (; sum->seq < end && sum->bytes < sum->enough; op = MDB_NEXT) {
        if (mdb_cursor_get(reader->index, &key, &value, op) || !entry_of(key, value, room->id, &seq, &entry))
            seq = end; /* what is missing weighs nothing */
        else if (seq < end)
            sum->bytes += entry.size ? entry.size : size_in_log(reader, entry.pos);
        sum->seq = seq < end ? seq + 1 : end;
    }
}

static void sum_sizes(const struct rj_reader *reader, const struct rj_store_room *room, struct summing *sum)
{
    if (sum->seq < room->indexed_seq)
        sum_table(reader, room, sum);
    for (; sum->seq < sum->to && sum->bytes < sum->enough; sum->seq++)
        sum->bytes += entry_at(room, sum->seq - room->indexed_seq)->size;
}

uint64_t rj_index_bytes(const struct rj_reader *reader, const struct rj_store_room *room, uint64_t from,
                        uint64_t to)
{
    struct summing sum = {.seq = from, .to = to, .enough = UINT64_MAX};
    sum_sizes(reader, room, &sum);
    return sum.bytes;
}

uint64_t rj_index_seq_behind(const struct rj_reader *reader, const struct rj_store_room *room, uint64_t from,
                             uint64_t to, uint64_t bytes)
{
    struct summing sum = {.seq = from, .to = to, .enough = bytes};
    sum_sizes(reader, room, &sum);
    return sum.seq;
}

enum rj_status rj_index_positions(const struct rj_reader *reader, const struct rj_store_room *room,
                                  uint64_t seq, size_t n, uint64_t *positions, size_t *n_out)
{
    size_t from_table = 0;
    if (seq <= room->head_seq)
        n = least(n, room->head_seq - seq + 1);
    else
        n = 0;
    if (n && seq < room->indexed_seq)
        from_table = least(n, room->indexed_seq - seq);
    enum rj_status status = read_table(reader, room, seq, from_table, positions);
    if (status)
        return status;
    for (size_t i = from_table; i < n; i++)
        positions[i] = entry_at(room, seq + i - room->indexed_seq)->pos;
    *n_out = n;
    return RJ_OK;
}

/* ------------------------------------------------------------------------------------------ copies */

/* With the entries [from, to) of those in memory. */
static void copy_room(struct rj_store_room *copy, const struct rj_store_room *room, uint64_t from,
                      uint64_t to)
{
    *copy = *room;
    copy->key = NULL;
    copy->pending = NULL;
    copy->pending_at = copy->n_sweeping = copy->n_accepted = 0;
    copy->n_pending = copy->cap_pending = (uint32_t)(to - from);
    copy->indexed_seq += from;
    copy->head_seq = copy->indexed_seq + copy->n_pending - 1;
    if (copy->n_pending == 0)
        return;
    copy->pending = rj_alloc(copy->n_pending * sizeof *copy->pending);
    memcpy(copy->pending, entry_at(room, from), copy->n_pending * sizeof *copy->pending);
}

void rj_index_copy_above(struct rj_store_room *copy, const struct rj_store_room *room, uint64_t pos,
                         size_t most)
{
    /* The last entry at or below the pos shows that none of the table is above it. */
    uint64_t from = count_upto(room, pos);
    from -= from > 0;
    copy_room(copy, room, from, least(room->n_pending, most < UINT32_MAX ? from + 1 + most : UINT32_MAX));
}

void rj_index_copy_from(struct rj_store_room *copy, const struct rj_store_room *room, uint64_t seq,
                        size_t most)
{
    uint64_t from = seq > room->indexed_seq ? least(seq - room->indexed_seq, room->n_pending) : 0;
    copy_room(copy, room, from, least(room->n_pending, most < UINT32_MAX ? from + most : UINT32_MAX));
}

void rj_index_copy_below(struct rj_store_room *copy, const struct rj_store_room *room, uint64_t seq,
                         size_t most)
{
    uint64_t to = seq > room->indexed_seq ? least(seq - room->indexed_seq, room->n_pending) : 0;
    copy_room(copy, room, to > most ? to - most : 0, to);
}
