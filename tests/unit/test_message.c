#include "broker/conf.h"
#include "broker/messages/publish.h"
#include "tests/support/test.h"

enum { MAX_DATA = 1000, MAX_ID = 50, MAX_EVENT = 20 };

static const struct rj_conf conf = {
    .max_data_bytes = MAX_DATA, .max_event_name = MAX_EVENT, .max_message_id = MAX_ID};

static enum rj_status check(const char *event, const char *data, const char *id, size_t n_attachments)
{
    ProtobufCBinaryData attachments[20] = {{0}};
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    const char *why = NULL;
    message.event = (char *)(uintptr_t)event;
    message.id = (char *)(uintptr_t)id;
    message.data = (ProtobufCBinaryData){strlen(data), (uint8_t *)(uintptr_t)data};
    message.attachments = attachments;
    message.n_attachments = n_attachments;
    enum rj_status status = rj_message_check(&message, &conf, &why);
    assert_int_equal(status == RJ_OK, why == NULL);
    return status;
}

static void ordinary_messages_pass(void **state)
{
    (void)state;
    assert_int_equal(check("", "1", "", 0), RJ_OK);
    assert_int_equal(check("room:message", "{\"text\":\"hi\"}", "id", 0), RJ_OK);
    assert_int_equal(check("connected", "[]", "", 0), RJ_OK);
}

static void the_librarys_own_events_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"connect",       "connect_error", "disconnect",
                                        "disconnecting", "newListener",   "removeListener"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(check(names[i], "1", "", 0), RJ_BAD_REQUEST);
    assert_int_equal(check("\xff", "1", "", 0), RJ_BAD_REQUEST);
}

static void data_is_exactly_one_json_text(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "{", "1 2", "NaN", "'x'", "[1,]", "\"\xff\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(check("", bad[i], "", 0), RJ_BAD_REQUEST);
}

static void placeholders_point_into_the_attachments(void **state)
{
    (void)state;
    static const char one[] = "{\"file\":{\"_placeholder\":true,\"num\":0}}";
    static const char two[] = "[[{\"a\":[{\"_placeholder\":true,\"num\":1}]}]]";
    static const char none[] = "{\"_placeholder\":true}";
    static const char text[] = "{\"_placeholder\":true,\"num\":\"0\"}";
    static const char untrue[] = "{\"_placeholder\":false,\"num\":9}";
    assert_int_equal(check("", one, "", 1), RJ_OK);
    assert_int_equal(check("", two, "", 2), RJ_OK);
    assert_int_equal(check("", two, "", 1), RJ_BAD_REQUEST);
    assert_int_equal(check("", none, "", 1), RJ_BAD_REQUEST);
    assert_int_equal(check("", text, "", 1), RJ_BAD_REQUEST);
    assert_int_equal(check("", untrue, "", 1), RJ_OK);
    /* Without attachments too: a page of history may put it beside messages that have some. */
    assert_int_equal(check("", one, "", 0), RJ_BAD_REQUEST);
}

static void limits_are_exact(void **state)
{
    (void)state;
    char data[MAX_DATA + 2], id[MAX_ID + 2], event[MAX_EVENT + 2];
    memset(data, '1', sizeof data);
    memset(id, 'i', sizeof id);
    memset(event, 'e', sizeof event);
    data[MAX_DATA + 1] = '\0';
    assert_int_equal(check("", data, "", 0), RJ_TOO_LARGE);
    data[MAX_DATA] = '\0';
    assert_int_equal(check("", data, "", 0), RJ_OK);
    id[MAX_ID + 1] = '\0';
    assert_int_equal(check("", "1", id, 0), RJ_BAD_REQUEST);
    id[MAX_ID] = '\0';
    assert_int_equal(check("", "1", id, 0), RJ_OK);
    event[MAX_EVENT + 1] = '\0';
    assert_int_equal(check(event, "1", "", 0), RJ_BAD_REQUEST);
    event[MAX_EVENT] = '\0';
    assert_int_equal(check(event, "1", "", 0), RJ_OK);
    assert_int_equal(check("", "1", "", 10), RJ_OK);
    assert_int_equal(check("", "1", "", 11), RJ_TOO_MANY);
}

static void attachments_count_for_the_size(void **state)
{
    (void)state;
    static uint8_t bytes[MAX_DATA];
    ProtobufCBinaryData attachment = {MAX_DATA - 1, bytes};
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    const char *why = NULL;
    message.data = (ProtobufCBinaryData){1, (uint8_t *)"1"};
    message.attachments = &attachment;
    message.n_attachments = 1;
    assert_int_equal(rj_message_check(&message, &conf, &why), RJ_OK);
    attachment.len = MAX_DATA;
    assert_int_equal(rj_message_check(&message, &conf, &why), RJ_TOO_LARGE);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(ordinary_messages_pass),
    cmocka_unit_test(the_librarys_own_events_are_refused),
    cmocka_unit_test(data_is_exactly_one_json_text),
    cmocka_unit_test(placeholders_point_into_the_attachments),
    cmocka_unit_test(limits_are_exact),
    cmocka_unit_test(attachments_count_for_the_size),
};

RJ_TEST_MAIN(tests)
