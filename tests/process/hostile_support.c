#include "tests/process/hostile_support.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/base/clock.h"

/* Generous: the machine may be busy, and the processes carry sanitizers. A gateway that hangs is caught. */
enum { CANARY_MOST_MS = 10000, MEMORY_MOST_KIB = 12 << 10 };

/* ---- the canary */

static void show(const char *path)
{
    char line[1024];
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        fputs(line, stderr);
    if (file)
        fclose(file);
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Reads up to the text that starts in one of two ways, and answers heartbeats meanwhile. */
static bool hear_either(struct rj_ws_client *client, const char *one, const char *other)
{
    struct rj_buf data = {0};
    bool is_heard = false;
    while (!is_heard && rj_ws_receive(client, &data, WAIT_MS) == RJ_WS_TEXT) {
        is_heard = starts_with(rj_buf_cstr(&data), one) || starts_with(rj_buf_cstr(&data), other);
        if (strcmp(rj_buf_cstr(&data), "2") == 0)
            rj_ws_send_text(client, "3");
    }
    rj_buf_free(&data);
    return is_heard;
}

static bool hear(struct rj_ws_client *client, const char *prefix)
{
    return hear_either(client, prefix, prefix);
}

/* "busy" is an answer, too: tests that fill what all clients share want to see it. */
static bool trip(struct rj_ws_client *client, unsigned i, unsigned *ms)
{
    char text[128], answer[64], busy[64];
    uint64_t begun_ms = rj_clock_mono_ms();
    snprintf(text, sizeof text, "42%u[\"room:publish\",{\"room\":\"canary\",\"data\":%u,\"echo\":false}]", i,
             i);
    snprintf(answer, sizeof answer, "43%u[{\"ok\":true", i);
    snprintf(busy, sizeof busy, "43%u[{\"ok\":false,\"error\":{\"code\":\"busy\"", i);
    bool is_back = rj_ws_send_text(client, text) && hear_either(client, answer, busy);
    *ms = (unsigned)(rj_clock_mono_ms() - begun_ms);
    return is_back;
}

static bool join(struct rj_ws_client *client, uint16_t port)
{
    return rj_ws_open(client, port, WEBSOCKET, NULL) == 101 && rj_ws_send_text(client, "40") &&
           hear(client, "40{\"sid\":") && rj_ws_send_text(client, "421[\"room:join\",\"canary\"]") &&
           hear(client, "431[{\"ok\":true");
}

static void *sing(void *arg)
{
    struct canary *canary = arg;
    struct rj_ws_client client;
    if (!join(&client, canary->port))
        canary->fault = "the canary cannot join";
    for (unsigned i = 2; !canary->fault && !atomic_load(&canary->is_over); i++) {
        unsigned ms;
        if (!trip(&client, i, &ms))
            canary->fault = "the canary gets no answer";
        canary->slowest_ms = ms > canary->slowest_ms ? ms : canary->slowest_ms;
        atomic_fetch_add(&canary->trips, 1);
        usleep(25000); /* it is to notice, not to load */
    }
    rj_ws_disconnect(&client);
    return NULL;
}

void canary_sings(struct siege *siege, unsigned trips)
{
    unsigned had = atomic_load(&siege->canary.trips);
    if (rj_eventually(WAIT_MS, atomic_load(&siege->canary.trips) >= had + trips))
        return;
    show(siege->log);
    fail_msg("the canary has fallen silent after %u trips", atomic_load(&siege->canary.trips));
}

/* ---- the stage */

static bool is_ready(const struct siege *siege)
{
    return status_of(siege, "GET", "/readyz", NULL, NULL) == 200;
}

static void start_gateway(struct siege *siege, const char *const more[])
{
    enum { ENV_MAX = 24 };
    char program[512], listen[64];
    const char *argv[] = {rj_process_program("rejoin-gateway", program, sizeof program),
                          "--listen",
                          "127.0.0.1:0",
                          "--broker",
                          siege->broker.gateways,
                          NULL};
    const char *env[ENV_MAX] = {"REJOIN_MAX_PAYLOAD=100000", "REJOIN_MAX_PACKET=250000",
                                "REJOIN_HANDSHAKE_TIMEOUT=1500", "REJOIN_MESSAGE_TIMEOUT=1500",
                                "REJOIN_CONNECT_TIMEOUT=1500", "REJOIN_ATTACHMENTS_TIMEOUT=800",
                                "REJOIN_UPGRADE_TIMEOUT=800",
                                /* freed memory is given back, so that growth shows */
                                "ASAN_OPTIONS=quarantine_size_mb=1:allocator_release_to_os_interval_ms=100"};
    size_t n = 0;
    while (env[n])
        n++;
    for (size_t i = 0; more && more[i]; i++)
        env[n++] = more[i];
    snprintf(siege->log, sizeof siege->log, "%s/gateway.log", siege->broker.folder);
    assert_true(rj_process_start(&siege->gateway, argv, env, siege->log));
    assert_true(rj_process_wait_ready(&siege->gateway, WAIT_MS));
    assert_true(rj_process_ready_value(&siege->gateway, "listen", listen, sizeof listen));
    siege->port = (uint16_t)atoi(strrchr(listen, ':') + 1);
    assert_true(rj_eventually(WAIT_MS, is_ready(siege)));
}

int siege_setup_with(void **state, const char *const env[])
{
    return siege_setup_both(state, env, NULL);
}

int siege_setup_both(void **state, const char *const env[], const char *const flags[])
{
    static char namespaces[256] = "/,/n0,/n1,/n2,/n3,/n4,/nmore,/"; /* and the longest name that may be */
    const char *all[16] = {"--namespaces", namespaces,           "--ping", "50", "--lease",
                           "1000",         "--rooms-per-client", "20"};
    for (size_t i = 0; flags && flags[i]; i++)
        all[8 + i] = flags[i];
    memset(strrchr(namespaces, '/') + 1, 'n', 127);
    struct siege *siege = calloc(1, sizeof *siege);
    *state = siege;
    rj_test_broker_start(&siege->broker, all);
    start_gateway(siege, env);
    siege->canary.port = siege->port;
    assert_int_equal(pthread_create(&siege->canary.thread, NULL, sing, &siege->canary), 0);
    canary_sings(siege, 5);
    siege->rss_kib = gateway_rss_kib(siege);
    return 0;
}

int siege_setup(void **state)
{
    return siege_setup_with(state, NULL);
}

/* Only the canary and who asks are connected. */
static bool is_calm(const struct siege *siege)
{
    return figure(siege, "connections") <= 2 && figure(siege, "connections_half_open") == 0 &&
           figure(siege, "sessions") == 1;
}

static bool has_recovered(struct siege *siege)
{
    canary_sings(siege, 5);
    bool is_over = rj_eventually(WAIT_MS, is_calm(siege));
    size_t rss_kib = gateway_rss_kib(siege);
    unsigned slowest_ms = siege->canary.slowest_ms; /* as good as exact: the thread goes on */
    print_message("canary: %u round trips, slowest %u ms; memory %zu -> %zu KiB\n",
                  atomic_load(&siege->canary.trips), slowest_ms, siege->rss_kib, rss_kib);
    if (!is_over)
        print_error("connections=%llu half_open=%llu sessions=%llu\n",
                    (unsigned long long)figure(siege, "connections"),
                    (unsigned long long)figure(siege, "connections_half_open"),
                    (unsigned long long)figure(siege, "sessions"));
    return is_over && slowest_ms < CANARY_MOST_MS && rss_kib < siege->rss_kib + MEMORY_MOST_KIB;
}

int siege_teardown(void **state)
{
    struct siege *siege = *state;
    int status = -1;
    bool is_well = has_recovered(siege);
    atomic_store(&siege->canary.is_over, true);
    pthread_join(siege->canary.thread, NULL);
    if (siege->canary.fault)
        print_error("%s\n", siege->canary.fault);
    bool is_clean = rj_process_signal(&siege->gateway, SIGTERM) &&
                    rj_process_wait_end(&siege->gateway, WAIT_MS, &status) && status == 0;
    if (!is_clean)
        rj_test_show_file(siege->log);
    rj_process_kill(&siege->gateway);
    is_clean = rj_test_broker_end(&siege->broker) && is_clean && is_well && !siege->canary.fault;
    rj_test_broker_remove(&siege->broker);
    free(siege);
    return is_clean ? 0 : -1;
}

/* ---- clients */

void open_websocket(const struct siege *siege, struct rj_ws_client *client)
{
    struct rj_buf data = {0};
    assert_int_equal(rj_ws_open(client, siege->port, WEBSOCKET, NULL), 101);
    assert_true(rj_ws_expect(client, "0{", &data, WAIT_MS));
    rj_buf_free(&data);
}

void enter(const struct siege *siege, struct rj_ws_client *client)
{
    open_websocket(siege, client);
    say(client, "40");
    expect(client, "40{\"sid\":\"");
    say(client, "420[\"room:join\",\"den\"]");
    expect(client, "430[{\"ok\":true,");
}

void open_polling(const struct siege *siege, char path[static 128])
{
    struct rj_http_answer answer;
    char sid[64];
    assert_true(rj_http_once(siege->port, "GET", POLLING, NULL, NULL, &answer));
    const char *at = strstr(rj_http_body(&answer), "\"sid\":\"");
    assert_non_null(at);
    assert_int_equal(sscanf(at + 7, "%63[^\"]", sid), 1);
    rj_http_free(&answer);
    snprintf(path, 128, "%s&sid=%s", POLLING, sid);
}

int status_of(const struct siege *siege, const char *method, const char *path, const char *headers,
              const char *body)
{
    struct rj_http_answer answer = {0};
    int status = rj_http_once(siege->port, method, path, headers, body, &answer) ? answer.status : 0;
    rj_http_free(&answer);
    return status;
}

void say(struct rj_ws_client *client, const char *text)
{
    assert_true(rj_ws_send_text(client, text));
}

void expect(struct rj_ws_client *client, const char *prefix)
{
    struct rj_buf data = {0};
    if (!rj_ws_expect(client, prefix, &data, WAIT_MS))
        fail_msg("did not get %s", prefix);
    rj_buf_free(&data);
}

/* ---- figures */

uint64_t figure(const struct siege *siege, const char *name)
{
    struct rj_http_answer answer = {0};
    unsigned long long value = 0;
    char line[128];
    assert_true(rj_http_once(siege->port, "GET", "/metrics", NULL, NULL, &answer));
    snprintf(line, sizeof line, "\nrejoin_gateway_%s ", name);
    const char *at = strstr(rj_http_body(&answer), line);
    assert_non_null(at);
    assert_int_equal(sscanf(at + strlen(line), "%llu", &value), 1);
    rj_http_free(&answer);
    return value;
}

size_t gateway_rss_kib(const struct siege *siege)
{
    char path[64], line[256];
    size_t kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)siege->gateway.pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "RssAnon: %zu", &kib);
    if (file)
        fclose(file);
    return kib;
}

void allow_descriptors(size_t n)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(limit.rlim_max >= n);
    limit.rlim_cur = limit.rlim_cur > n ? limit.rlim_cur : n;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}
