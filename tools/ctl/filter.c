#include "filter.h"

struct rejoin_names rj_ctl_names(const struct rj_ctl_names *names)
{
    return (struct rejoin_names){names->names, names->count};
}

bool rj_ctl_names_add(struct rj_ctl_names *names, const char *name)
{
    if (names->count == RJ_CTL_NAMES_MAX)
        return false;
    names->names[names->count++] = name;
    return true;
}

bool rj_ctl_filter_take(struct rj_ctl_filter *filter, int option)
{
    switch (option) {
    case 'n': filter->nsp = optarg; return true;
    case 'r': return rj_ctl_names_add(&filter->rooms, optarg);
    case 'u': return rj_ctl_names_add(&filter->users, optarg);
    case 's': return rj_ctl_names_add(&filter->sids, optarg);
    case 'R': return rj_ctl_names_add(&filter->except_rooms, optarg);
    case 'S': return rj_ctl_names_add(&filter->except_sids, optarg);
    default: return false;
    }
}

struct rejoin_filter rj_ctl_filter(const struct rj_ctl_filter *filter)
{
    return (struct rejoin_filter){
        .nsp = filter->nsp,
        .rooms = rj_ctl_names(&filter->rooms),
        .users = rj_ctl_names(&filter->users),
        .sids = rj_ctl_names(&filter->sids),
        .except_rooms = rj_ctl_names(&filter->except_rooms),
        .except_sids = rj_ctl_names(&filter->except_sids),
    };
}
