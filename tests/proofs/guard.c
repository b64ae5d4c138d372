/* SPDX-License-Identifier: MIT */
/* What connect() and the sends with Fast Open do once the next definition has returned. The kernel
 * answers anything to any call, fills in any bytes and fails with any errno, but for this: it tells
 * no option longer than the buffer, nor the name of an IP socket; getsockopt() succeeds with 0 and
 * tells no negative protocol or type; and EINPROGRESS is an answer of connect() alone. */
#include "kernel.h"

#include <guard.c>
#define constructor unused /* the settings are any */
#include <interpose.c>

#include <stdlib.h>
#include <string.h>

#define WAIT "no call waits for longer than a millisecond"
#define ELSE "nothing is done to the socket but severing it"
#define LOG "the log tells each call that connected to itself, and what was decided"

/* What the program's call did, what the kernel has told since, and what was done to the socket. */
static struct {
    bool began, has_destination;
    int result, error, fd;
    struct endpoint destination;
} call;
static struct {
    bool itself, protocol, type, is_other_protocol, somebody_else, poll_error, nonblocking;
    struct sockaddr_in6 name;
    socklen_t length, timeout_length;
    struct timeval timeout;
} told;
static struct {
    bool anything, disconnected, deaf, shut, connected_again, timeout, reported;
    long answer;
} done;

/* The slow reference, which looks at no byte that was not filled in. */
static const unsigned char zero[16], one[16] = {[15] = 1}, v4_zero[16] = {[10] = 0xff, [11] = 0xff},
                                     v4_one[16] = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1};

static bool read_slowly(struct endpoint *endpoint, const unsigned char *bytes, socklen_t length)
{
    const int family = length < 2 ? 0 : bytes[0] | bytes[1] << 8;
    const bool v6 = family == AF_INET6;

    if ((!v6 && family != AF_INET) || length < (v6 ? 24 : 16))
        return false;
    for (int i = 0; i < 16; i++)
        endpoint->address.s6_addr[i] = v6 ? bytes[8 + i] : i < 12 ? v4_zero[i] : bytes[i - 8];
    endpoint->port = (in_port_t)(bytes[2] | bytes[3] << 8);
    return true;
}

static bool leads_to_itself(void)
{
    struct endpoint own;
    const unsigned char *to = call.destination.address.s6_addr;

    if (!call.has_destination || !read_slowly(&own, (unsigned char *)&told.name, told.length) ||
        own.port != call.destination.port)
        return false;
    if (memcmp(to, zero, 16) == 0)
        to = memcmp(&own, v4_zero, 12) == 0 ? v4_one : one;
    return memcmp(to, v4_zero, 16) == 0 || memcmp(to, &own, 16) == 0;
}

/* By the lengths of struct tcp_info since Linux 2.6.10, 4.1, 4.2 and 4.19. */
static bool is_somebody_else(const struct tcp_info *info, socklen_t length)
{
    return length >= 104 && info->tcpi_state != 2 && info->tcpi_state != 3 &&
           (info->tcpi_state != 1 || (length >= 144 && info->tcpi_segs_in == 1) ||
            (length >= 136 && info->tcpi_bytes_acked > info->tcpi_bytes_received + 1) ||
            (length >= 208 && info->tcpi_bytes_received > info->tcpi_bytes_sent));
}

static enum action expected(void)
{
    if (!told.itself || told.is_other_protocol)
        return ACTION_NONE;
    if (!(told.protocol && told.type) && call.result >= 0)
        return ACTION_UNDECIDED;
    if (told.somebody_else)
        return ACTION_NONE;
    return settings.mode == MODE_OBSERVE ? ACTION_ALLOWED : ACTION_REFUSED;
}

static void tell_option(int level, int option, void *value, socklen_t *length, bool good)
{
    const socklen_t filled = (socklen_t)nondet_long();

    ASSUME(filled <= *length);
    __CPROVER_havoc_slice(value, *length);
    *length = filled;
    if (level == IPPROTO_TCP && option == TCP_INFO) {
        told.somebody_else |= good && is_somebody_else(value, filled);
    } else if (level == SOL_MPTCP) {
        told.somebody_else |= good && filled == 12 && (((unsigned char *)value)[8] & 1) == 0;
    } else if (option == SO_PROTOCOL || option == SO_TYPE) {
        const int number = *(int *)value;
        ASSUME(number >= 0);
        *(option == SO_TYPE ? &told.type : &told.protocol) = good;
        told.is_other_protocol |=
            good && (option == SO_TYPE ? number != 1 : number != 6 && number != 262);
    } else if (option == SO_SNDTIMEO) {
        told.timeout = *(struct timeval *)value;
        told.timeout_length = filled;
    } else {
        PROVE(option == SO_ERROR && done.disconnected, ELSE);
    }
}

long system_call(long number, void *a, void *b, void *c, void *d, void *e, void *f)
{
    const int fd = number == SYS_ppoll ? ((struct pollfd *)a)->fd : NUMBER(a), option = NUMBER(c);
    const long result = nondet_long(), *time = number == SYS_ppoll ? c : d;

    PROVE(call.began, "no system call where nothing has begun, nor in mode off");
    if (number == SYS_getpid || number == SYS_gettid || number == SYS_sched_yield)
        return result;
    PROVE(fd == call.fd, "no descriptor is touched but the caller's");
    if (number == SYS_connect || number == SYS_shutdown || number == SYS_setsockopt) {
        PROVE(expected() == ACTION_REFUSED, "only a self-connection is severed, in mode enforce");
        done.anything = true;
    }
    if (number == SYS_getsockname) {
        __CPROVER_havoc_slice(b, *(socklen_t *)c);
        told.name = *(struct sockaddr_in6 *)b;
        told.length = *(socklen_t *)c = (socklen_t)nondet_long();
        ASSUME(told.length <= sizeof told.name ||
               (told.name.sin6_family != AF_INET && told.name.sin6_family != AF_INET6));
        told.itself = result == 0 && leads_to_itself();
    } else if (number == SYS_getsockopt) {
        ASSUME(result <= 0 && result != -EINPROGRESS);
        tell_option(NUMBER(b), option, d, e, result == 0);
    } else if (number == SYS_setsockopt && option == SO_SNDTIMEO) {
        ASSUME(result != -EINPROGRESS);
        PROVE(done.connected_again || (time[0] == 0 && time[1] <= 1000), WAIT);
        PROVE(!done.connected_again || (NUMBER(e) == (int)told.timeout_length &&
                                        memcmp(d, &told.timeout, told.timeout_length) == 0),
              "SO_SNDTIMEO is restored");
        done.timeout = !done.connected_again && result == 0;
    } else if (number == SYS_ppoll) {
        PROVE(time[0] == 0 && time[1] <= 1000000, WAIT);
        ((struct pollfd *)a)->revents = (short)nondet_long();
        told.poll_error = result > 0 && (((struct pollfd *)a)->revents & POLLERR) != 0;
    } else if (number == SYS_connect && ((struct sockaddr *)b)->sa_family == AF_UNSPEC) {
        done.disconnected |= result == 0;
    } else if (number == SYS_connect) {
        PROVE(option == (int)told.length && ((struct sockaddr_in6 *)b)->sin6_port == 0 &&
                  memcmp((char *)b + 4, (char *)&told.name + 4, told.length - 4) == 0,
              "the second connect() is to port 0 of the address that getsockname() told");
        PROVE(done.disconnected, "the second connect() comes only after a disconnect");
        PROVE(done.timeout || told.nonblocking, WAIT);
        done.disconnected = done.deaf = done.shut = told.poll_error = false;
        done.connected_again = true;
        done.answer = result;
    } else if (number == SYS_fcntl) {
        PROVE(NUMBER(b) == F_GETFL, ELSE);
        told.nonblocking = result >= 0 && (result & O_NONBLOCK) != 0;
    } else {
        PROVE(number == SYS_shutdown || option == SO_ATTACH_FILTER, ELSE);
        done.shut |= number == SYS_shutdown && NUMBER(b) == SHUT_RDWR;
        done.deaf |= number == SYS_setsockopt;
    }
    return result;
}

void report(const struct event *event, int standard_error, const struct file_identity *at_load)
{
    PROVE(settings.log != LOG_NOWHERE && event->verdict->action == expected() &&
              event->fd == call.fd && event->verdict->endpoint.port == told.name.sin6_port &&
              (expected() == ACTION_REFUSED || !done.anything),
          LOG);
    done.reported = true;
}

static void check(bool is_message)
{
    const socklen_t length = (socklen_t)nondet_long();
    struct endpoint read;
    struct msghdr header, *message = (struct msghdr *)nondet_long(); /* what may not be read */
    void *destination = (void *)nondet_long();

    __CPROVER_havoc_object(&call);
    ASSUME(call.result >= -1);
    settings.mode = (enum mode)((unsigned long)nondet_long() % 3);
    settings.log = (enum log)((unsigned long)nondet_long() % 3);
    call.began = settings.mode != MODE_OFF &&
                 (call.result >= 0 || call.error == EINPROGRESS || call.error == EINTR);
    if (call.began) {
        destination = nondet_long() ? NULL : malloc(length); /* and not one byte more */
        call.has_destination =
            destination != NULL && read_slowly(&call.destination, destination, length);
        PROVE(destination == NULL ||
                  (endpoint_read(&read, destination, length) == call.has_destination &&
                   (!call.has_destination || (read.port == call.destination.port &&
                                              endpoint_same_address(&read, &call.destination)))),
              "an endpoint is read as the slow reference reads it, and no byte beyond its length");
        header = (struct msghdr){.msg_name = destination, .msg_namelen = length};
        message = &header;
    }
    errno = call.error;
    const ssize_t result = is_message ? judge_message("sendmsg", call.result, call.fd, message)
                                      : judge("connect", call.result, call.fd, destination, length);
    const bool is_kept = result == call.result && errno == call.error;
    const bool is_pending = done.connected_again && done.answer == -EINPROGRESS &&
                            told.poll_error && (call.result > 0 || call.error == EINPROGRESS);
    const bool is_cut = done.disconnected || (done.deaf && done.shut);
    const enum action action = call.began ? expected() : ACTION_NONE;
    PROVE(action == ACTION_REFUSED || is_kept, "every other call keeps its result and its errno");
    PROVE(action != ACTION_REFUSED || done.connected_again || is_cut,
          "a self-connection is severed in mode enforce, whatever bytes are not filled in");
    PROVE(action != ACTION_REFUSED || (result == -1 && errno == ECONNREFUSED) ||
              (is_pending && is_kept),
          "a severed call fails with ECONNREFUSED, or stays pending until its refusal");
    PROVE(!done.connected_again || done.answer == -ECONNREFUSED || is_cut || is_pending,
          "the second connect() is left pending only where its refusal has come");
    PROVE(!done.timeout, "SO_SNDTIMEO is restored");
    PROVE(settings.log == LOG_NOWHERE || action == ACTION_NONE || done.reported, LOG);
}

void any_connect(void)
{
    check(false);
}

void any_message(void)
{
    check(true);
}
