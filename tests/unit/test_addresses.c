/* Connections by address. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/frontends/addresses.h"
#include "tests/support/test.h"

struct pair {
    int ours, theirs; /* theirs: what was accepted */
};

/* Connects to a listener on `to` from `from`, both of one family. False when the system has no such address.
 */
static bool connect_pair(const struct sockaddr *to, const struct sockaddr *from, socklen_t len,
                         struct pair *out)
{
    struct sockaddr_storage bound;
    socklen_t bound_len = sizeof bound;
    int listener = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *out = (struct pair){-1, -1};
    bool is_there = listener >= 0 && bind(listener, to, len) == 0 && listen(listener, 1) == 0 &&
                    getsockname(listener, (struct sockaddr *)&bound, &bound_len) == 0;
    if (is_there) {
        out->ours = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        is_there = bind(out->ours, from, len) == 0 &&
                   connect(out->ours, (struct sockaddr *)&bound, bound_len) == 0 &&
                   (out->theirs = accept(listener, NULL, NULL)) >= 0;
    }
    close(listener);
    return is_there;
}

static void disconnect(struct pair *pair)
{
    close(pair->ours);
    close(pair->theirs);
}

static struct pair connect_v4(const char *from)
{
    struct sockaddr_in to = {.sin_family = AF_INET}, own = {.sin_family = AF_INET};
    struct pair pair;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(inet_pton(AF_INET, from, &own.sin_addr), 1);
    assert_true(connect_pair((struct sockaddr *)&to, (struct sockaddr *)&own, sizeof to, &pair));
    return pair;
}

static void connections_of_one_address_are_counted_together(void **state)
{
    (void)state;
    struct rj_addresses *addresses = rj_addresses_new();
    struct pair a1 = connect_v4("127.0.0.1"), a2 = connect_v4("127.0.0.1"), b = connect_v4("127.0.0.2");
    struct rj_address *first = rj_addresses_enter(addresses, a1.theirs);
    struct rj_address *second = rj_addresses_enter(addresses, a2.theirs);
    struct rj_address *other = rj_addresses_enter(addresses, b.theirs);
    assert_ptr_equal(first, second);
    assert_ptr_not_equal(first, other);
    assert_int_equal(first->connections, 2);
    assert_int_equal(other->connections, 1);
    assert_string_equal(first->text, "127.0.0.1");
    assert_string_equal(other->text, "127.0.0.2");
    assert_int_equal(rj_addresses_count(addresses), 2);
    rj_address_leave(&first);
    assert_null(first);
    assert_int_equal(second->connections, 1);
    rj_address_leave(&second);
    assert_int_equal(rj_addresses_count(addresses), 1);
    rj_address_leave(&other);
    assert_int_equal(rj_addresses_count(addresses), 0);
    rj_addresses_free(&addresses);
    disconnect(&a1);
    disconnect(&a2);
    disconnect(&b);
}

static void an_ipv4_address_is_the_same_behind_an_ipv6_socket(void **state)
{
    (void)state;
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6};
    struct pair plain = connect_v4("127.0.0.1"), six;
    assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr), 1);
    if (!connect_pair((struct sockaddr *)&mapped, (struct sockaddr *)&mapped, sizeof mapped, &six))
        skip(); /* no IPv6 here */
    struct rj_addresses *addresses = rj_addresses_new();
    struct rj_address *a = rj_addresses_enter(addresses, plain.theirs);
    struct rj_address *b = rj_addresses_enter(addresses, six.theirs);
    assert_ptr_equal(a, b);
    rj_address_leave(&a);
    rj_address_leave(&b);
    rj_addresses_free(&addresses);
    disconnect(&plain);
    disconnect(&six);
}

static void an_address_stays_as_long_as_its_sessions(void **state)
{
    (void)state;
    struct rj_addresses *addresses = rj_addresses_new();
    struct pair pair = connect_v4("127.0.0.1");
    struct rj_address *connection = rj_addresses_enter(addresses, pair.theirs);
    struct rj_address *one = rj_address_hold(connection), *two = rj_address_hold(connection);
    assert_int_equal(one->sessions, 2);
    rj_address_leave(&connection);
    rj_address_let_go(&one);
    assert_null(one);
    assert_int_equal(rj_addresses_count(addresses), 1);
    connection = rj_addresses_enter(addresses, pair.theirs);
    assert_ptr_equal(connection, two);
    assert_int_equal(connection->sessions, 1);
    rj_address_leave(&connection);
    rj_address_let_go(&two);
    assert_int_equal(rj_addresses_count(addresses), 0);
    rj_addresses_free(&addresses);
    disconnect(&pair);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(connections_of_one_address_are_counted_together),
    cmocka_unit_test(an_ipv4_address_is_the_same_behind_an_ipv6_socket),
    cmocka_unit_test(an_address_stays_as_long_as_its_sessions),
};

RJ_TEST_MAIN(tests)
