/* The JSON lines of rejoinctl. Pure. */
#ifndef RJ_CTL_PRINT_H
#define RJ_CTL_PRINT_H

#include "proto/base/buf.h"
#include "rejoin_presence.h"
#include "rejoin_reads.h"
#include "rejoin_sockets.h"

/* Appends a message as one JSON object without a line break:
 *
 *     {"offset":…,"ts":…,"namespace":…,"room":…,"seq":…,"event":…,"from":{"user":…,"sid":…},"data":…}
 *
 * and after `seq` "id", after `from` "source" and after `data` "attachments" (base64) where there are any.
 * Plain arguments stand under "args" instead of "data". A message that is not meant for one room has
 * "targets" (kind, name and seq each) instead of "room" and "seq".
 */
void rj_ctl_print_message(struct rj_buf *out, const struct rejoin_message *message);

/* Appends what a publish was answered: {"room":…,"seq":…,"offset":…,"ts":…,"duplicate":…} */
void rj_ctl_print_published(struct rj_buf *out, const char *room, const struct rejoin_published *published);

/* Appends the seqs, one for each target: {"seqs":[…],"offset":…,"ts":…,"duplicate":…} */
void rj_ctl_print_emitted(struct rj_buf *out, const struct rejoin_published *published);

/* Appends {"sid":…,"namespace":…,"user":…,"rooms":[…],"data":…,"connected":…}, and "auth" and "handshake"
 * where they were asked for. */
void rj_ctl_print_socket(struct rj_buf *out, const struct rejoin_socket *socket);

/* Appends {"room":…,"members":…} */
void rj_ctl_print_room(struct rj_buf *out, const struct rejoin_room *room);

/* Appends {"user":…,"sockets":…,"since":…,"state":…,"data":…}, the last where there is any. */
void rj_ctl_print_present(struct rj_buf *out, const struct rejoin_present_user *user);

/* Appends {"users":…,"reconnecting":…,"sockets":…,"anonymous":…} */
void rj_ctl_print_presence(struct rj_buf *out, const struct rejoin_presence *presence);

/* Appends {"user":…,"state":…,"seen":…,"sockets":…,"list":[…]}; `state` is online, reconnecting or offline,
 * `seen` null when it is not known. */
void rj_ctl_print_user(struct rj_buf *out, const char *name, const struct rejoin_user *user);

/* Appends {"room":…,"unread":…,"seq":…} */
void rj_ctl_print_unread(struct rj_buf *out, const struct rejoin_unread_room *room);

/* Appends `name value` as in Prometheus' text format. */
void rj_ctl_print_metric(struct rj_buf *out, const struct rejoin_metric *metric);

#endif
