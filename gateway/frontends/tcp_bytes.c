#include "gateway/frontends/tcp_bytes.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

bool rj_tcp_bytes_of(int fd, struct rj_tcp_bytes *out)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    *out = (struct rj_tcp_bytes){0};
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return false;
    out->received = info.tcpi_bytes_received;
    out->sent = info.tcpi_bytes_sent;
    return true;
}
