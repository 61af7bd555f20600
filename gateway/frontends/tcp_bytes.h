/* What the kernel counts of a TCP connection. A file of its own: the kernel's header clashes with libc's.
 */
#ifndef RJ_TCP_BYTES_H
#define RJ_TCP_BYTES_H

#include <stdbool.h>
#include <stdint.h>

struct rj_tcp_bytes {
    uint64_t received; /* by the kernel, read or not */
    uint64_t sent;     /* by the kernel, repetitions included */
};

/* False when it cannot be told; then *out is zeroed. */
bool rj_tcp_bytes_of(int fd, struct rj_tcp_bytes *out);

#endif
