/* SPDX-License-Identifier: MIT */
/* What connect() and sendmsg() do once the next definition has returned, without a log. The kernel
 * answers anything to any call, fills in any bytes and fails with any errno, but for this: a
 * getsockopt() succeeds with 0, tells no option longer than the buffer, and no negative protocol or
 * type; and EINPROGRESS is an answer of connect() alone. */
#include <guard.c>
#define constructor unused /* the settings are any */
#include <interpose.c>
#include <stdlib.h>
#include <string.h>

static struct {
    int result, error, fd;
    bool began, has_destination;
    struct endpoint destination;
} call;
static bool is_itself, is_somebody_else;    /* as far as the kernel has told */
static int protocol = -2, type = -2, looks; /* -2: not asked; -1: not told */
static enum { LIVE, LEFT_PENDING, SHUT_DOWN, DISCONNECTED, REFUSED, TO_BE_REFUSED } state;

/* The slow reference. No byte that was not filled in counts here: so such a byte decides nothing,
 * where the code always agrees. */
static bool read_slowly(struct endpoint *endpoint, const unsigned char *bytes, socklen_t length)
{
    const int family = length < 2 ? 0 : bytes[0] | bytes[1] << 8;
    const bool v6 = family == AF_INET6;

    if ((!v6 && family != AF_INET) || length < (v6 ? 24 : 16))
        return false;
    for (int i = 0; i < 16; i++)
        endpoint->address.s6_addr[i] = v6 ? bytes[8 + i] : i < 10 ? 0 : i < 12 ? 255 : bytes[i - 8];
    endpoint->port = (in_port_t)(bytes[2] | bytes[3] << 8);
    return true;
}

static bool leads_to_itself(const unsigned char *name, socklen_t length)
{
    static const unsigned char zero[16], v4_zero[16] = {[10] = 255, 255}, one[16] = {[15] = 1},
                                         v4_one[16] = {[10] = 255, 255, 127, 0, 0, 1};
    const unsigned char *to = call.destination.address.s6_addr;
    struct endpoint own;

    if (!call.has_destination || !read_slowly(&own, name, length) ||
        own.port != call.destination.port)
        return false;
    if (memcmp(to, zero, 16) == 0)
        to = memcmp(&own, v4_zero, 12) == 0 ? v4_one : one;
    return memcmp(to, v4_zero, 16) == 0 || memcmp(to, &own, 16) == 0;
}

/* By the lengths of struct tcp_info since Linux 2.6.10, 4.1, 4.2 and 4.19. */
static bool tells_somebody_else(int level, const struct tcp_info *info, socklen_t length)
{
    if (level == SOL_MPTCP)
        return length == 12 && (((unsigned char *)info)[8] & 1) == 0;
    return length >= 104 && info->tcpi_state != 2 && info->tcpi_state != 3 &&
           (info->tcpi_state != 1 || (length >= 144 && info->tcpi_segs_in == 1) ||
            (length >= 136 && info->tcpi_bytes_acked > info->tcpi_bytes_received + 1) ||
            (length >= 208 && info->tcpi_bytes_received > info->tcpi_bytes_sent));
}

static bool is_to_be_severed(void)
{
    return settings.mode == MODE_ENFORCE && is_itself && !is_somebody_else &&
           (protocol == 6 || protocol == 262 || (protocol == -1 && call.result < 0)) &&
           (type == 1 || (type == (protocol < 0 ? -2 : -1) && call.result < 0));
}

long system_call(long number, void *a, void *b, void *c, void *d, void *e, void *f)
{
    const int fd = number == SYS_ppoll ? ((struct pollfd *)a)->fd : NUMBER(a);
    const long result = nondet_long();
    const socklen_t filled = (socklen_t)nondet_long();

    ASSUME(result != -EINPROGRESS || number == SYS_connect);
    PROVE(call.began, "no system call where nothing has begun, nor in mode off");
    PROVE(fd == call.fd || number == SYS_sched_yield, "no descriptor is touched but the caller's");
    if (number == SYS_getsockname) {
        __CPROVER_havoc_slice(b, *(socklen_t *)c);
        *(socklen_t *)c = filled;
        is_itself = result == 0 && leads_to_itself(b, filled);
    } else if (number == SYS_getsockopt) {
        ASSUME(result <= 0 && filled <= *(socklen_t *)e);
        __CPROVER_havoc_slice(d, *(socklen_t *)e);
        *(socklen_t *)e = filled;
        looks += NUMBER(b) == SOL_MPTCP ? 4 : NUMBER(c) == TCP_INFO;
        if (NUMBER(b) != SOL_SOCKET) {
            is_somebody_else |= result == 0 && tells_somebody_else(NUMBER(b), d, filled);
        } else if (NUMBER(c) == SO_PROTOCOL || NUMBER(c) == SO_TYPE) {
            ASSUME(*(int *)d >= 0);
            *(NUMBER(c) == SO_TYPE ? &type : &protocol) = result == 0 ? *(int *)d : -1;
        }
    } else if (number == SYS_ppoll) {
        ((struct pollfd *)a)->revents = (short)nondet_long();
        if (state == LEFT_PENDING && result > 0 && (((struct pollfd *)a)->revents & POLLERR) != 0)
            state = TO_BE_REFUSED;
    } else if (number != SYS_sched_yield && (number != SYS_fcntl || NUMBER(b) != F_GETFL)) {
        PROVE(is_to_be_severed() && looks == 6 && number != SYS_close, /* two looks, and MPTCP */
              "only a self-connection is severed, and in mode enforce alone");
        if (number == SYS_connect && ((struct sockaddr *)b)->sa_family != AF_UNSPEC) {
            PROVE(state == DISCONNECTED && ((struct sockaddr_in6 *)b)->sin6_port == 0,
                  "the second connect() is to port 0, and only after a disconnect that succeeded");
            state = result == -ECONNREFUSED ? REFUSED : LEFT_PENDING;
        } else if (number == SYS_connect ? result == 0
                                         : number == SYS_shutdown && NUMBER(b) == SHUT_RDWR) {
            state = number == SYS_connect ? DISCONNECTED : SHUT_DOWN;
        }
    }
    return result;
}

void any_call(void)
{
    const socklen_t length = (socklen_t)nondet_long();
    void *destination = (void *)nondet_long(); /* may not be read, unless the call began */
    struct msghdr header, *message = (struct msghdr *)nondet_long();
    struct endpoint read;

    __CPROVER_havoc_object(&call);
    ASSUME(call.result >= -1);
    settings.mode = (enum mode)((unsigned long)nondet_long() % 3);
    call.began = settings.mode != MODE_OFF &&
                 (call.result >= 0 || call.error == EINPROGRESS || call.error == EINTR);
    if (call.began) {
        destination = malloc(length); /* NULL, or not one byte more */
        call.has_destination = destination && read_slowly(&call.destination, destination, length);
        const bool is_read = destination && endpoint_read(&read, destination, length);
        PROVE(is_read == call.has_destination &&
                  (!is_read || (read.port == call.destination.port &&
                                memcmp(&read, &call.destination, 16) == 0)),
              "an endpoint is read as the slow reference reads it");
        header = (struct msghdr){.msg_name = destination, .msg_namelen = length};
        message = &header;
    }
    errno = call.error;
    const ssize_t result = nondet_long()
                               ? judge_message("sendmsg", call.result, call.fd, message)
                               : judge("connect", call.result, call.fd, destination, length);
    const bool is_kept = result == call.result && errno == call.error;
    const bool was_pending = call.result > 0 || call.error == EINPROGRESS;
    if (call.began && is_to_be_severed()) {
        PROVE(state >= LEFT_PENDING,
              "every self-connection is severed in mode enforce, whatever bytes are not filled in");
        PROVE(state != LEFT_PENDING,
              "the second connect() is left pending only where its refusal has come");
        PROVE(was_pending && state == TO_BE_REFUSED ? is_kept
                                                    : result == -1 && errno == ECONNREFUSED,
              "a severed call fails with ECONNREFUSED, or stays pending until its refusal");
    } else {
        PROVE(is_kept, "every other call keeps its result and its errno");
    }
}
