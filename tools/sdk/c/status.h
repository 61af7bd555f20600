/* Between the codes on the wire and enum rejoin_status. */
#ifndef RJ_SDK_STATUS_H
#define RJ_SDK_STATUS_H

#include "rejoin.h"

/* REJOIN_INTERNAL for a code that this version does not know. */
enum rejoin_status rj_sdk_status_of_code(const char *code);

#endif
