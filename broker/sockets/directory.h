/* The directory: which sockets there are. A socket is a session that is attached to a gateway; it is found by
 * its sid, its user and its namespace, and with its rooms' members (room.h). It owns nothing but its own
 * tables: sessions come with rj_attach and go with rj_attach_undo.
 */
#ifndef RJ_DIRECTORY_H
#define RJ_DIRECTORY_H

#include "broker/base/table.h"
#include "broker/sessions/session.h"

struct rj_namespace;

struct rj_directory {
    struct rj_table sockets; /* by sid */
    struct rj_table people;  /* by namespace and user */
    struct rj_namespace *namespaces;
    uint64_t first_serial, last_serial; /* given out in this run; the first is not */
};

/* The broker has started for the `run`-th time: serials ascend over its runs. */
void rj_directory_begin_run(struct rj_directory *directory, uint64_t run);

/* Whether a serial is of this run. */
bool rj_directory_is_of_run(const struct rj_directory *directory, uint64_t serial);

/* The session has just been attached: gives it a new serial (ascending; what pages go by), and enters it
 * everywhere, its rooms included. */
void rj_directory_enter(struct rj_directory *directory, struct rj_session *session);

/* It is about to be detached. */
void rj_directory_exit(struct rj_directory *directory, struct rj_session *session);

/* A room that an attached session has been added to, or is about to be removed from. */
void rj_directory_enter_room(struct rj_session *session, rj_room_id room);
void rj_directory_exit_room(struct rj_session *session, rj_room_id room);

/* The socket with that sid in that namespace; NULL when it is not attached. */
struct rj_session *rj_directory_find_sid(const struct rj_directory *directory, const char *nsp,
                                         const char *sid);

/* All sockets of a namespace, and those of a user there; NULL when there is none. Valid until the next
 * change. */
const struct rj_members *rj_directory_namespace(const struct rj_directory *directory, const char *nsp);
const struct rj_members *rj_directory_user(const struct rj_directory *directory, const char *nsp,
                                           const char *user);

/* Nobody is attached any more. */
void rj_directory_free(struct rj_directory *directory);

#endif
