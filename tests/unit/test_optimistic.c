/* What becomes of pending messages: single cases, and the whole story at random against a broker, a log and
 * clients that are a few obvious lists. */
#include "gateway/optimistic.h"

#include <string.h>

#include "tests/support/test.h"

/* ------------------------------------------------------------------------------------------ single cases */

struct letter {
    Rejoin__Message message;
    Rejoin__Target target;
    Rejoin__Target *targets[1];
};

static const Rejoin__Message *letter(struct letter *letter, const char *room, const char *sid, const char *id)
{
    rejoin__message__init(&letter->message);
    rejoin__target__init(&letter->target);
    letter->target.name = (char *)(uintptr_t)room;
    letter->targets[0] = &letter->target;
    letter->message.targets = letter->targets;
    letter->message.n_targets = 1;
    letter->message.namespace_ = "/";
    letter->message.from_user = "ada";
    letter->message.from_sid = (char *)(uintptr_t)sid;
    letter->message.id = (char *)(uintptr_t)id;
    return &letter->message;
}

static void show(struct rj_optimistic *table, const Rejoin__Message *message, uint64_t pos)
{
    const uint64_t clients[] = {1, 2};
    size_t most;
    assert_true(rj_optimistic_accept(table, message, pos, &most));
    assert_true(most >= 2);
    rj_optimistic_add(table, message, pos, clients, 2);
}

static void a_message_is_known_again_by_room_sender_and_id(void **state)
{
    (void)state;
    struct rj_optimistic table = {0};
    struct letter tea, other;
    rj_optimistic_begin(&table, 1, 0, 0);
    show(&table, letter(&tea, "tea", "A", "1"), 5);
    assert_null(rj_optimistic_logged(&table, letter(&other, "milk", "A", "1")));
    assert_null(rj_optimistic_logged(&table, letter(&other, "tea", "B", "1")));
    assert_null(rj_optimistic_logged(&table, letter(&other, "tea", "A", "11")));
    struct rj_shown *shown = rj_optimistic_logged(&table, letter(&other, "tea", "A", "1"));
    assert_non_null(shown);
    assert_string_equal(shown->nsp, "/");
    assert_string_equal(shown->room, "tea");
    assert_string_equal(shown->sid, "A");
    assert_string_equal(shown->id, "1");
    assert_string_equal(shown->user, "ada");
    assert_int_equal(shown->n, 2);
    assert_int_equal(shown->clients[1], 2);
    rj_shown_free(shown);
    assert_null(rj_optimistic_logged(&table, &tea.message));
    assert_int_equal(table.n_shown, 0);
}

static void what_a_crash_left_open_fails_after_its_time_and_the_refill(void **state)
{
    (void)state;
    struct rj_optimistic table = {0};
    struct letter one, two;
    rj_optimistic_begin(&table, 1, 0, 0);
    show(&table, letter(&one, "tea", "A", "1"), 5);
    show(&table, letter(&two, "tea", "A", "2"), 6);
    assert_null(rj_optimistic_failed(&table, 4, UINT64_MAX)); /* of the present epoch */
    rj_optimistic_begin(&table, 2, 10, 1000);
    rj_optimistic_begin(&table, 2, 99, 9999); /* a further stream of that epoch changes nothing */
    assert_null(rj_optimistic_failed(&table, 10, 999));
    assert_null(rj_optimistic_failed(&table, 9, 1000));
    size_t most;
    assert_false(rj_optimistic_accept(&table, &two.message, 11, &most)); /* the publisher repeats */
    struct rj_shown *shown = rj_optimistic_failed(&table, 10, 1000);
    assert_non_null(shown);
    assert_string_equal(shown->id, "1");
    rj_shown_free(shown);
    assert_null(rj_optimistic_failed(&table, 10, 1000));
    shown = rj_optimistic_logged(&table, &two.message);
    assert_non_null(shown);
    rj_shown_free(shown);
}

static void what_nobody_was_shown_or_can_be_told_is_not_kept(void **state)
{
    (void)state;
    struct rj_optimistic table = {0};
    struct letter one;
    rj_optimistic_begin(&table, 1, 0, 0);
    rj_optimistic_add(&table, letter(&one, "tea", "A", "1"), 5, NULL, 0);
    assert_null(table.open);
    show(&table, &one.message, 5);
    rj_optimistic_sweep(&table, 4);
    assert_non_null(table.open);
    rj_optimistic_sweep(&table, 5);
    assert_null(table.open);
    show(&table, &one.message, 5);
    rj_optimistic_clear(&table);
    assert_null(table.open);
    assert_int_equal(table.n_shown, 0);
}

static void what_is_shown_is_bounded(void **state)
{
    (void)state;
    struct rj_optimistic table = {0};
    struct letter one, two;
    size_t most;
    uint64_t *clients = calloc(RJ_SHOWN_MAX, sizeof *clients);
    letter(&one, "tea", "A", "1");
    assert_true(rj_optimistic_accept(&table, &one.message, 1, &most));
    assert_int_equal(most, RJ_SHOWN_MAX);
    rj_optimistic_add(&table, &one.message, 1, clients, most);
    assert_true(rj_optimistic_accept(&table, letter(&two, "tea", "A", "2"), 2, &most));
    assert_int_equal(most, 0);
    rj_optimistic_clear(&table);
    free(clients);
}

/* ------------------------------------------------------------------------------------------ the story */

enum { CLIENTS = 4, LETTERS = 40, STEPS = 400, STORIES = 1500, LEASE = 50, NOWHERE = UINT8_MAX };

enum fate { UNSENT, ACCEPTED, LOST, GIVEN_UP, LOGGED };

/* What one client has seen of one message. */
struct seen {
    unsigned pendings, outcomes; /* an outcome: confirmed, failed, or by the log while pending */
    unsigned logged;             /* confirmed, or the message itself */
};

struct client {
    bool is_live;
    uint64_t last_pos;
    struct seen seen[LETTERS];
};

struct story {
    uint64_t random;
    /* the broker */
    uint64_t epoch, next_pos;
    enum fate fates[LETTERS];
    uint64_t pos[LETTERS]; /* where accepted or logged */
    uint8_t log[1024];     /* letters by pos; NOWHERE: none */
    uint8_t accepted[LETTERS];
    size_t n_accepted;
    uint64_t committed; /* highest pos */
    bool is_running;
    /* the gateway */
    struct rj_optimistic table;
    struct client clients[CLIENTS];
    bool is_linked;
    uint64_t stream_pos, now;
};

static uint64_t draw(struct story *story, uint64_t n)
{
    story->random ^= story->random << 13;
    story->random ^= story->random >> 7;
    story->random ^= story->random << 17;
    return story->random % n;
}

static const Rejoin__Message *letter_of(struct letter *space, size_t i)
{
    static const char *const ids[LETTERS / 2] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9",
                                                 "a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    return letter(space, "tea", i % 2 ? "A" : "B", ids[i / 2]);
}

/* ---- what clients see */

static void see_logged(struct client *client, size_t i, uint64_t pos)
{
    struct seen *seen = &client->seen[i];
    assert_true(pos > client->last_pos);
    client->last_pos = pos;
    seen->logged++;
    if (seen->pendings > seen->outcomes)
        seen->outcomes++;
    assert_int_equal(seen->logged, 1);
}

static void see_failed(const struct story *story, struct client *client, size_t i)
{
    struct seen *seen = &client->seen[i];
    if (seen->logged)
        fail_msg("letter %zu failed and is in the log", i);
    assert_true(story->fates[i] != LOGGED);
    seen->outcomes++;
    assert_int_equal(seen->outcomes, seen->pendings);
}

/* ---- the gateway, as fanout.c does it */

static void gateway_pending(struct story *story, size_t i)
{
    struct letter space;
    uint64_t handles[CLIENTS];
    size_t most, n = 0;
    const Rejoin__Message *message = letter_of(&space, i);
    if (!rj_optimistic_accept(&story->table, message, story->pos[i], &most))
        return;
    for (size_t c = 0; c < CLIENTS; c++) {
        if (!story->clients[c].is_live)
            continue;
        struct seen *seen = &story->clients[c].seen[i];
        assert_int_equal(seen->outcomes, seen->pendings); /* one at a time */
        seen->pendings++;
        handles[n++] = c;
    }
    rj_optimistic_add(&story->table, message, story->pos[i], handles, n);
}

static void gateway_logged(struct story *story, size_t i)
{
    struct letter space;
    struct rj_shown *shown = rj_optimistic_logged(&story->table, letter_of(&space, i));
    for (size_t c = 0; c < CLIENTS; c++)
        if (story->clients[c].is_live && story->pos[i] > story->clients[c].last_pos)
            see_logged(&story->clients[c], i, story->pos[i]);
    if (shown)
        rj_shown_free(shown);
    story->stream_pos = story->pos[i];
}

static size_t index_of(const struct rj_shown *shown)
{
    char digit = shown->id[0];
    size_t half = digit <= '9' ? (size_t)(digit - '0') : (size_t)(digit - 'a') + 10;
    return 2 * half + (shown->sid[0] == 'A');
}

static void gateway_tick(struct story *story)
{
    struct rj_shown *shown;
    if (!story->is_linked)
        return;
    while ((shown = rj_optimistic_failed(&story->table, story->stream_pos, story->now))) {
        for (size_t c = 0; c < shown->n; c++) {
            /* One that caught up meanwhile has had its outcome by the log; then this one never comes. */
            see_failed(story, &story->clients[shown->clients[c]], index_of(shown));
        }
        rj_shown_free(shown);
    }
    rj_optimistic_sweep(&story->table, story->stream_pos);
}

/* ---- the broker */

static void accept(struct story *story, size_t i)
{
    story->fates[i] = ACCEPTED;
    story->pos[i] = story->next_pos++;
    story->accepted[story->n_accepted++] = (uint8_t)i;
    if (story->is_linked)
        gateway_pending(story, i);
}

static void commit(struct story *story)
{
    if (!story->is_running || story->n_accepted == 0)
        return;
    size_t i = story->accepted[0];
    memmove(story->accepted, story->accepted + 1, --story->n_accepted);
    story->fates[i] = LOGGED;
    story->log[story->pos[i]] = (uint8_t)i;
    story->committed = story->pos[i];
    if (story->is_linked)
        gateway_logged(story, i);
}

static void crash(struct story *story)
{
    story->is_running = story->is_linked = false;
    for (size_t k = 0; k < story->n_accepted; k++)
        story->fates[story->accepted[k]] = LOST;
    story->n_accepted = 0;
}

/* Positions that were handed out and not committed are handed out again. */
static void start(struct story *story)
{
    if (story->is_running)
        return;
    story->is_running = true;
    story->epoch++;
    story->next_pos = story->committed + 1;
}

static void link_up(struct story *story)
{
    if (!story->is_running || story->is_linked)
        return;
    rj_optimistic_begin(&story->table, story->epoch, story->committed, story->now + LEASE);
    for (uint64_t pos = story->stream_pos + 1; pos <= story->committed; pos++)
        if (story->log[pos] != NOWHERE)
            gateway_logged(story, story->log[pos]);
    story->is_linked = true;
}

static void publish(struct story *story, size_t i)
{
    if (story->is_running && (story->fates[i] == UNSENT || story->fates[i] == LOST))
        accept(story, i);
}

static void catch_up(struct story *story, struct client *client)
{
    if (client->is_live || !story->is_linked)
        return;
    for (uint64_t pos = client->last_pos + 1; pos <= story->committed; pos++)
        if (story->log[pos] != NOWHERE)
            see_logged(client, story->log[pos], pos);
    client->is_live = true;
}

static void step(struct story *story)
{
    struct client *client = &story->clients[draw(story, CLIENTS)];
    size_t i = draw(story, LETTERS);
    switch (draw(story, 16)) {
    case 0: crash(story); break;
    case 1:
    case 2: start(story); break;
    case 3: story->is_linked = false; break;
    case 4:
    case 5: link_up(story); break;
    case 6: client->is_live = false; break;
    case 7: catch_up(story, client); break;
    case 8: story->now += draw(story, LEASE); break;
    case 9:
        if (story->fates[i] == LOST)
            story->fates[i] = GIVEN_UP;
        break;
    case 10:
    case 11:
    case 12: commit(story); break;
    default: publish(story, i); break;
    }
    gateway_tick(story);
}

/* Everything comes to rest: all that is accepted is committed, nobody is away. */
static void settle(struct story *story)
{
    start(story);
    link_up(story);
    while (story->n_accepted)
        commit(story);
    for (size_t c = 0; c < CLIENTS; c++)
        catch_up(story, &story->clients[c]);
    story->now += LEASE;
    gateway_tick(story);
}

static void check_end(const struct story *story)
{
    assert_null(story->table.open);
    assert_int_equal(story->table.n_shown, 0);
    for (size_t c = 0; c < CLIENTS; c++)
        for (size_t i = 0; i < LETTERS; i++) {
            const struct seen *seen = &story->clients[c].seen[i];
            assert_int_equal(seen->outcomes, seen->pendings);
            assert_int_equal(seen->logged, story->fates[i] == LOGGED);
        }
}

static void whatever_happens_each_pending_has_one_outcome(void **state)
{
    (void)state;
    size_t failed = 0, again = 0;
    for (uint64_t seed = 1; seed <= STORIES; seed++) {
        struct story story = {.random = seed * 0x9e3779b97f4a7c15, .epoch = 1, .next_pos = 1};
        memset(story.log, NOWHERE, sizeof story.log);
        story.is_running = true;
        for (size_t c = 0; c < CLIENTS; c++)
            story.clients[c].is_live = true;
        link_up(&story);
        for (int i = 0; i < STEPS; i++)
            step(&story);
        settle(&story);
        check_end(&story);
        for (size_t i = 0; i < LETTERS; i++) {
            failed += story.clients[0].seen[i].outcomes > story.clients[0].seen[i].logged;
            again += story.clients[0].seen[i].pendings > 1;
        }
    }
    /* The stories are worth something: crashes lost messages, and publishers came back too late. */
    assert_true(failed > 100);
    assert_true(again > 10);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_message_is_known_again_by_room_sender_and_id),
    cmocka_unit_test(what_a_crash_left_open_fails_after_its_time_and_the_refill),
    cmocka_unit_test(what_nobody_was_shown_or_can_be_told_is_not_kept),
    cmocka_unit_test(what_is_shown_is_bounded),
    cmocka_unit_test(whatever_happens_each_pending_has_one_outcome),
};

RJ_TEST_MAIN(tests)
