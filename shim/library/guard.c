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
#include "libc.h"
#include "report.h"
#include "settings.h"

#include <linux/filter.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262 /* Linux 5.6 */
#endif
#ifndef SOL_MPTCP
#define SOL_MPTCP 284 /* Linux 5.16 */
#endif

/* net/tcp_states.h; <netinet/tcp.h> names them too, but cannot be included beside <linux/tcp.h>,
 * the only one of the two with the counters of rung 5. */
enum { TCP_STATE_ESTABLISHED = 1, TCP_STATE_SYN_SENT, TCP_STATE_SYN_RECV };

/* Rung 1. EINPROGRESS comes also from a blocking socket whose
 * SO_SNDTIMEO ran out; after EINTR the connection is completed in the background (POSIX, connect).
 * In these cases, and no other, the kernel has read what the program passed, and so may we. */
bool connection_began(ssize_t result)
{
    return settings.mode != MODE_OFF && libc_is_there() &&
           (result >= 0 || errno == EINPROGRESS || errno == EINTR);
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

/* Of the level SOL_SOCKET; -1 where the kernel does not tell. */
static int socket_option(int fd, int option)
{
    int value;
    socklen_t length = sizeof value;

    return syscall(SYS_getsockopt, fd, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

/* Rung 3: a UDP or SCTP socket connected to itself is legitimate, and common for UDP. A raw socket
 * shows its protocol where others have their port (raw(7)). */
static bool is_tcp(int fd)
{
    int protocol = socket_option(fd, SO_PROTOCOL);

    return (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP) &&
           socket_option(fd, SO_TYPE) == SOCK_STREAM;
}

/* Rung 4: ports alone are not enough. 127.0.0.1:P to 127.0.0.2:P is a connection like any other. */
static bool leads_back(const struct endpoint *local, struct endpoint destination)
{
    endpoint_resolve_wildcard(&destination, local);
    return endpoint_same_address(local, &destination);
}

/* Rung 5: behind NAT (a published container port, a redirect) the peer can be a real server
 * although its endpoint equals ours. What tells them apart is that a socket connected to itself is
 * opening or open, and receives just what it sends:
 * - its own SYN, then its own SYN-ACK, since this is a simultaneous open (RFC 9293, 3.5), where a
 *   server sends the SYN-ACK alone;
 * - no more data than it sent;
 * - all the data that was acknowledged (tcpi_bytes_acked counts the SYN too).
 *
 * In any other state somebody else has closed or reset the connection, or nothing is left of it, or
 * the descriptor has been given to another socket while the call was waiting.
 *
 * A connection that is not established yet, and counters that the kernel does not fill (all are
 * there since Linux 4.19; gVisor has the state alone, and qemu-user not even that), prove nobody
 * else: a live self-connection is never handed out. */
static bool hears_somebody_else(int fd)
{
#define HAS(field) (length >= offsetof(struct tcp_info, field) + sizeof info.field)
    struct tcp_info info;
    socklen_t length = sizeof info;

    if (syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
        !HAS(tcpi_total_retrans) || /* the last member of all kernels */
        info.tcpi_state == TCP_STATE_SYN_SENT || info.tcpi_state == TCP_STATE_SYN_RECV)
        return false;
    return info.tcpi_state != TCP_STATE_ESTABLISHED ||
           (HAS(tcpi_segs_in) && info.tcpi_segs_in == 1) ||
           (HAS(tcpi_bytes_sent) && info.tcpi_bytes_received > info.tcpi_bytes_sent) ||
           (HAS(tcpi_bytes_received) && info.tcpi_bytes_acked > info.tcpi_bytes_received + 1);
#undef HAS
}

/* A simultaneous open falls back to TCP (subflow_simultaneous_connect), and then there is no such
 * option. A server can announce another address before the call returns, by a segment that is hard
 * to tell from a SYN-ACK. */
static bool peer_speaks_mptcp(int fd)
{
    enum { INFO = 1, FALLBACK = 1 }; /* MPTCP_INFO and a flag of it, in <linux/mptcp.h> since 5.9 */
    struct {
        uint8_t counts[8];
        uint32_t flags;
    } info; /* the kernel gives no more of it than this */
    socklen_t length = sizeof info;

    return syscall(SYS_getsockopt, fd, SOL_MPTCP, INFO, &info, &length) == 0 &&
           (info.flags & FALLBACK) == 0;
}

/* A handshake may still be going on: another thread of the kernel, or another processor, takes the
 * segments in. So it gets a moment, but no more: a non-blocking connect() must not wait. */
static void let_it_settle(int fd)
{
    struct pollfd established = {.fd = fd, .events = POLLOUT};
    const long millisecond[] = {0, 1000000}; /* the kernel's struct timespec */

    syscall(SYS_ppoll, &established, 1, millisecond, NULL, 0);
}

/* Twice, since the kernel reads the state before it locks the socket to read the counters
 * (tcp_get_info): a FIN or RST in between is counted, and the state is another the next time. */
static bool peer_is_somebody_else(int fd)
{
    if (hears_somebody_else(fd))
        return true;
    let_it_settle(fd);
    return hears_somebody_else(fd) || peer_speaks_mptcp(fd);
}

/* The ladder from its second rung on. *local is set where the answer is true. */
static bool is_self_connection(int fd, const struct endpoint *destination, struct endpoint *local)
{
    return local_endpoint(fd, local) && local->port == destination->port && /* 2 */
           is_tcp(fd) &&                                                    /* 3 */
           leads_back(local, *destination) &&                               /* 4 */
           !peer_is_somebody_else(fd);                                      /* 5 */
}

/* What the kernel itself does inside a refused connect() (__inet_stream_connect calls disconnect).
 */
static bool disconnect(int fd)
{
    const struct sockaddr unspecified = {.sa_family = AF_UNSPEC};

    return syscall(SYS_connect, fd, &unspecified, sizeof unspecified) == 0;
}

/* Takes in no segment any more, so that a pending connection never comes about (tcp_v4_rcv,
 * tcp_filter). */
static void deafen(int fd)
{
    const struct sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
    const struct sock_fprog program = {.len = 1, .filter = (struct sock_filter *)&drop_all};

    syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/* Aborts the connection and keeps the descriptor. Reading SO_ERROR takes away the ECONNRESET that
 * this leaves pending.
 *
 * close() would make the program's own close() hit a descriptor that may be somebody else's by
 * then, and like shutdown() it leaves the port in TIME_WAIT, where no server can bind it.
 *
 * Some kernels decline to disconnect (EBUSY) while another thread waits in the same socket: 5.10
 * from 5.10.183 on, 6.1.33 to 6.1.59, and up to 6.5.8. SHUT_RD wakes one that waits for data. One
 * that waits for the pending connection nothing wakes: then the socket is left to itself, but a
 * live self-connection does not come of it. */
static void sever(int fd)
{
    enum { TRIES = 100 }; /* the other thread has to run meanwhile */
    bool severed = disconnect(fd);

    for (int i = 0; i < TRIES && !severed; i++) {
        syscall(SYS_shutdown, fd, SHUT_RD);
        syscall(SYS_sched_yield);
        severed = disconnect(fd);
    }
    if (severed) {
        socket_option(fd, SO_ERROR);
    } else {
        deafen(fd);
        syscall(SYS_shutdown, fd, SHUT_RDWR);
    }
}

ssize_t guard(ssize_t result, const char *call, int fd, const struct sockaddr *destination,
              socklen_t length)
{
    struct endpoint remote, local;

    if (!connection_began(result) || destination == NULL ||
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

ssize_t guard_message(ssize_t result, const char *call, int fd, const struct msghdr *message)
{
    return connection_began(result)
               ? guard(result, call, fd, message->msg_name, message->msg_namelen)
               : result;
}
