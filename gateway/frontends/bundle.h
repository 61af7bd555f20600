/* The client bundle: the files of socket.io-client's dist folder that are served under the protocol's path.
 */
#ifndef RJ_BUNDLE_H
#define RJ_BUNDLE_H

#include <stdbool.h>

#include "proto/base/buf.h"

/* Where the bundle is when no setting says so: ../share/rejoin/client beside the running program's folder, as
 * in a build and in an installation. NULL when nothing is there. The text is kept in `scratch`. */
const char *rj_bundle_dir(struct rj_buf *scratch);

/* Whether a file of that folder belongs to the bundle. */
bool rj_bundle_has(const char *name);

#endif
