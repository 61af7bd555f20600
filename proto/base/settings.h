/* Settings of a process: one table feeds the flags, the environment, the YAML file, --help and
 * --check-config. In order of precedence: `--ping-interval 300`, `REJOIN_PING_INTERVAL=300`, the key
 * `ping-interval: 300` in the file named by `--config`, the default.
 *
 * The values live in a struct of the process's own; a setting names its field by offset. `config`,
 * `check-config`, `help` and `version` are known without standing in the table; a table may name the first
 * two to have their values as well, but the YAML file cannot set them.
 */
#ifndef RJ_SETTINGS_H
#define RJ_SETTINGS_H

#include <stdio.h>

#include "proto/base/buf.h"
#include "proto/base/status.h"

enum rj_setting_type {
    RJ_SETTING_TEXT, /* field: char *, owned by the struct; NULL when unset and without a default */
    /* field: uint64_t, bounded by `least` and `most`, with the units of quantity.h */
    RJ_SETTING_COUNT, /* N, 10k */
    RJ_SETTING_TIME,  /* milliseconds: 500, 30s, 7d */
    RJ_SETTING_BYTES, /* 4096, 64KiB, 4MB */
    RJ_SETTING_BOOL,  /* field: bool; true/false, yes/no, on/off; a bare flag means true */
    RJ_SETTING_LIST,  /* field: char **, NULL-terminated, owned; comma-separated, or a YAML sequence. An empty
                         text gives an empty list. */
    RJ_SETTING_CHOICE, /* field: unsigned, an index into `choices` ("a|b|c") */
};

struct rj_setting {
    const char *name; /* "ping-interval"; NULL ends the table */
    enum rj_setting_type type;
    size_t field;         /* offsetof */
    const char *fallback; /* the default as text; NULL: unset (TEXT, LIST) */
    uint64_t least, most; /* COUNT, TIME (in ms), BYTES */
    const char *choices;  /* CHOICE */
    const char *unit;     /* TEXT, LIST: what --help shows for the value: "dir"; may be NULL */
    const char *help;     /* one line */
    bool required;
    const char *(*check)(
        const char *item); /* LIST: what is wrong with one item, NULL when nothing; may be NULL */
    const char *group;     /* the heading that it opens in --help; NULL: it stands under the one before */
};

enum rj_settings_outcome {
    RJ_SETTINGS_RUN,   /* values are complete and valid: go on */
    RJ_SETTINGS_EXIT,  /* --help, --version or a clean --check-config was answered on stdout: exit 0 */
    RJ_SETTINGS_WRONG, /* told on stderr, one line a fault, with file:line or the flag's name: exit 2 */
};

struct rj_settings_program {
    const char *name;    /* "rejoin-broker" */
    const char *summary; /* one line */
    const char *version;
    const struct rj_setting *table;
    /* What is wrong with the values together, as `SETTING: what`; NULL: nothing, or no such rules. Asked when
     * each value is right by itself. */
    const char *(*fault_of)(const void *values);
};

/* Fills `values` (zeroed by the caller) from defaults, file, environment and flags. Every fault is reported,
 * not only the first. Unknown keys and flags are faults; unknown REJOIN_ variables are not. With any outcome
 * but RJ_SETTINGS_RUN the fields are freed and NULL already; rj_settings_free is harmless then. */
enum rj_settings_outcome rj_settings_load(const struct rj_settings_program *program, int argc, char **argv,
                                          char **environ_, void *values);

/* Parses YAML text alone into `values`; for tests and fuzzing. Faults are appended to `faults`, a line each,
 * as `NAME:LINE: what`. */
enum rj_status rj_settings_parse_yaml(const struct rj_setting *table, struct rj_span yaml, const char *name,
                                      void *values, struct rj_buf *faults);

/* Frees the TEXT and LIST fields. */
void rj_settings_free(const struct rj_setting *table, void *values);

#endif
