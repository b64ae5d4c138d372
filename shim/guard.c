/* SPDX-License-Identifier: MIT */
/* Was that a self-connection? Then sever it.
 *
 * The decision is a ladder. Each rung is reached only by what passed the one above, and nearly
 * every call stops at the first or the second; the second costs one system call.
 *
 * The kernel is asked by syscall(2), not through libc's getsockname() and its kin: what counts is
 * what the kernel holds, not what another preload tells about it, and none of these may become a
 * cancellation point. syscall() sets errno where it fails, so guard() keeps the caller's. */
#include "guard.h"

#include "endpoint.h"
#include "report.h"
#include "settings.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262 /* Linux 5.6 */
#endif

/* net/tcp_states.h; <netinet/tcp.h> names it too, but cannot be included beside <linux/tcp.h>, the
 * only one of the two with the counters of rung 5. */
enum { TCP_STATE_ESTABLISHED = 1 };

/* Rung 1: the call made a connection (0, or the count of bytes or messages sent along with it), or
 * began one that goes on without it. EINPROGRESS comes also from a blocking socket whose
 * SO_SNDTIMEO ran out; after EINTR the connection is completed in the background (POSIX, connect).
 */
static bool connection_began(ssize_t result)
{
    return result >= 0 || errno == EINPROGRESS || errno == EINTR;
}

/* Rung 2 compares the port that the kernel gave the socket. Unlike the peer's endpoint the local
 * one is known while the connection is still pending. */
static bool local_endpoint(int fd, struct endpoint *local)
{
    struct sockaddr_in6 address; /* the longer one of the two that endpoint_read() takes */
    socklen_t length = sizeof address;

    return syscall(SYS_getsockname, fd, &address, &length) == 0 &&
           endpoint_read(local, (struct sockaddr *)&address, length);
}

/* Rung 3: a UDP or SCTP socket connected to itself is legitimate, and common for UDP. */
static bool is_tcp(int fd)
{
    int protocol;
    socklen_t length = sizeof protocol;

    return syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 &&
           (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

/* Rung 4: ports alone are not enough. 127.0.0.1:P to 127.0.0.2:P is a connection like any other. */
static bool leads_back(const struct endpoint *local, struct endpoint destination)
{
    endpoint_resolve_wildcard(&destination, local);
    return endpoint_same_address(local, &destination);
}

/* Rung 5: behind NAT (a published container port, a redirect) the peer can be a real server
 * although its endpoint equals ours. What tells them apart is that a socket connected to itself
 * receives just what it sends:
 * - its own SYN, then its own SYN-ACK, since this is a simultaneous open (RFC 9293, 3.5), where a
 *   server sends the SYN-ACK alone;
 * - no more data than it sent;
 * - all the data that was acknowledged (tcpi_bytes_acked counts the SYN too).
 *
 * A connection that is not established yet, or an answer without these counters (Linux 4.19 has
 * them), proves nobody else: a live self-connection is never handed out. */
static bool peer_is_somebody_else(int fd)
{
    struct tcp_info info;
    socklen_t length = sizeof info;

    if (syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
        length < offsetof(struct tcp_info, tcpi_bytes_sent) + sizeof info.tcpi_bytes_sent)
        return false;
    return info.tcpi_state == TCP_STATE_ESTABLISHED &&
           (info.tcpi_segs_in < 2 || info.tcpi_bytes_received > info.tcpi_bytes_sent ||
            info.tcpi_bytes_acked > info.tcpi_bytes_received + 1);
}

/* The ladder from its second rung on. *local is set where the answer is true. */
static bool is_self_connection(int fd, const struct endpoint *destination, struct endpoint *local)
{
    return local_endpoint(fd, local) && local->port == destination->port && /* 2 */
           is_tcp(fd) &&                                                    /* 3 */
           leads_back(local, *destination) &&                               /* 4 */
           !peer_is_somebody_else(fd);                                      /* 5 */
}

/* Aborts the connection and keeps the descriptor: what the kernel itself does inside a refused
 * connect() (__inet_stream_connect calls disconnect). Reading SO_ERROR takes away the ECONNRESET
 * that this leaves pending.
 *
 * close() would make the program's own close() hit a descriptor that may be somebody else's by
 * then, and like shutdown() it leaves the port in TIME_WAIT, where no server can bind it.
 * shutdown() is still better than a live self-connection, where the kernel declines to disconnect:
 * some 6.1 to 6.6 kernels say EBUSY while another thread waits in the same socket. */
static void sever(int fd)
{
    const struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
    int pending;
    socklen_t length = sizeof pending;

    if (syscall(SYS_connect, fd, &unspecified, sizeof unspecified) == 0)
        syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, &pending, &length);
    else
        syscall(SYS_shutdown, fd, SHUT_RDWR);
}

ssize_t guard(ssize_t result, const char *call, int fd, const struct sockaddr *destination,
              socklen_t length)
{
    struct endpoint remote, local;

    if (settings.mode == MODE_OFF || !connection_began(result) || destination == NULL ||
        !endpoint_read(&remote, destination, length))
        return result;

    int error = errno;
    if (is_self_connection(fd, &remote, &local)) {
        if (settings.mode == MODE_ENFORCE) {
            sever(fd);
            result = -1;
            error = ECONNREFUSED;
        }
        /* Asked here, so that without a log its line takes no stack. */
        if (settings.log != LOG_NOWHERE)
            report_self_connection(call, fd, &local);
    }
    errno = error;
    return result;
}
