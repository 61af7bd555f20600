#include "broker/messages/delivery.h"
#include "tests/support/test.h"

static struct rj_room *make_room(struct rj_rooms *rooms, rj_room_id id, const char *name)
{
    uint8_t key[RJ_TARGET_KEY_MAX];
    return rj_room_ref(rooms, id, rj_span_of(key, rj_target_key(key, 0, "/", name)));
}

static void a_mask_names_every_gateway_with_members_in_any_room(void **state)
{
    (void)state;
    struct rj_rooms rooms = {0};
    struct rj_gateway gateways[] = {{.peer.slot = 0}, {.peer.slot = 63}, {.peer.slot = 5}};
    struct rj_session sessions[] = {
        {.gateway = &gateways[0]}, {.gateway = &gateways[1]}, {.gateway = &gateways[2]}};
    struct rj_room *tea = make_room(&rooms, 1, "tea"), *coffee = make_room(&rooms, 2, "coffee");
    rj_members_enter(&tea->members, &sessions[0]);
    rj_members_enter(&tea->members, &sessions[1]);
    rj_members_enter(&coffee->members, &sessions[0]);
    rj_members_enter(&coffee->members, &sessions[2]);
    assert_true(rj_delivery_mask(&rooms, (const rj_room_id[]){1}, 1) == (1 | UINT64_C(1) << 63));
    assert_true(rj_delivery_mask(&rooms, (const rj_room_id[]){1, 2, 99}, 3) ==
                (1 | UINT64_C(1) << 63 | 1 << 5));
    assert_true(rj_delivery_mask(&rooms, (const rj_room_id[]){99}, 1) == 0);
    for (int i = 0; i < 2; i++) {
        rj_members_exit(&tea->members, 0);
        rj_members_exit(&coffee->members, 0);
    }
    rj_room_unref(&rooms, tea);
    rj_room_unref(&rooms, coffee);
}

static void only_live_gateways_get_it_and_each_once(void **state)
{
    (void)state;
    static const uint64_t seqs[] = {7};
    struct rj_gateways gateways = {0};
    struct rj_gateway live = {.state = RJ_GATEWAY_LIVE, .peer.stream = 1};
    struct rj_gateway lagging = {.state = RJ_GATEWAY_LAGGING, .peer.stream = 2};
    struct rj_gateway cut_off = {.state = RJ_GATEWAY_LIVE, .peer.stream = 0};
    struct rj_delivery delivery = {5, 6, seqs, 1, {(const uint8_t *)"", 0}};
    gateways.slots[0] = &live;
    gateways.slots[3] = &lagging;
    gateways.slots[63] = &cut_off;
    assert_int_equal(rj_delivery_send(&gateways, UINT64_MAX, &delivery), 1);
    assert_int_equal(live.peer.out.items, 1);
    assert_int_equal(lagging.peer.out.items, 0);
    assert_int_equal(cut_off.peer.out.items, 0);
    assert_int_equal(rj_delivery_send(&gateways, 8, &delivery), 0);
    rj_peer_fini(&live.peer);
}

static void an_excepted_sid_or_room_leaves_a_client_out(void **state)
{
    (void)state;
    static const char sid[] = "ABCDEFGHIJKLMNOPQRST09";
    struct rj_sessions sessions = {0};
    struct rj_rooms rooms = {0};
    struct rj_session *session = rj_session_new(&sessions, "", sid, "/", "");
    rj_session_add_room(session, make_room(&rooms, 1, "tea"), 0);
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    char *others[] = {"0000000000000000000000"}, *mine[] = {others[0], (char *)(uintptr_t)sid};
    char *coffee[] = {"coffee"}, *tea[] = {"coffee", "tea"};
    assert_false(rj_delivery_excludes(&message, session));
    message.except_sids = others;
    message.n_except_sids = 1;
    message.except_rooms = coffee;
    message.n_except_rooms = 1;
    assert_false(rj_delivery_excludes(&message, session));
    message.except_sids = mine;
    message.n_except_sids = 2;
    assert_true(rj_delivery_excludes(&message, session));
    message.n_except_sids = 0;
    message.except_rooms = tea;
    message.n_except_rooms = 2;
    assert_true(rj_delivery_excludes(&message, session));
    rj_session_free(&sessions, &rooms, session);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_mask_names_every_gateway_with_members_in_any_room),
    cmocka_unit_test(only_live_gateways_get_it_and_each_once),
    cmocka_unit_test(an_excepted_sid_or_room_leaves_a_client_out),
};

RJ_TEST_MAIN(tests)
