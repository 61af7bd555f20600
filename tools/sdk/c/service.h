/* The services of a handle. A service is what the caller owns; on each stream it is said anew, by a Serve
 * command, behind the commands that are repeated there (rejoin.proto, "Sockets and jobs").
 *
 * Sockets. A service whose caller wants to hear of them keeps their ids, each with the number of the stream
 * that told of it last. When Served comes, those that this stream has not told of are somebody else's, or
 * gone.
 */
#ifndef RJ_SDK_SERVICE_H
#define RJ_SDK_SERVICE_H

#include "rejoin.pb-c.h"
#include "rejoin_serve.h"

/* Puts Serve for those that this stream does not know yet, once the repeated commands are on it. Frees those
 * that were stopped. */
void rj_sdk_services_put(struct rejoin *handle);

/* On a new stream: every service has to begin again, behind all calls so far. */
void rj_sdk_services_rewind(struct rejoin *handle);

/* A reply; false when it belongs to no service. */
bool rj_sdk_services_answer(struct rejoin *handle, const Rejoin__Reply *reply);

/* What the broker gives to a service. */
void rj_sdk_services_job(struct rejoin *handle, const Rejoin__Job *job);
void rj_sdk_services_opened(struct rejoin *handle, const Rejoin__Opened *opened);
void rj_sdk_services_closed(struct rejoin *handle, const Rejoin__Closed *closed);
void rj_sdk_services_told(struct rejoin *handle, const Rejoin__Told *told);

/* An answer to a job of the service has reached nobody. */
void rj_sdk_service_unheard(struct rejoin_service *service, uint64_t job, enum rejoin_status status);

/* The handle refuses for good: tells every service that it has ended. */
void rj_sdk_services_end(struct rejoin *handle, enum rejoin_status status);

/* Frees all services, without a callback. */
void rj_sdk_services_free(struct rejoin *handle);

#endif
