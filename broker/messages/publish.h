/* Publishing: a message is checked, completed with what is the server's, packed once, and appended. With the
 * commit it is delivered, and its publisher gets the receipt.
 */
#ifndef RJ_PUBLISH_H
#define RJ_PUBLISH_H

#include "broker/reply.h"

enum {
    RJ_TARGETS_MAX = RJ_STORE_ROOMS_MAX,
    RJ_EXCEPT_MAX = 1000, /* sids, and rooms */
};

rj_handler rj_cmd_publish;

/* Whether a message can be given to stock clients: an event name that they take, one valid JSON text whose
 * placeholders point into the attachments, all within the limits. `*why` says more than the status; it may
 * stay NULL. Pure.
 *
 * Gateways have checked the JSON of their clients already. It is checked again: a bad text in the log would
 * break every reader of the room for as long as it is kept, and the check costs less than a tenth of a
 * publish. */
enum rj_status rj_message_check(const Rejoin__Message *message, const struct rj_conf *conf, const char **why);

#endif
