#include "proto/base/clock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test.h"

enum { HOUR_MS = 3600000, SLACK_MS = 60000 };

/* Runs `body` in a child, because the clock is set for the rest of a process. Returns its exit status. */
static int in_child(void (*body)(const char *), const char *path)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        body(path);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void only_set_up(const char *path)
{
    rj_clock_setup(path);
}

static void without_a_file_the_clock_is_right(void **state)
{
    (void)state;
    assert_int_equal(in_child(only_set_up, NULL), 0);
    assert_int_equal(in_child(only_set_up, ""), 0);
}

static void a_file_that_is_not_there_ends_the_process(void **state)
{
    (void)state;
    assert_int_equal(in_child(only_set_up, "/nowhere/at/all"), 2);
    assert_int_equal(in_child(only_set_up, "/dev/null"), 2);
}

#ifdef RJ_FAULTS

static void write_off_ms(int fd, int64_t off_ms)
{
    if (pwrite(fd, &off_ms, sizeof off_ms, 0) != sizeof off_ms)
        _exit(8);
}

static void expect_off_ms(uint64_t right_ms, int64_t off_ms)
{
    int64_t is_off_ms = (int64_t)(rj_clock_wall_ms() - right_ms);
    if (is_off_ms < off_ms || is_off_ms > off_ms + SLACK_MS)
        _exit(9);
}

static void jump(const char *path)
{
    uint64_t right_ms = rj_clock_wall_ms(), mono_ms = rj_clock_mono_ms();
    int fd = open(path, O_RDWR | O_CLOEXEC);
    write_off_ms(fd, 0);
    rj_clock_setup(path);
    expect_off_ms(right_ms, 0);
    write_off_ms(fd, HOUR_MS);
    expect_off_ms(right_ms, HOUR_MS);
    write_off_ms(fd, -HOUR_MS);
    expect_off_ms(right_ms, -HOUR_MS);
    if (rj_clock_mono_ms() - mono_ms > SLACK_MS)
        _exit(10);
}

static void the_wall_clock_follows_the_file_the_other_does_not(void **state)
{
    char path[] = "/tmp/rejoin-clock-XXXXXX";
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    int status = in_child(jump, path);
    close(fd);
    unlink(path);
    assert_int_equal(status, 0);
}

#else

static void the_wall_clock_follows_the_file_the_other_does_not(void **state)
{
    (void)state;
    skip();
}

#endif

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(without_a_file_the_clock_is_right),
    cmocka_unit_test(a_file_that_is_not_there_ends_the_process),
    cmocka_unit_test(the_wall_clock_follows_the_file_the_other_does_not),
};

RJ_TEST_MAIN(tests)
