/* SPDX-License-Identifier: MIT */
/* Was that a self-connection? Then sever it, and have the kernel refuse it.
 *
 * The decision is a ladder. Nearly every call leaves it on the first or the second rung; the second
 * costs one system call.
 *
 * The kernel is asked by system calls of our own: another preload may answer libc's getsockname()
 * differently. */
#include "guard.h"

#include "libc.h"
#include "settings.h"
#include "system_call.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <sys/time.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262 /* Linux 5.6 */
#endif
#ifndef SOL_MPTCP
#define SOL_MPTCP 284 /* Linux 5.16 */
#endif

/* net/tcp_states.h; <netinet/tcp.h> names them too, but cannot be included beside <linux/tcp.h>,
 * the only one of the two with the counters of rung 5. */
enum { TCP_STATE_ESTABLISHED = 1, TCP_STATE_SYN_SENT, TCP_STATE_SYN_RECV };

/* The longer one of the two addresses that matter; the port is at the same place in both. */
struct name {
    struct sockaddr_in6 address;
    socklen_t length;
};

/* Rung 1. EINPROGRESS comes also from a blocking socket whose SO_SNDTIMEO ran out; after EINTR the
 * connection is completed in the background (POSIX, connect). In these cases, and no other, the
 * kernel has read the program's arguments, and so may we. */
bool connection_began(ssize_t result, int error)
{
    return settings.mode != MODE_OFF && (result >= 0 || error == EINPROGRESS || error == EINTR);
}

/* Rung 2 compares the port that the kernel gave the socket. Unlike the peer's endpoint the local
 * one is known while the connection is still pending. */
static bool local_endpoint(int fd, struct name *name, struct endpoint *local)
{
    name->length = sizeof name->address;
    return SYSTEM_CALL(SYS_getsockname, fd, &name->address, &name->length) == 0 &&
           endpoint_read(local, (struct sockaddr *)&name->address, name->length);
}

/* Of the level SOL_SOCKET; negative if the kernel does not tell. */
static long socket_option(int fd, int option)
{
    int value = 0;
    socklen_t length = sizeof value;
    long result = SYSTEM_CALL(SYS_getsockopt, fd, SOL_SOCKET, option, &value, &length);

    return result == 0 ? value : result;
}

/* Rung 4: a UDP or SCTP socket connected to itself is legitimate, and common for UDP. A raw socket
 * shows its protocol where others have their port (raw(7)).
 *
 * A sandbox may deny the questions. A connection that was pending is none of UDP or a raw socket;
 * of one that was made at once nothing is known then. */
enum answer { NO, YES, UNKNOWN };

static enum answer is_tcp(int fd, bool was_pending)
{
    const enum answer untold = was_pending ? YES : UNKNOWN;
    long protocol = socket_option(fd, SO_PROTOCOL), type;

    if (protocol < 0)
        return untold;
    if (protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP)
        return NO;
    type = socket_option(fd, SO_TYPE);
    return type < 0 ? untold : type == SOCK_STREAM ? YES : NO;
}

/* Rung 5: behind NAT (a published container port, a redirect) the peer can be a real server
 * although its endpoint equals ours. But a socket connected to itself is opening or open, and
 * receives exactly the segments that it sends:
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
bool hears_somebody_else(int fd)
{
#define HAS(field) (length >= offsetof(struct tcp_info, field) + sizeof info.field)
    struct tcp_info info = {0};
    socklen_t length = sizeof info;

    if (SYSTEM_CALL(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
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
    } info = {.flags = 0}; /* the kernel gives no more of it than this */
    socklen_t length = sizeof info;

    return SYSTEM_CALL(SYS_getsockopt, fd, SOL_MPTCP, INFO, &info, &length) == 0 &&
           length == sizeof info && (info.flags & FALLBACK) == 0;
}

/* Waits until the socket can be written to, or a millisecond; returns the events of poll(2). */
static int poll_briefly(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    const long millisecond[] = {0, 1000000}; /* the kernel's struct timespec */

    return SYSTEM_CALL(SYS_ppoll, &poll_fd, 1, millisecond, NULL, 0) > 0 ? poll_fd.revents : 0;
}

/* A handshake may still be going on: another thread of the kernel, or another processor, takes the
 * segments in. So it gets a moment, but no more: a non-blocking connect() must not wait.
 *
 * Asked twice, since the kernel reads the state before it locks the socket to read the counters
 * (tcp_get_info): a FIN or RST in between is counted, and the state is another the next time. */
static bool peer_is_somebody_else(int fd)
{
    if (hears_somebody_else(fd))
        return true;
    poll_briefly(fd);
    return hears_somebody_else(fd) || peer_speaks_mptcp(fd);
}

/* As the kernel does inside a refused connect() (__inet_stream_connect calls disconnect). */
static bool disconnect(int fd)
{
    const struct sockaddr unspecified = {.sa_family = AF_UNSPEC};

    return SYSTEM_CALL(SYS_connect, fd, &unspecified, sizeof unspecified) == 0;
}

/* Takes in no segment any more, so that a pending connection never comes about (tcp_v4_rcv,
 * tcp_filter). */
static void deafen(int fd)
{
    const struct sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
    const struct sock_fprog program = {.len = 1, .filter = (struct sock_filter *)&drop_all};

    SYSTEM_CALL(SYS_setsockopt, fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
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
static bool sever(int fd)
{
    enum { TRIES = 100 }; /* the other thread has to run meanwhile */
    bool severed = disconnect(fd);

    for (int i = 0; i < TRIES && !severed; i++) {
        SYSTEM_CALL(SYS_shutdown, fd, SHUT_RD);
        SYSTEM_CALL(SYS_sched_yield, 0);
        severed = disconnect(fd);
    }
    if (severed) {
        socket_option(fd, SO_ERROR);
    } else {
        deafen(fd);
        SYSTEM_CALL(SYS_shutdown, fd, SHUT_RDWR);
    }
    return severed;
}

/* The answer of a connect() that waits for a millisecond at most, on a blocking socket, too. A
 * timeout that reads zero is none, unless the call came back at once: then the program has set one
 * below zero, which could not be restored. */
static long connect_briefly(int fd, const struct name *name, bool was_pending)
{
    const struct timeval millisecond = {.tv_usec = 1000};
    struct timeval timeout = {0};
    socklen_t length = sizeof timeout;
    long flags = SYSTEM_CALL(SYS_fcntl, fd, F_GETFL), result;

    if (flags >= 0 && (flags & O_NONBLOCK) != 0)
        return SYSTEM_CALL(SYS_connect, fd, &name->address, name->length);
    if ((result = SYSTEM_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, &length)) != 0)
        return result;
    if (was_pending && timeout.tv_sec == 0 && timeout.tv_usec == 0)
        return -EAGAIN;
    if ((result = SYSTEM_CALL(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &millisecond,
                              sizeof millisecond)) != 0)
        return result;
    result = SYSTEM_CALL(SYS_connect, fd, &name->address, name->length);
    SYSTEM_CALL(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, length);
    return result;
}

/* Severs the connection of a socket whose address is `name`, and has the kernel refuse it another
 * one: to port 0, where nobody can listen. Then the result and the state are those of a refusal. A
 * call that left its connection pending keeps its result, and the refusal is an event to come:
 * Linux refuses no non-blocking connect() at once.
 *
 * If that refusal does not come within a millisecond (a firewall drops port 0), or not at all
 * (no source port is free), the call fails at once. */
static void refuse(int fd, struct name *name, struct verdict *verdict)
{
    const bool was_pending = verdict->result > 0 || verdict->error == EINPROGRESS;
    long answer;

    verdict->action = ACTION_REFUSED;
    if (sever(fd)) {
        name->address.sin6_port = 0;
        answer = connect_briefly(fd, name, was_pending);
        if (answer == -EINPROGRESS && was_pending && (poll_briefly(fd) & POLLERR) != 0)
            return;
        if (answer != -ECONNREFUSED)
            sever(fd);
    }
    verdict->result = -1;
    verdict->error = ECONNREFUSED;
}

struct verdict guard(ssize_t result, int error, int fd, const struct sockaddr *destination,
                     socklen_t length)
{
    struct verdict verdict = {.result = result, .error = error, .action = ACTION_NONE};
    struct endpoint remote, *local = &verdict.endpoint;
    struct name name;
    enum answer tcp;

    if (!connection_began(result, error) || destination == NULL ||         /* 1 */
        !endpoint_read(&remote, destination, length) ||                    /* 1 */
        !local_endpoint(fd, &name, local) || local->port != remote.port || /* 2 */
        !endpoint_is_reached(local, &remote.address) ||                    /* 3 */
        (tcp = is_tcp(fd, result < 0)) == NO ||                            /* 4 */
        (tcp == YES && peer_is_somebody_else(fd)))                         /* 5 */
        return verdict;

    if (tcp == UNKNOWN)
        verdict.action = ACTION_UNDECIDED;
    else if (settings.mode == MODE_OBSERVE)
        verdict.action = ACTION_ALLOWED;
    else
        refuse(fd, &name, &verdict);
    return verdict;
}
