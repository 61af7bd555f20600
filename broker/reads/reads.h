/* The command Read: a user has read a room up to some message. See read_cursors.h for what is kept of it,
 * read_receipts.h for who else is told, unread.h for the question what is left.
 */
#ifndef RJ_READS_H
#define RJ_READS_H

#include "broker/reply.h"

rj_handler rj_cmd_read;

/* Whose cursors a request is about: the client's own, or those that the backend names. RJ_NO_USER: the client
 * is anonymous; RJ_BAD_NAMESPACE, RJ_BAD_NAME: of what a backend names. */
enum rj_status rj_reads_whose(struct rj_request *request, const char *nsp, const char *user,
                              struct rj_reader_name *out);

/* How many messages of a room are kept above `seq`. What was trimmed does not count: nobody can read it any
 * more. */
uint64_t rj_reads_unread(const struct rj_room_state *room, uint64_t seq);

#endif
