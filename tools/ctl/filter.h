/* The options that say which sockets a command is about. */
#ifndef RJ_CTL_FILTER_H
#define RJ_CTL_FILTER_H

#include "ctl.h"
#include "rejoin_sockets.h"

enum { RJ_CTL_NAMES_MAX = 64 };

/* A list that grows by an option's values; they live as long as the command line. */
struct rj_ctl_names {
    const char *names[RJ_CTL_NAMES_MAX];
    size_t count;
};

struct rejoin_names rj_ctl_names(const struct rj_ctl_names *names);

/* False: it is full. */
bool rj_ctl_names_add(struct rj_ctl_names *names, const char *name);

struct rj_ctl_filter {
    const char *nsp;
    struct rj_ctl_names rooms, users, sids, except_rooms, except_sids;
};

#define RJ_CTL_FILTER_OPTIONS                                                                                \
    {"namespace", required_argument, NULL, 'n'}, {"room", required_argument, NULL, 'r'},                     \
        {"user", required_argument, NULL, 'u'}, {"socket", required_argument, NULL, 's'},                    \
        {"except-room", required_argument, NULL, 'R'},                                                       \
    {                                                                                                        \
        "except-socket", required_argument, NULL, 'S'                                                        \
    }

#define RJ_CTL_FILTER_ARGUMENTS                                                                              \
    "[--namespace NSP] [--room R]… [--user U]… [--socket SID]… [--except-room R]… [--except-socket SID]…"

/* For a command's switch: takes the option that rj_ctl_option has just found. False: it is none of these, or
 * there are too many of it. */
bool rj_ctl_filter_take(struct rj_ctl_filter *filter, int option);

struct rejoin_filter rj_ctl_filter(const struct rj_ctl_filter *filter);

#endif
