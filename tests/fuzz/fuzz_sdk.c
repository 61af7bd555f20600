/* librejoin without ZeroMQ and time: a broker that says what the input makes it say, to a program that does
 * what the input makes it do (sdk_user.h). What the library sends must be valid and in order, and once the
 * broker behaves everything must have been answered.
 */
#include "proto/wire.h"
#include "tests/fuzz/fake_clock.h"
#include "tests/fuzz/fake_zmq.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"
#include "tests/fuzz/sdk_user.h"
#include "tests/fuzz/steps.h"

enum { STEPS_MAX = 200, COMMANDS = 64, FRAME_MAX = 1 << 20, HEALING_TURNS = 60, IDS = 4096 };

/* The broker's end. What ZeroMQ hands over has no place for a context. */
static struct {
    struct sdk_user user;
    struct fuzz_seen seen;
    struct rj_arena arena, heard;
    unsigned stream;             /* the socket that the following belongs to */
    bool is_greeted;             /* Hello has come on it */
    bool has_come[IDS];          /* by the ids of the commands on it: each once */
    uint32_t kinds[IDS];         /* … and what they ask for */
    uint64_t number;             /* of the batches said on it */
    uint64_t commands[COMMANDS]; /* without a Reply on it: id */
    size_t n_commands;
} broker;

/* ------------------------------------------------------------------------------------------ hearing */

static void follow_stream(void)
{
    if (broker.stream == fake_zmq_sockets())
        return;
    broker.stream = fake_zmq_sockets();
    broker.is_greeted = false;
    memset(broker.has_come, 0, sizeof broker.has_come);
    broker.number = 0;
    broker.n_commands = 0;
}

static void hear_command(const Rejoin__Command *command)
{
    HOLDS(command->kind_case != REJOIN__COMMAND__KIND__NOT_SET);
    HOLDS(command->id > 0 && command->id < IDS && !broker.has_come[command->id]);
    broker.has_come[command->id] = true;
    broker.kinds[command->id] = command->kind_case;
    if (broker.n_commands < COMMANDS)
        broker.commands[broker.n_commands++] = command->id;
    if (command->kind_case == REJOIN__COMMAND__KIND_TAIL)
        fuzz_see_number(&broker.seen.tails, command->id);
}

void on_fake_zmq_frame(struct rj_span frame)
{
    Rejoin__Batch *batch;
    follow_stream();
    rj_arena_reset(&broker.heard);
    HOLDS(rj_wire_unpack(frame, FRAME_MAX, &broker.heard, &batch) == RJ_OK);
    HOLDS(batch->n_items > 0);
    for (size_t i = 0; i < batch->n_items; i++) {
        const Rejoin__Item *item = batch->items[i];
        bool is_hello = item->kind_case == REJOIN__ITEM__KIND_HELLO;
        HOLDS(is_hello != broker.is_greeted); /* first, and only first */
        broker.is_greeted = true;
        if (item->kind_case == REJOIN__ITEM__KIND_COMMAND)
            hear_command(item->command);
    }
}

/* ------------------------------------------------------------------------------------------ saying */

static void say_items(Rejoin__Item **items, size_t n, uint64_t number)
{
    struct rj_wire_out out = {0};
    for (size_t i = 0; i < n; i++)
        rj_wire_put(&out, items[i]);
    rj_wire_seal(&out, number, 0);
    fake_zmq_push(rj_buf_span(&out.frame));
    rj_wire_free(&out);
}

static void say_item(Rejoin__Item *item)
{
    follow_stream();
    say_items(&item, 1, ++broker.number);
}

static void welcome(void)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Welcome welcome = REJOIN__WELCOME__INIT;
    welcome.epoch = 1;
    welcome.ping_ms = 1000;
    welcome.lease_ms = 6000;
    welcome.max_frame_bytes = FRAME_MAX;
    item.kind_case = REJOIN__ITEM__KIND_WELCOME;
    item.welcome = &welcome;
    say_item(&item);
}

/* The answer to the oldest command that waits. */
static void reply_ok(void)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Reply reply = REJOIN__REPLY__INIT;
    reply.id = broker.commands[0];
    memmove(broker.commands, broker.commands + 1, --broker.n_commands * sizeof *broker.commands);
    item.kind_case = REJOIN__ITEM__KIND_REPLY;
    item.reply = &reply;
    say_item(&item);
}

static Rejoin__Item *grow_item(uint32_t kind, struct fuzz_bytes *how)
{
    if (!kind)
        kind = fuzz_pick_kind(&rejoin__item__descriptor, how);
    return (Rejoin__Item *)(void *)fuzz_grow(&rejoin__item__descriptor, kind, how, &broker.seen,
                                             &broker.arena);
}

/* ------------------------------------------------------------------------------------------ steps */

typedef void step_action(struct fuzz_bytes *how);

static void do_turn(struct fuzz_bytes *how)
{
    static const uint64_t passes[] = {0, 1, 60, 1000, 2000, 6100, 20000, 700000};
    fake_clock_pass(passes[fuzz_below(how, 8)]);
}

static void do_welcome(struct fuzz_bytes *how)
{
    (void)how;
    welcome();
}

static void do_act(struct fuzz_bytes *how)
{
    sdk_user_act(&broker.user, how);
}

static void do_answer(struct fuzz_bytes *how)
{
    sdk_user_answer(&broker.user, how);
}

static void do_item(struct fuzz_bytes *how)
{
    Rejoin__Item *item = grow_item(0, how);
    if (item)
        say_item(item);
}

static void do_job(struct fuzz_bytes *how)
{
    static const uint32_t kinds[] = {REJOIN__ITEM__KIND_JOB, REJOIN__ITEM__KIND_OPENED,
                                     REJOIN__ITEM__KIND_CLOSED};
    Rejoin__Item *item = grow_item(kinds[fuzz_below(how, 3)], how);
    if (item && item->kind_case == REJOIN__ITEM__KIND_JOB)
        fuzz_see_number(&broker.seen.jobs, item->job->id);
    if (item && item->kind_case)
        say_item(item);
}

static void do_deliver(struct fuzz_bytes *how)
{
    Rejoin__Item *item = grow_item(REJOIN__ITEM__KIND_DELIVER, how);
    if (item && item->kind_case)
        say_item(item);
}

/* An answer to a command that waits, whatever it holds. */
static void do_reply(struct fuzz_bytes *how)
{
    Rejoin__Item *item = grow_item(REJOIN__ITEM__KIND_REPLY, how);
    follow_stream();
    if (!item || !item->kind_case)
        return;
    if (broker.n_commands && !fuzz_seldom(how, 8)) {
        size_t i = fuzz_below(how, 4) % broker.n_commands;
        item->reply->id = broker.commands[i];
        broker.commands[i] = broker.commands[--broker.n_commands];
    }
    if (!fuzz_seldom(how, 4))
        item->reply->error = NULL;
    say_item(item);
}

/* What the broker says to such a command: the fields of its Reply have the numbers of the commands, but that
 * those which change sockets are answered alike, and some by nothing. 0: nothing. */
static uint32_t result_of(uint32_t kind)
{
    bool changes_sockets =
        kind == REJOIN__COMMAND__KIND_LEAVE_SOCKETS || kind == REJOIN__COMMAND__KIND_DISCONNECT_SOCKETS;
    uint32_t result = changes_sockets ? REJOIN__REPLY__RESULT_AFFECTED : kind;
    return protobuf_c_message_descriptor_get_field(&rejoin__reply__descriptor, result) ? result : 0;
}

/* A command that waits is answered as it should be. */
static void do_result(struct fuzz_bytes *how)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    follow_stream();
    if (!broker.n_commands)
        return;
    size_t i = fuzz_below(how, 4) % broker.n_commands;
    uint32_t kind = result_of(broker.kinds[broker.commands[i]]);
    item.kind_case = REJOIN__ITEM__KIND_REPLY;
    item.reply = (Rejoin__Reply *)(void *)fuzz_grow(&rejoin__reply__descriptor, kind ? kind : UINT32_MAX, how,
                                                    &broker.seen, &broker.arena);
    item.reply->id = broker.commands[i];
    item.reply->error = NULL;
    broker.commands[i] = broker.commands[--broker.n_commands];
    say_item(&item);
}

/* Several in a frame, numbered as the input wants it. */
static void do_batch(struct fuzz_bytes *how)
{
    Rejoin__Item *items[4];
    size_t n = 0, most = 1 + fuzz_below(how, 4);
    follow_stream();
    uint64_t number = fuzz_seldom(how, 8) ? fuzz_u8(how) : ++broker.number;
    while (n < most && (items[n] = grow_item(0, how)))
        n++;
    say_items(items, n, number);
}

static void do_garbage(struct fuzz_bytes *how)
{
    struct rj_buf frame = {0};
    if (!fuzz_seldom(how, 4))
        rj_buf_put(&frame, "RJ\1\0", 4);
    rj_buf_put(&frame, how->at, fuzz_left(how));
    fake_zmq_push(rj_buf_span(&frame));
    rj_buf_free(&frame);
}

/* What tells that a transport was replaced. */
static void do_probe(struct fuzz_bytes *how)
{
    (void)how;
    fake_zmq_push((struct rj_span){0});
}

static void do_block(struct fuzz_bytes *how)
{
    if (fake_zmq_is_open())
        fake_zmq_block(fuzz_u8(how) % 2 == 0);
}

static step_action *const actions[] = {
    do_turn,    do_welcome, do_act,   do_act,    do_act,   do_answer, do_item,    do_job,   do_job,
    do_deliver, do_reply,   do_reply, do_result, do_batch, do_probe,  do_garbage, do_block,
};
enum { ACTIONS = sizeof actions / sizeof *actions, NO_TURN = 0x80 };

static void take_turn(struct fuzz_bytes *how)
{
    broker.user.how = how;
    rejoin_process(broker.user.handle);
    rj_arena_reset(&broker.arena);
}

/* ------------------------------------------------------------------------------------------ the end */

/* A broker as it should be: a handle that was not refused for good gets all its answers. */
static void behave(void)
{
    struct fuzz_bytes nothing = fuzz_bytes(NULL, 0);
    unsigned welcomed = 0;
    for (int i = 0; i < HEALING_TURNS && rejoin_unanswered(broker.user.handle); i++) {
        if (fake_zmq_is_open())
            fake_zmq_block(false);
        take_turn(&nothing);
        follow_stream();
        if (broker.is_greeted && welcomed != broker.stream) {
            welcomed = broker.stream;
            welcome();
        }
        while (broker.n_commands)
            reply_ok();
        fake_clock_pass(500);
    }
    HOLDS(rejoin_unanswered(broker.user.handle) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_bytes input = fuzz_bytes(data, size);
    struct fuzz_step step;
    fake_clock_reset();
    fake_zmq_reset();
    memset(&broker.seen, 0, sizeof broker.seen);
    broker.stream = 0;
    sdk_user_open(&broker.user);
    for (int i = 0; i < STEPS_MAX && fuzz_next_step(&input, &step); i++) {
        broker.user.how = &step.how;
        actions[step.what % NO_TURN % ACTIONS](&step.how);
        if (!(step.what & NO_TURN))
            take_turn(&step.how);
    }
    behave();
    sdk_user_close(&broker.user);
    rj_arena_free(&broker.arena);
    rj_arena_free(&broker.heard);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    return fuzz_mutate_steps(data, size, max_size, seed, 0);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *out, size_t max_size, unsigned seed)
{
    return fuzz_cross_steps(fuzz_bytes(a, a_size), fuzz_bytes(b, b_size), out, max_size, seed, 0);
}
