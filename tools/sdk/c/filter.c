#include "filter.h"

#include "args.h"

enum rejoin_status rj_sdk_filter_lend(struct rejoin *handle, const struct rejoin_filter *filter,
                                      Rejoin__SocketFilter *out)
{
    static const struct rejoin_filter all;
    if (!filter)
        filter = &all;
    rejoin__socket_filter__init(out);
    out->namespace_ = rj_sdk_text(filter->nsp, "/");
    enum rejoin_status status = rj_sdk_names_lend(handle, &filter->rooms, &out->n_rooms, &out->rooms);
    if (status == REJOIN_OK)
        status = rj_sdk_names_lend(handle, &filter->users, &out->n_users, &out->users);
    if (status == REJOIN_OK)
        status = rj_sdk_names_lend(handle, &filter->sids, &out->n_sids, &out->sids);
    if (status == REJOIN_OK)
        status = rj_sdk_names_lend(handle, &filter->except_rooms, &out->n_except_rooms, &out->except_rooms);
    if (status == REJOIN_OK)
        status = rj_sdk_names_lend(handle, &filter->except_sids, &out->n_except_sids, &out->except_sids);
    return status;
}
