#include "proto/base/fault.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test.h"

static void the_list_is_sorted_by_name(void **state)
{
    static const char *const names[] = {
#define NAME(name, text, what) text,
        RJ_FAULT_LIST(NAME)
#undef NAME
    };
    (void)state;
    for (size_t i = 1; i < RJ_FAULT_COUNT; i++)
        assert_true(strcmp(names[i - 1], names[i]) < 0);
}

static void nothing_armed_never_fails(void **state)
{
    (void)state;
    rj_fault_setup(NULL);
    rj_fault_setup("");
    for (unsigned i = 0; i < RJ_FAULT_COUNT; i++)
        assert_false(rj_fault_hit((enum rj_fault_point)i));
    assert_false(RJ_FAULT(STORE_COMMIT));
}

/* Runs `body` in a child, because arming a point holds for the rest of a process. Returns waitpid's status.
 */
static int in_child(void (*body)(const char *), const char *text, int options)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        body(text);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, options), child);
    if (WIFSTOPPED(status)) {
        int rest;
        kill(child, SIGCONT);
        assert_int_equal(waitpid(child, &rest, 0), child);
        assert_true(WIFEXITED(rest) && WEXITSTATUS(rest) == 0);
    }
    return status;
}

static void arm_only(const char *text)
{
    rj_fault_setup(text);
}

static void a_wrong_text_ends_the_process(void **state)
{
    static const char *const texts[] = {
        "store.commit.fail",
        "store.commit.fail=",
        "store.commit.fail=explode",
        "no.such.point=fail",
        "store.commit.fail:=fail",
        "store.commit.fail:x=fail",
        "store.commit.fail:-1=fail",
        "store.commit.fail:1+=fail",
        "store.commit.fail:+1=fail",
        "store.commit.fail:1+0=fail",
        "store.commit.fail:1+x=fail",
        "store.commit.fail:99999999999999999999=fail",
        "store.commit.fail=fail,",
        ",",
        "store.commit.fail=fail,store.commit.fail:2=kill",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int status = in_child(arm_only, texts[i], 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 2)
            fail_msg("taken: %s", texts[i]);
    }
}

#ifdef RJ_FAULTS

static void expect(enum rj_fault_point point, const char *pattern)
{
    for (; *pattern; pattern++)
        if (rj_fault_hit(point) != (*pattern == 'x'))
            _exit(9);
}

static void pass_two_points(const char *text)
{
    rj_fault_setup(text);
    expect(RJ_FAULT_STORE_PUT, "..x...");
    expect(RJ_FAULT_BUS_SEND_AGAIN, "x..");
    expect(RJ_FAULT_STORE_COMMIT, "...");
}

static void a_point_fails_once_after_what_it_skips(void **state)
{
    (void)state;
    int status = in_child(pass_two_points, "store.put.fail:2=fail,bus.send.again=fail", 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void pass_one_often(const char *text)
{
    rj_fault_setup(text);
    expect(RJ_FAULT_BUS_SEND_AGAIN, "..x..x..x.");
}

static void a_point_fails_again_and_again_when_told(void **state)
{
    (void)state;
    int status = in_child(pass_one_often, "bus.send.again:2+3=fail", 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void pass_until_it_acts(const char *text)
{
    rj_fault_setup(text);
    expect(RJ_FAULT_STORE_AFTER_COMMIT, "...");
}

static void kill_is_a_real_kill(void **state)
{
    (void)state;
    int status = in_child(pass_until_it_acts, "store.commit.after:1=kill", 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void stop_halts_and_goes_on_when_told(void **state)
{
    (void)state;
    int status = in_child(pass_until_it_acts, "store.commit.after:1=stop", WUNTRACED);
    assert_true(WIFSTOPPED(status));
}

#else

static void a_point_fails_once_after_what_it_skips(void **state)
{
    (void)state;
    skip();
}

static void a_point_fails_again_and_again_when_told(void **state)
{
    (void)state;
    skip();
}

static void kill_is_a_real_kill(void **state)
{
    (void)state;
    skip();
}

static void stop_halts_and_goes_on_when_told(void **state)
{
    (void)state;
    skip();
}

#endif

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_list_is_sorted_by_name),
    cmocka_unit_test(nothing_armed_never_fails),
    cmocka_unit_test(a_wrong_text_ends_the_process),
    cmocka_unit_test(a_point_fails_once_after_what_it_skips),
    cmocka_unit_test(a_point_fails_again_and_again_when_told),
    cmocka_unit_test(kill_is_a_real_kill),
    cmocka_unit_test(stop_halts_and_goes_on_when_told),
};

RJ_TEST_MAIN(tests)
