/* A client's event on its way to the backend that serves it, and the ack on its way back. */
#ifndef RJ_EVENT_H
#define RJ_EVENT_H

#include "broker/reply.h"

rj_handler rj_cmd_event;

#endif
