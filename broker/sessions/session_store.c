#include "broker/sessions/session_store.h"

#include "broker/rooms/room.h"
#include "proto/base/clock.h"
#include "rejoin.pb-c.h"

enum {
    RECORD_FORMAT = 2,
    RECORD_FIXED = 2 + 4 * 8,
    RECORD_FIXED_1 = 2 + 3 * 8, /* of format 1 */
    OVER_FORMAT = 0x80,         /* in a record's place: why there is none any more */
    OVER_SIZE = 2 + 8,
    OVER_KEPT_MS = 3600000, /* or for a lifetime, if that is longer */
    ALL_BACK_MS = 60000,    /* after a start (or a lifetime, if that is shorter) gateways are back */
    PARTS_MAX = 1 << 20,    /* of one session, when it is read back: no bound but a stop */
};

static void put_u64(struct rj_buf *out, uint64_t value)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    rj_buf_put(out, bytes, sizeof bytes);
}

static uint64_t get_u64(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

static void put_text(struct rj_buf *out, struct rj_span text)
{
    rj_buf_put_u8(out, (uint8_t)text.len);
    rj_buf_put_span(out, text);
}

void rj_session_record_encode(const struct rj_session_record *record, struct rj_buf *out)
{
    rj_buf_put_u8(out, RECORD_FORMAT);
    rj_buf_put_u8(out, record->is_connected);
    put_u64(out, record->seen_ms);
    put_u64(out, record->incarnation);
    put_u64(out, record->start_pos);
    put_u64(out, record->epoch);
    put_text(out, record->sid);
    put_text(out, record->nsp);
    put_text(out, record->user);
}

static bool take_text(struct rj_span *rest, struct rj_span *text)
{
    if (rest->len < 1 || rest->len - 1 < rest->data[0])
        return false;
    *text = rj_span_of(rest->data + 1, rest->data[0]);
    *rest = rj_span_from(*rest, 1 + text->len);
    return true;
}

enum rj_status rj_session_record_decode(struct rj_span bytes, struct rj_session_record *out)
{
    if (bytes.len < 1)
        return RJ_CORRUPT;
    if (bytes.data[0] == 0 || bytes.data[0] > RECORD_FORMAT)
        return RJ_VERSION;
    size_t fixed = bytes.data[0] == 1 ? RECORD_FIXED_1 : RECORD_FIXED;
    if (bytes.len < fixed)
        return RJ_CORRUPT;
    struct rj_session_record record = {
        .is_connected = bytes.data[1],
        .seen_ms = get_u64(bytes.data + 2),
        .incarnation = get_u64(bytes.data + 10),
        .start_pos = get_u64(bytes.data + 18),
        .epoch = fixed == RECORD_FIXED ? get_u64(bytes.data + 26) : 0,
    };
    struct rj_span rest = rj_span_from(bytes, fixed);
    if (!take_text(&rest, &record.sid) || !take_text(&rest, &record.nsp) || !take_text(&rest, &record.user) ||
        rest.len != 0 || record.sid.len != RJ_ID_LEN || record.nsp.len > RJ_NAMESPACE_MAX)
        return RJ_CORRUPT;
    *out = record;
    return RJ_OK;
}

bool rj_session_record_is_expired(const struct rj_session_record *record, uint64_t now_ms, uint64_t uptime_ms,
                                  uint64_t lifetime_ms)
{
    if (record->is_connected && uptime_ms < lifetime_ms)
        return false;
    return now_ms > record->seen_ms && now_ms - record->seen_ms > lifetime_ms;
}

/* ------------------------------------------------------------------------------------------ writing */

static struct rj_span pid_of(const struct rj_session *session)
{
    return rj_span_of(session->pid, RJ_ID_LEN);
}

void rj_session_store_save(struct rj_store *store, const struct rj_session *session, bool is_connected,
                           rj_store_written *done, void *ctx)
{
    struct rj_buf value = {0};
    rj_session_record_encode(
        &(struct rj_session_record){
            .is_connected = is_connected,
            .seen_ms = is_connected ? session->connected_ms : rj_clock_wall_ms(),
            .incarnation = session->incarnation,
            .start_pos = session->start_pos,
            .epoch = rj_store_head(store).epoch,
            .sid = rj_span_str(session->sid),
            .nsp = rj_span_str(session->nsp),
            .user = rj_span_str(session->user),
        },
        &value);
    rj_store_put(store, RJ_TABLE_SESSION, pid_of(session), rj_buf_span(&value), RJ_ANY_VERSION, done, ctx);
    rj_buf_free(&value);
}

static struct rj_span brief_key(uint8_t out[static 1 + RJ_ID_LEN], const char *sid)
{
    out[0] = RJ_SESSION_BRIEF;
    memcpy(out + 1, sid, RJ_ID_LEN);
    return rj_span_of(out, 1 + RJ_ID_LEN);
}

static struct rj_span sid_key(uint8_t out[static 1 + RJ_ID_LEN], struct rj_span sid)
{
    out[0] = RJ_SESSION_SID;
    memcpy(out + 1, sid.data, RJ_ID_LEN);
    return rj_span_of(out, 1 + RJ_ID_LEN);
}

void rj_session_store_begin(struct rj_store *store, const struct rj_session *session, rj_store_written *done,
                            void *ctx)
{
    uint8_t key[1 + RJ_ID_LEN];
    rj_session_store_save(store, session, true, NULL, NULL);
    rj_store_put(store, RJ_TABLE_SESSION, sid_key(key, rj_span_of(session->sid, RJ_ID_LEN)), pid_of(session),
                 RJ_ANY_VERSION, done, ctx);
}

static void save_number(struct rj_store *store, enum rj_store_table table, struct rj_span key,
                        uint64_t number, rj_store_written *done, void *ctx)
{
    struct rj_buf value = {0};
    put_u64(&value, number);
    rj_store_put(store, table, key, rj_buf_span(&value), RJ_ANY_VERSION, done, ctx);
    rj_buf_free(&value);
}

void rj_session_store_save_cursor(struct rj_store *store, const struct rj_session *session)
{
    save_number(store, RJ_TABLE_CURSOR, pid_of(session), session->cursor, NULL, NULL);
}

static struct rj_span void_key(void)
{
    static const uint8_t key[] = {RJ_SESSION_WHOLE};
    return rj_span_of(key, sizeof key);
}

void rj_session_store_void(struct rj_store *store, uint64_t epoch)
{
    save_number(store, RJ_TABLE_SESSION, void_key(), epoch, NULL, NULL);
}

uint64_t rj_session_store_whole_since(struct rj_store *store)
{
    struct rj_buf value = {0};
    uint64_t restored = rj_store_head(store).restored, epoch = 0;
    if (rj_store_get(store, RJ_TABLE_SESSION, void_key(), &value, NULL) == RJ_OK && value.len == sizeof epoch)
        epoch = get_u64(value.data);
    rj_buf_free(&value);
    return epoch > restored ? epoch : restored;
}

enum { MEMBERSHIP_KEY_MAX = RJ_ID_LEN + 1 + RJ_TARGET_KEY_MAX };
_Static_assert((int)MEMBERSHIP_KEY_MAX <= (int)RJ_STORE_KEY_MAX, "a membership's key fits the store");

static struct rj_span membership_key(uint8_t out[static MEMBERSHIP_KEY_MAX], const struct rj_session *session,
                                     struct rj_span room_key)
{
    memcpy(out, session->pid, RJ_ID_LEN);
    out[RJ_ID_LEN] = RJ_SESSION_ROOM;
    memcpy(out + RJ_ID_LEN + 1, room_key.data, room_key.len);
    return rj_span_of(out, RJ_ID_LEN + 1 + room_key.len);
}

void rj_session_store_join(struct rj_store *store, const struct rj_session *session,
                           const struct rj_membership *membership, rj_store_written *done, void *ctx)
{
    uint8_t key[MEMBERSHIP_KEY_MAX];
    struct rj_span room_key = rj_span_of(membership->room->key, membership->room->key_len);
    save_number(store, RJ_TABLE_SESSION, membership_key(key, session, room_key), membership->since_pos, done,
                ctx);
}

void rj_session_store_leave(struct rj_store *store, const struct rj_session *session, struct rj_span room_key,
                            rj_store_written *done, void *ctx)
{
    uint8_t key[MEMBERSHIP_KEY_MAX];
    rj_store_delete(store, RJ_TABLE_SESSION, membership_key(key, session, room_key), done, ctx);
}

/* A pair of the session's own, next to its record; an empty value deletes it. */
static void save_part(struct rj_store *store, const char *pid, uint8_t mark, struct rj_span value,
                      rj_store_written *done, void *ctx)
{
    uint8_t bytes[RJ_ID_LEN + 1];
    struct rj_span key = rj_span_of(bytes, sizeof bytes);
    memcpy(bytes, pid, RJ_ID_LEN);
    bytes[RJ_ID_LEN] = mark;
    if (value.len)
        rj_store_put(store, RJ_TABLE_SESSION, key, value, RJ_ANY_VERSION, done, ctx);
    else
        rj_store_delete(store, RJ_TABLE_SESSION, key, done, ctx);
}

void rj_session_store_save_foreign(struct rj_store *store, const struct rj_session *session)
{
    struct rj_buf value = {0};
    put_u64(&value, session->foreign.epoch);
    put_u64(&value, session->foreign.pos);
    save_part(store, session->pid, RJ_SESSION_FOREIGN, rj_buf_span(&value), NULL, NULL);
    rj_buf_free(&value);
}

void rj_session_store_save_handshake(struct rj_store *store, const struct rj_session *session,
                                     rj_store_written *done, void *ctx)
{
    save_part(store, session->pid, RJ_SESSION_HANDSHAKE, rj_span_of(session->handshake, session->n_handshake),
              done, ctx);
}

void rj_session_store_save_data(struct rj_store *store, const char *pid, struct rj_span json,
                                rj_store_written *done, void *ctx)
{
    save_part(store, pid, RJ_SESSION_DATA, json, done, ctx);
}

/* What was said to a socket whose session is over. */
static void forget_socket(struct rj_store *store, const char *nsp, const char *sid)
{
    uint8_t key[RJ_TARGET_KEY_MAX];
    size_t len = rj_target_key(key, REJOIN__TARGET__KIND__SOCKET, nsp, sid);
    rj_store_forget_room(store, rj_span_of(key, len), NULL, NULL);
}

void rj_session_store_begin_brief(struct rj_store *store, const char *nsp, const char *sid)
{
    uint8_t key[1 + RJ_ID_LEN];
    struct rj_buf value = {0};
    put_u64(&value, rj_clock_wall_ms());
    rj_buf_put_str(&value, nsp);
    rj_store_put(store, RJ_TABLE_SESSION, brief_key(key, sid), rj_buf_span(&value), RJ_ANY_VERSION, NULL,
                 NULL);
    rj_buf_free(&value);
}

void rj_session_store_end_brief(struct rj_store *store, const char *nsp, const char *sid)
{
    uint8_t key[1 + RJ_ID_LEN];
    forget_socket(store, nsp, sid);
    rj_store_delete(store, RJ_TABLE_SESSION, brief_key(key, sid), NULL, NULL);
}

bool rj_session_store_knows_brief(struct rj_store *store, const char *sid)
{
    uint8_t key[1 + RJ_ID_LEN];
    struct rj_buf value = {0};
    enum rj_status status = rj_store_get(store, RJ_TABLE_SESSION, brief_key(key, sid), &value, NULL);
    rj_buf_free(&value);
    return status == RJ_OK;
}

static void put_over(struct rj_store *store, struct rj_span pid, enum rj_session_end why,
                     rj_store_written *done, void *ctx)
{
    struct rj_buf value = {0};
    rj_buf_put_u8(&value, OVER_FORMAT);
    rj_buf_put_u8(&value, (uint8_t)why);
    put_u64(&value, rj_clock_wall_ms());
    rj_store_put(store, RJ_TABLE_SESSION, pid, rj_buf_span(&value), RJ_ANY_VERSION, done, ctx);
    rj_buf_free(&value);
}

void rj_session_store_end(struct rj_store *store, struct rj_span pid, const char *nsp, const char *sid,
                          enum rj_session_end why, rj_store_written *done, void *ctx)
{
    uint8_t key[1 + RJ_ID_LEN];
    forget_socket(store, nsp, sid);
    rj_store_delete(store, RJ_TABLE_SESSION, sid_key(key, rj_span_of(sid, RJ_ID_LEN)), NULL, NULL);
    rj_store_delete(store, RJ_TABLE_CURSOR, pid, NULL, NULL);
    rj_store_delete_prefix(store, RJ_TABLE_SESSION, pid, NULL, NULL);
    put_over(store, pid, why, done, ctx);
}

/* ------------------------------------------------------------------------------------------ reading */

struct parts_visit {
    struct rj_session *session;
    struct rj_buf rooms; /* before they are looked up: {u16 length, room key, u64 since_pos} */
};

static void on_membership(struct rj_buf *found, struct rj_span room_key, struct rj_span value)
{
    if (room_key.len < 3 || room_key.len > RJ_TARGET_KEY_MAX || value.len != 8)
        return; /* nothing that we write */
    uint16_t len = (uint16_t)room_key.len;
    rj_buf_put(found, &len, sizeof len);
    rj_buf_put_span(found, room_key);
    rj_buf_put_span(found, value);
}

static void on_foreign(struct rj_session *session, struct rj_span value)
{
    if (value.len == 16)
        session->foreign = (struct rj_offset){get_u64(value.data), get_u64(value.data + 8)};
}

static bool on_part(void *ctx, struct rj_span key, struct rj_span value)
{
    struct parts_visit *visit = ctx;
    struct rj_span rest = rj_span_from(key, RJ_ID_LEN);
    if (rest.len == 0)
        return true; /* the record itself */
    switch (rest.data[0]) {
    case RJ_SESSION_ROOM: on_membership(&visit->rooms, rj_span_from(rest, 1), value); break;
    case RJ_SESSION_DATA: rj_session_set_data(visit->session, value); break;
    case RJ_SESSION_HANDSHAKE: rj_session_set_handshake(visit->session, value); break;
    case RJ_SESSION_FOREIGN: on_foreign(visit->session, value); break;
    default: break; /* of a later version */
    }
    return true;
}

static enum rj_status load_parts(struct rj_store *store, struct rj_session *session, struct rj_rooms *rooms)
{
    struct parts_visit visit = {.session = session};
    enum rj_status status = rj_store_scan(store, RJ_TABLE_SESSION, pid_of(session), (struct rj_span){NULL, 0},
                                          PARTS_MAX, on_part, &visit);
    struct rj_buf found = visit.rooms;
    for (size_t at = 0; status == RJ_OK && at < found.len;) {
        uint16_t len;
        memcpy(&len, found.data + at, sizeof len);
        struct rj_span key = rj_span_of(found.data + at + sizeof len, len);
        uint64_t since_pos = get_u64(key.data + len);
        at += sizeof len + len + 8;
        rj_room_id room;
        status = rj_store_room(store, key, true, &room);
        if (status == RJ_OK)
            rj_session_add_room(session, rj_room_ref(rooms, room, key), since_pos);
    }
    rj_buf_free(&found);
    return status;
}

static uint64_t load_cursor(struct rj_store *store, struct rj_span pid)
{
    struct rj_buf value = {0};
    uint64_t cursor = 0;
    if (rj_store_get(store, RJ_TABLE_CURSOR, pid, &value, NULL) == RJ_OK && value.len == 8)
        cursor = get_u64(value.data);
    rj_buf_free(&value);
    return cursor;
}

static struct rj_session *session_of_record(struct rj_sessions *sessions, const char *pid,
                                            const struct rj_session_record *record)
{
    char sid[RJ_ID_LEN + 1] = "", nsp[256] = "", user[256] = "";
    memcpy(sid, record->sid.data, record->sid.len);
    memcpy(nsp, record->nsp.data, record->nsp.len);
    memcpy(user, record->user.data, record->user.len);
    struct rj_session *session = rj_session_new(sessions, pid, sid, nsp, user);
    session->incarnation = record->incarnation;
    session->start_pos = record->start_pos;
    session->connected_ms = record->seen_ms;
    return session;
}

/* RJ_OK, or why it may not be restored. */
static enum rj_status judge(const struct rj_session_record *record, struct rj_session_clock clock)
{
    if (record->epoch < clock.whole_since)
        return RJ_GAP;
    bool is_expired = rj_session_record_is_expired(record, clock.now_ms, clock.uptime_ms, clock.lifetime_ms);
    return is_expired ? RJ_TIMEOUT : RJ_OK;
}

static bool is_over(struct rj_span value)
{
    return value.len == OVER_SIZE && value.data[0] == OVER_FORMAT;
}

static enum rj_status status_of_end(struct rj_span over)
{
    switch ((enum rj_session_end)over.data[1]) {
    case RJ_SESSION_LEFT: return RJ_CLOSED;
    case RJ_SESSION_EXPIRED: return RJ_TIMEOUT;
    case RJ_SESSION_VOID: return RJ_GAP;
    }
    return RJ_NOT_FOUND; /* of a later version */
}

/* Appends the record to `bytes`, which it then points into. */
static enum rj_status read_record(struct rj_store *store, const char *pid, struct rj_session_clock clock,
                                  struct rj_buf *bytes, struct rj_session_record *record)
{
    if (!rj_session_pid_is_valid(pid))
        return RJ_NOT_FOUND;
    enum rj_status status = rj_store_get(store, RJ_TABLE_SESSION, rj_span_of(pid, RJ_ID_LEN), bytes, NULL);
    if (status == RJ_OK && is_over(rj_buf_span(bytes)))
        return status_of_end(rj_buf_span(bytes));
    if (status == RJ_OK)
        status = rj_session_record_decode(rj_buf_span(bytes), record);
    return status == RJ_OK ? judge(record, clock) : status;
}

enum rj_status rj_session_store_find(struct rj_store *store, const char *nsp, const char *sid,
                                     struct rj_session_clock clock, const struct rj_sessions *sessions,
                                     char pid[static RJ_ID_LEN + 1])
{
    uint8_t key[1 + RJ_ID_LEN];
    char found[RJ_ID_LEN + 1] = "";
    struct rj_session_record record;
    struct rj_buf bytes = {0};
    if (strnlen(sid, RJ_ID_LEN + 1) != RJ_ID_LEN)
        return RJ_NOT_FOUND;
    enum rj_status status =
        rj_store_get(store, RJ_TABLE_SESSION, sid_key(key, rj_span_of(sid, RJ_ID_LEN)), &bytes, NULL);
    if (status == RJ_OK && bytes.len == RJ_ID_LEN)
        memcpy(found, bytes.data, RJ_ID_LEN);
    rj_buf_clear(&bytes);
    const struct rj_session *in_ram = rj_session_find(sessions, found);
    if (in_ram)
        status = in_ram->is_ended || strcmp(in_ram->nsp, nsp) != 0 ? RJ_NOT_FOUND : RJ_OK;
    else if ((status = read_record(store, found, clock, &bytes, &record)) == RJ_OK)
        status = rj_span_is(record.nsp, nsp) && rj_span_is(record.sid, sid) ? RJ_OK : RJ_NOT_FOUND;
    rj_buf_free(&bytes);
    if (status != RJ_OK)
        return RJ_NOT_FOUND;
    memcpy(pid, found, sizeof found);
    return RJ_OK;
}

enum rj_status rj_session_store_load(struct rj_store *store, const char *pid, struct rj_session_clock clock,
                                     struct rj_sessions *sessions, struct rj_rooms *rooms,
                                     struct rj_session **out)
{
    struct rj_buf value = {0};
    struct rj_session_record record;
    struct rj_session *session = NULL;
    enum rj_status status = read_record(store, pid, clock, &value, &record);
    if (status == RJ_OK) {
        session = session_of_record(sessions, pid, &record);
        session->cursor = load_cursor(store, pid_of(session));
        status = load_parts(store, session, rooms);
        if (status != RJ_OK)
            rj_session_free(sessions, rooms, session);
    }
    rj_buf_free(&value);
    if (status == RJ_OK)
        *out = session;
    return status;
}

/* ------------------------------------------------------------------------------------------ expiry */

struct sweep_visit {
    struct rj_session_sweep *sweep;
    struct rj_session_clock clock;
    const struct rj_sessions *sessions;
    struct rj_buf expired;   /* struct expired each */
    struct rj_buf forgotten; /* pids of those that have been over for long */
    struct rj_buf lost;      /* struct expired each: sockets without recovery */
    size_t seen;
};

struct expired {
    enum rj_session_end why;
    char pid[RJ_ID_LEN], sid[RJ_ID_LEN + 1], nsp[256];
};

static void put_expired(struct rj_buf *out, const char *pid, enum rj_session_end why,
                        const struct rj_session_record *record)
{
    struct expired expired = {.why = why};
    memcpy(expired.pid, pid, RJ_ID_LEN);
    memcpy(expired.sid, record->sid.data, record->sid.len);
    memcpy(expired.nsp, record->nsp.data, record->nsp.len);
    rj_buf_put(out, &expired, sizeof expired);
}

static bool is_long_over(struct rj_span over, struct rj_session_clock clock)
{
    uint64_t since_ms = get_u64(over.data + 2);
    uint64_t kept_ms = clock.lifetime_ms > OVER_KEPT_MS ? clock.lifetime_ms : OVER_KEPT_MS;
    return clock.now_ms > since_ms && clock.now_ms - since_ms > kept_ms;
}

/* A broker that died has not seen the end of it, unless its gateway has brought it back. */
static void visit_brief(struct sweep_visit *visit, struct rj_span sid, struct rj_span value)
{
    struct rj_session_clock clock = visit->clock;
    struct expired lost = {0};
    if (value.len < 8 || value.len - 8 >= sizeof lost.nsp)
        return;
    uint64_t since_ms = get_u64(value.data);
    uint64_t back_ms = clock.lifetime_ms < ALL_BACK_MS ? clock.lifetime_ms : ALL_BACK_MS;
    memcpy(lost.sid, sid.data, sid.len);
    memcpy(lost.nsp, value.data + 8, value.len - 8);
    if (clock.now_ms > since_ms && clock.now_ms - since_ms > clock.lifetime_ms && clock.uptime_ms > back_ms &&
        !visit->sweep->is_here(visit->sweep->ctx, lost.nsp, lost.sid))
        rj_buf_put(&visit->lost, &lost, sizeof lost);
}

static bool on_swept(void *ctx, struct rj_span key, struct rj_span value)
{
    struct sweep_visit *visit = ctx;
    struct rj_session_record record;
    visit->seen++;
    rj_buf_clear(&visit->sweep->after);
    rj_buf_put_span(&visit->sweep->after, key);
    if (key.len == 1 + RJ_ID_LEN && key.data[0] == RJ_SESSION_BRIEF)
        visit_brief(visit, rj_span_from(key, 1), value);
    if (key.len != RJ_ID_LEN)
        return true;
    if (is_over(value)) {
        if (is_long_over(value, visit->clock))
            rj_buf_put_span(&visit->forgotten, key);
        return true;
    }
    if (rj_session_record_decode(value, &record) != RJ_OK)
        return true;
    char pid[RJ_ID_LEN + 1] = "";
    memcpy(pid, key.data, RJ_ID_LEN);
    enum rj_status status = judge(&record, visit->clock);
    if (status != RJ_OK && !rj_session_find(visit->sessions, pid))
        put_expired(&visit->expired, pid, status == RJ_GAP ? RJ_SESSION_VOID : RJ_SESSION_EXPIRED, &record);
    return true;
}

size_t rj_session_store_sweep(struct rj_session_sweep *sweep, struct rj_store *store,
                              struct rj_session_clock clock, const struct rj_sessions *sessions, size_t limit)
{
    struct sweep_visit visit = {.sweep = sweep, .clock = clock, .sessions = sessions};
    struct rj_buf after = sweep->after;
    sweep->after = (struct rj_buf){0};
    rj_store_scan(store, RJ_TABLE_SESSION, (struct rj_span){NULL, 0}, rj_buf_span(&after), limit, on_swept,
                  &visit);
    rj_buf_free(&after);
    if (visit.seen < limit)
        rj_buf_clear(&sweep->after);
    const struct expired *expired = (const struct expired *)(const void *)visit.expired.data;
    size_t n = visit.expired.len / sizeof *expired;
    for (size_t i = 0; i < n; i++)
        rj_session_store_end(store, rj_span_of(expired[i].pid, RJ_ID_LEN), expired[i].nsp, expired[i].sid,
                             expired[i].why, NULL, NULL);
    for (size_t at = 0; at < visit.forgotten.len; at += RJ_ID_LEN)
        rj_store_delete(store, RJ_TABLE_SESSION, rj_span_of(visit.forgotten.data + at, RJ_ID_LEN), NULL,
                        NULL);
    const struct expired *lost = (const struct expired *)(const void *)visit.lost.data;
    for (size_t i = 0; i < visit.lost.len / sizeof *lost; i++)
        rj_session_store_end_brief(store, lost[i].nsp, lost[i].sid);
    rj_buf_free(&visit.expired);
    rj_buf_free(&visit.forgotten);
    rj_buf_free(&visit.lost);
    return n;
}
