#include "storage/raised.h"

#include <stdlib.h>
#include <utlist.h>

#include "proto/base/mem.h"

void rj_raised_init(struct rj_raised_list *list, uint64_t completed)
{
    *list = (struct rj_raised_list){.n = 1, .top = completed, .lost_number = 1, .lost_pos = completed};
}

void rj_raised_note(struct rj_raised_list *list, struct rj_raised **raised, rj_room_id room,
                    uint64_t floor_pos)
{
    if (*raised)
        DL_DELETE(list->latest, *raised);
    else
        *raised = rj_calloc(1, sizeof **raised);
    if (floor_pos > list->top)
        list->top = floor_pos;
    (*raised)->room = room;
    (*raised)->number = ++list->n;
    (*raised)->top = list->top;
    DL_PREPEND(list->latest, *raised);
}

void rj_raised_forget(struct rj_raised_list *list, struct rj_raised **raised)
{
    if (!*raised)
        return;
    if ((*raised)->number > list->lost_number)
        list->lost_number = (*raised)->number;
    if ((*raised)->top > list->lost_pos)
        list->lost_pos = (*raised)->top;
    DL_DELETE(list->latest, *raised);
    free(*raised);
    *raised = NULL;
}
