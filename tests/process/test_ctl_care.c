/* rejoinctl's commands on a data folder, beside a real broker. */
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/process/backend_support.h"

struct outcome {
    int exit_status;
    char out[64 * 1024], err[4096];
};

static void read_file(const struct broker *broker, const char *name, char *text, size_t size)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", broker->folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t len = read(fd, text, size - 1);
    assert_true(len >= 0);
    text[len] = '\0';
    close(fd);
}

/* A command line of the shell, in the folder of the broker: its data folder is `data`, $ctl is rejoinctl and
 * $to the flag that names the broker. */
static void start(struct rj_process *process, const struct broker *broker, const char *line)
{
    char command[3072], program[512];
    snprintf(command, sizeof command, "cd %s; ctl=%s; to='--broker %s'; %s", broker->folder,
             rj_process_program("rejoinctl", program, sizeof program), broker->endpoint, line);
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    assert_true(rj_process_start(process, argv, NULL, NULL));
}

static void run(const struct broker *broker, struct outcome *outcome, const char *line)
{
    struct rj_process process;
    char whole[2048];
    int how = 0;
    snprintf(whole, sizeof whole, "{ %s\n} > out 2> err", line);
    start(&process, broker, whole);
    assert_true(rj_process_wait_end(&process, PATIENCE_MS, &how));
    assert_true(WIFEXITED(how));
    outcome->exit_status = WEXITSTATUS(how);
    read_file(broker, "out", outcome->out, sizeof outcome->out);
    read_file(broker, "err", outcome->err, sizeof outcome->err);
}

static void expect(const struct outcome *outcome, int exit_status, const char *said)
{
    if (outcome->exit_status != exit_status || (!strstr(outcome->out, said) && !strstr(outcome->err, said)))
        fail_msg("expected exit %d and \"%s\", got %d:\n%s\n%s", exit_status, said, outcome->exit_status,
                 outcome->out, outcome->err);
}

static void a_running_brokers_folder_is_not_checked(void **state)
{
    struct outcome outcome;
    run(*state, &outcome, "$ctl check data");
    expect(&outcome, 3, "a broker has data open");
}

static void a_killed_brokers_folder_is_whole(void **state)
{
    struct broker *broker = *state;
    struct outcome outcome;
    run(broker, &outcome, "seq 1 500 | $ctl $to publish lobby - > /dev/null");
    expect(&outcome, 0, "");
    broker_kill(broker);
    run(broker, &outcome, "$ctl check data");
    expect(&outcome, 0, "records        500 ");
    expect(&outcome, 0, "faults         0\n");
}

static void a_damaged_record_is_a_fault_and_dump_passes_it_over(void **state)
{
    struct broker *broker = *state;
    struct outcome outcome;
    /* The payload's bytes stand as they are in the file. */
    run(broker, &outcome,
        "$ctl $to publish lobby '\"first\"'; $ctl $to publish lobby '\"second\"' > /dev/null; sync");
    expect(&outcome, 0, "\"seq\":1");
    broker_kill(broker);
    run(broker, &outcome, "sed -i s/first/f1rst/g data/data.mdb; $ctl check data");
    expect(&outcome, 1, "fault: record 1 fails its checksum");
    run(broker, &outcome, "$ctl dump data");
    expect(&outcome, 1, "record 1 fails its checksum");
    expect(&outcome, 1, "\"second\"");
}

static void a_backup_under_load_is_whole_and_has_all_that_was_acknowledged(void **state)
{
    struct broker *broker = *state;
    struct rj_process publisher;
    struct outcome outcome;
    /* It publishes 1, 2, 3 … until the copies are there. Its output is counted before each copy begins: so
     * many are acknowledged; and after it: the broker was writing meanwhile. */
    start(&publisher, broker,
          "n=1; while [ ! -e stop ]; do seq $n $((n + 19)); n=$((n + 20)); sleep 0.005; done |\n"
          "$ctl $to publish lobby - > acks");
    run(broker, &outcome,
        "trap 'touch stop' EXIT\n"
        "while [ $(cat acks 2> /dev/null | wc -l) -lt 300 ]; do sleep 0.02; done\n"
        "for how in '' --compact; do\n"
        "  before=$(wc -l < acks)\n"
        "  $ctl backup $how data copy$how > /dev/null || exit\n"
        "  [ $(wc -l < acks) -gt $before ] || { echo nobody wrote; exit 9; }\n"
        "  $ctl check copy$how > report || exit\n"
        "  $ctl dump --room lobby copy$how | sed 's/.*\"data\"://;s/}$//' > have\n"
        "  seq 1 $(wc -l < have) | cmp - have || exit\n"
        "  [ $(wc -l < have) -ge $before ] || { echo lost; exit 9; }\n"
        "done; ls -d copy*; ls -d *.part-* 2> /dev/null; $ctl backup data copy");
    assert_true(rj_process_wait_end(&publisher, PATIENCE_MS, NULL));
    expect(&outcome, 1, "copy--compact");
    expect(&outcome, 1, "copy is there already and not an empty folder");
    assert_null(strstr(outcome.out, ".part-"));
}

static void dump_shows_what_was_published(void **state)
{
    struct outcome outcome;
    run(*state, &outcome,
        "{ seq 1 20 | $ctl $to publish lobby -; $ctl $to publish tea '{\"n\":21}' --id x; } > /dev/null\n"
        "$ctl dump data | wc -l; $ctl dump data --room lobby --from 5 --limit 3; $ctl dump --room tea data");
    expect(&outcome, 0, "21\n{\"pos\":5,\"offset\":\"");
    expect(&outcome, 0, "\"data\":7}\n{\"pos\":21,");
    expect(&outcome, 0, "\"room\":\"tea\",\"seq\":1,\"id\":\"x\"");
    expect(&outcome, 0, "\"data\":{\"n\":21}}\n");
    assert_string_equal(outcome.err, "");
}

static void wrong_usage_is_told(void **state)
{
    static const struct {
        const char *line;
        int exit_status;
        const char *said;
    } wrong[] = {
        {"$ctl check", 2, "usage: rejoinctl check DIR"},
        {"$ctl check a b", 2, "one data folder"},
        {"$ctl backup data", 2, "usage: rejoinctl backup [--compact] DIR DEST"},
        {"$ctl dump data --limit 0", 2, "--limit"},
        {"$ctl dump --namespace /x data", 2, "belongs to a room"},
        {"$ctl $to check data", 2, "--broker has no meaning"},
        {"$ctl check nowhere", 3, "there is no log in nowhere"},
        {"$ctl dump nowhere", 3, "there is no log in nowhere"},
        {"$ctl backup nowhere copy", 3, "there is no log in nowhere"},
        {"$ctl backup data nowhere/copy", 1, "cannot create"},
        {"$ctl check --help", 0, "usage: rejoinctl check DIR"},
    };
    struct outcome outcome;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        run(*state, &outcome, wrong[i].line);
        expect(&outcome, wrong[i].exit_status, wrong[i].said);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_running_brokers_folder_is_not_checked, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(a_killed_brokers_folder_is_whole, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(a_damaged_record_is_a_fault_and_dump_passes_it_over, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(a_backup_under_load_is_whole_and_has_all_that_was_acknowledged,
                                    broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(dump_shows_what_was_published, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(wrong_usage_is_told, broker_setup, broker_teardown),
};

RJ_TEST_MAIN(tests)
