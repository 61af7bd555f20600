/* ListRooms: the rooms of a namespace that have somebody in them, a page at a time, ascending by name. */
#ifndef RJ_ROOM_LIST_H
#define RJ_ROOM_LIST_H

#include "broker/reply.h"

rj_handler rj_cmd_list_rooms;

#endif
