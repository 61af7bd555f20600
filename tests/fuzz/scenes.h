/* Several commands that only together get far, as a step of fuzz_broker: what a byte each would have to find
 * by chance one after another.
 */
#ifndef RJ_FUZZ_SCENES_H
#define RJ_FUZZ_SCENES_H

#include "tests/fuzz/peers.h"

void scene_play(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how);

#endif
