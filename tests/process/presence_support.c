#include "tests/process/presence_support.h"

#include <string.h>

static char *text(const char *borrowed)
{
    return (char *)(uintptr_t)borrowed;
}

static Rejoin__Reply *ask(struct rj_test_peer *peer, uint64_t client, Rejoin__Command *command)
{
    Rejoin__Reply *reply = rj_test_peer_reply(peer, rj_test_peer_command(peer, client, command));
    assert_non_null(reply);
    return reply;
}

Rejoin__Reply *ask_presence(struct rj_test_peer *peer, uint64_t client, const char *room, const char *after,
                            uint32_t limit)
{
    Rejoin__Presence asked = REJOIN__PRESENCE__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    asked.namespace_ = client ? "" : "/";
    asked.room = text(room);
    asked.after = text(after ? after : "");
    asked.limit = limit;
    command.kind_case = REJOIN__COMMAND__KIND_PRESENCE;
    command.presence = &asked;
    return ask(peer, client, &command);
}

Rejoin__UserPresence *ask_user(struct rj_test_peer *backend, const char *user)
{
    Rejoin__PresenceUser asked = REJOIN__PRESENCE_USER__INIT;
    Rejoin__Command command = REJOIN__COMMAND__INIT;
    asked.namespace_ = "/";
    asked.user = text(user);
    command.kind_case = REJOIN__COMMAND__KIND_PRESENCE_USER;
    command.presence_user = &asked;
    Rejoin__Reply *reply = ask(backend, 0, &command);
    assert_null(reply->error);
    assert_int_equal(reply->result_case, REJOIN__REPLY__RESULT_USER);
    return reply->user;
}

void list_of(struct rj_test_peer *peer, uint64_t client, const char *room, char out[static 512])
{
    Rejoin__Reply *reply = ask_presence(peer, client, room, NULL, 1000);
    size_t len = 0;
    assert_null(reply->error);
    assert_int_equal(reply->result_case, REJOIN__REPLY__RESULT_PRESENCE);
    const Rejoin__PresenceList *list = reply->presence;
    assert_int_equal(list->count, list->n_users);
    assert_false(list->more);
    out[0] = '\0';
    for (size_t i = 0; i < list->n_users; i++) {
        const Rejoin__PresenceList__User *user = list->users[i];
        len += (size_t)snprintf(out + len, 512 - len, "%s%s:%u%s", i ? " " : "", user->user, user->sockets,
                                user->reconnecting ? "?" : "");
        assert_true(len < 512);
    }
}

void assert_list(struct rj_test_peer *peer, uint64_t client, const char *room, const char *expected)
{
    char list[512];
    list_of(peer, client, room, list);
    assert_string_equal(list, expected);
}

void assert_told(struct rj_test_peer *gateway, const char *room, const char *user, const char *state,
                 unsigned sockets)
{
    char expected[512], got[512] = "";
    Rejoin__Deliver *deliver = rj_test_peer_deliver(gateway, 0, RJ_TEST_DEADLINE_MS);
    snprintf(expected, sizeof expected, "[{\"room\":\"%s\",\"user\":\"%s\",\"state\":\"%s\",\"sockets\":%u}]",
             room, user, state, sockets);
    assert_non_null(deliver);
    assert_int_equal(deliver->pos, 0);
    assert_string_equal(deliver->message->event, "room:presence");
    assert_true(deliver->message->plain && deliver->message->volatile_);
    assert_true(deliver->message->data.len < sizeof got);
    memcpy(got, deliver->message->data.data, deliver->message->data.len);
    assert_string_equal(got, expected);
}
