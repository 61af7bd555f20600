/* What --help prints, and the name of a setting in the environment. A part of settings.c, of no use
 * elsewhere. */
#ifndef RJ_SETTINGS_HELP_H
#define RJ_SETTINGS_HELP_H

#include "proto/base/settings.h"

/* Prints usage, the program's settings under their headings, and those of `general` at the end. */
void rj_settings_print_help(FILE *out, const struct rj_settings_program *program,
                            const struct rj_setting *general);

/* "ping-interval" becomes "REJOIN_PING_INTERVAL", in `out`; valid until that changes. */
const char *rj_settings_variable(const struct rj_setting *setting, struct rj_buf *out);

#endif
