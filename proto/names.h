/* How long names can be at all: they stand in keys of the store, which have room for so much. What a
 * deployment lets be made is a setting of the broker's, below these (broker/base/names.h). Bytes, of UTF-8
 * without NUL.
 */
#ifndef RJ_PROTO_NAMES_H
#define RJ_PROTO_NAMES_H

enum {
    RJ_NAMESPACE_MAX = 128, /* with its slash */
    RJ_ROOM_NAME_MAX = 255,
    RJ_USER_MAX = 128,
    RJ_EVENT_MAX = 255,
    RJ_MESSAGE_ID_MAX = 200,
};

#endif
