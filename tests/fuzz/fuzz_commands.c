/* Command lines of the three programs: a byte says whose (and of the servers', how many words come from the
 * environment), then lines, each an argument. Nothing is connected, opened or read: rejoinctl's calls that
 * would are wrapped by the linker, and the flag that names a file is left out.
 *
 * A program's parser runs as its main would run it; what it has to say goes nowhere.
 */
#include <getopt.h>

#include "broker/conf.h"
#include "gateway/conf.h"
#include "proto/base/log.h"
#include "rejoin.h"
#include "storage/backup.h"
#include "storage/inspect.h"
#include "tests/fuzz/fuzz.h"

enum { ARGS_MAX = 32 };

int rejoinctl_main(int argc, char **argv);

enum rejoin_status __wrap_rejoin_open(const struct rejoin_options *options, struct rejoin **out);
enum rj_status __wrap_rj_inspect_open(struct rj_inspect *inspect, const char *path, enum rj_inspect_mode mode,
                                      struct rj_buf *why);
enum rj_status __wrap_rj_backup_take(const char *path, const char *dest, bool compact, struct rj_backup *out,
                                     struct rj_buf *why);

enum rejoin_status __wrap_rejoin_open(const struct rejoin_options *options, struct rejoin **out)
{
    (void)out;
    HOLDS(options->endpoint && options->name);
    return REJOIN_UNAVAILABLE;
}

enum rj_status __wrap_rj_inspect_open(struct rj_inspect *inspect, const char *path, enum rj_inspect_mode mode,
                                      struct rj_buf *why)
{
    (void)inspect, (void)mode;
    HOLDS(path);
    rj_buf_put_str(why, "not here");
    return RJ_IO;
}

enum rj_status __wrap_rj_backup_take(const char *path, const char *dest, bool compact, struct rj_backup *out,
                                     struct rj_buf *why)
{
    (void)compact, (void)out;
    HOLDS(path && dest);
    rj_buf_put_str(why, "not here");
    return RJ_IO;
}

static bool names_a_file(const char *arg)
{
    return strstr(arg, "config") || strstr(arg, "CONFIG");
}

/* The lines of `text`, cut in place. */
static int split(char *text, char **args)
{
    int n = 1;
    args[0] = (char *)(uintptr_t) "program";
    for (char *line; n < ARGS_MAX && (line = strsep(&text, "\n"));)
        args[n++] = line;
    args[n] = NULL;
    return n;
}

static void try_broker(int argc, char **argv, char **env)
{
    struct rj_conf conf = {0};
    int exit_code = 0;
    if (rj_conf_load(&conf, argc, argv, env, &exit_code) != RJ_SETTINGS_RUN)
        return;
    HOLDS(conf.data && conf.gateways && conf.backends && conf.namespaces);
    HOLDS(conf.lease_ms >= 2 * conf.ping_ms && conf.max_frame_bytes >= 2 * conf.max_data_bytes);
    rj_conf_free(&conf);
}

static void try_gateway(int argc, char **argv, char **env)
{
    struct rj_gateway_conf conf = {0};
    if (rj_gateway_conf_load(argc, argv, env, &conf) != RJ_SETTINGS_RUN)
        return;
    HOLDS(conf.listen && conf.broker && conf.path);
    HOLDS(conf.path[0] == '/' && conf.path[strlen(conf.path) - 1] == '/');
    rj_gateway_conf_free(&conf);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    stdout = fopen("/dev/null", "w"); /* libFuzzer and HOLDS keep the descriptors */
    stderr = fopen("/dev/null", "w");
    rj_log_setup(RJ_LOG_ERROR + 1, RJ_LOG_TEXT, "fuzz");
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[4096], *args[ARGS_MAX + 1], *none[] = {NULL};
    if (size < 1 || size > sizeof text)
        return 0;
    snprintf(text, sizeof text, "%.*s", (int)(size - 1), (const char *)data + 1);
    if (names_a_file(text))
        return 0;
    int argc = split(text, args), from_env = data[0] / 3 % 4;
    bool has_env = argc > from_env && from_env;
    char **env = has_env ? args + argc - from_env : none;
    switch (data[0] % 3) {
    case 0:
        optind = 0; /* getopt starts over, as in a fresh process */
        rejoinctl_main(argc, args);
        break;
    case 1: try_broker(has_env ? argc - from_env : argc, args, env); break;
    case 2: try_gateway(has_env ? argc - from_env : argc, args, env); break;
    }
    return 0;
}
