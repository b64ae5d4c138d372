/* SPDX-License-Identifier: MIT */
/* connect() and the sends with Fast Open, from the interposed function down, under a kernel that
 * answers anything to any call, fills in any bytes and fails with any errno, but for this: it tells
 * no option longer than the buffer, nor the name of an IP socket; getsockopt() succeeds with 0 and
 * tells no negative protocol or type; and EINPROGRESS is an answer of connect() alone. */
#include "kernel.h"

#include <guard.c>
#define constructor unused /* the settings are any */
#include <interpose.c>

#include <stdlib.h>

bool nondet_bool(void);
int nondet_int(void);
unsigned int nondet_unsigned(void);
long nondet_long(void);
struct endpoint nondet_endpoint(void);

static int error;

int *__errno_location(void)
{
    return &error;
}

static struct {
    bool began, pending; /* what the program's own call did, which returned `result` with `error` */
    long result;
    int error, fd;
    struct endpoint destination;
    bool has_destination;
} call;

/* What the kernel has told, and what has been done to the socket. */
static struct {
    bool name, itself, protocol, type, is_other_protocol, somebody_else, poll_error, timeout,
        nonblocking;
    struct sockaddr_in6 address;
    socklen_t length, timeout_length;
    struct timeval timeout_value;
} told;
static struct {
    bool anything, disconnected, deaf, shut, connected_again, timeout, reported;
    long answer;
} done;

/* The slow reference. */
static bool is_same(const unsigned char *a, const unsigned char *b, int count)
{
    for (int i = 0; i < count; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

static bool leads_to_itself(void)
{
    static const unsigned char zero[16], v4_zero[16] = {[10] = 0xff, [11] = 0xff},
                                         one[16] = {[15] = 1},
                                         v4_one[16] = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1};
    const unsigned char *name = (const unsigned char *)&told.address;
    const unsigned char *to = call.destination.address.s6_addr;
    unsigned char local[16] = {[10] = 0xff, [11] = 0xff};
    bool v6 = told.address.sin6_family == AF_INET6;

    if (!call.has_destination || !told.name || (!v6 && told.address.sin6_family != AF_INET) ||
        told.length < (v6 ? 24 : 16) || told.address.sin6_port != call.destination.port)
        return false;
    for (int i = 0; i < (v6 ? 16 : 4); i++)
        local[v6 ? i : 12 + i] = name[(v6 ? 8 : 4) + i];
    if (is_same(to, zero, 16))
        to = is_same(local, v4_zero, 12) ? v4_one : one;
    else if (is_same(to, v4_zero, 16))
        to = local;
    return is_same(to, local, 16);
}

static enum action expected_action(void)
{
    if (!told.itself || told.is_other_protocol)
        return ACTION_NONE;
    if (!(told.protocol && told.type) && !call.pending)
        return ACTION_UNDECIDED;
    return told.somebody_else              ? ACTION_NONE
           : settings.mode == MODE_OBSERVE ? ACTION_ALLOWED
                                           : ACTION_REFUSED;
}

/* By the lengths of struct tcp_info since Linux 2.6.10, 4.1, 4.2 and 4.19. */
static bool is_somebody_else(const struct tcp_info *info, socklen_t length)
{
    if (length < 104 || info->tcpi_state == 2 || info->tcpi_state == 3)
        return false;
    return info->tcpi_state != 1 || (length >= 144 && info->tcpi_segs_in == 1) ||
           (length >= 136 && info->tcpi_bytes_acked > info->tcpi_bytes_received + 1) ||
           (length >= 208 && info->tcpi_bytes_received > info->tcpi_bytes_sent);
}

static void tell_option(int level, int option, void *value, socklen_t *length, bool good)
{
    PROVE(__CPROVER_w_ok(value, *length), "the kernel writes into no more than there is");
    __CPROVER_havoc_slice(value, *length);
    socklen_t room = *length;
    *length = nondet_unsigned();
    __CPROVER_assume(*length <= room);
    if (level == IPPROTO_TCP && option == TCP_INFO) {
        told.somebody_else |= good && is_somebody_else(value, *length);
    } else if (level == SOL_MPTCP) {
        told.somebody_else |= good && *length == 12 && (((unsigned char *)value)[8] & 1) == 0;
    } else if (option == SO_PROTOCOL) {
        __CPROVER_assume(*(int *)value >= 0);
        told.protocol = good;
        told.is_other_protocol |= good && *(int *)value != 6 && *(int *)value != 262;
    } else if (option == SO_TYPE) {
        __CPROVER_assume(*(int *)value >= 0);
        told.type = good;
        told.is_other_protocol |= good && *(int *)value != 1;
    } else if (option == SO_SNDTIMEO) {
        told.timeout = good;
        told.timeout_value = *(struct timeval *)value;
        told.timeout_length = *length;
    } else {
        PROVE(option == SO_ERROR && done.disconnected,
              "nothing but severing is done to the socket");
    }
}

static void change_option(int option, const void *value, socklen_t length, bool good)
{
    if (option == SO_SNDTIMEO && !done.connected_again) {
        PROVE(told.timeout, "SO_SNDTIMEO is restored");
        PROVE(((struct timeval *)value)->tv_sec == 0 && ((struct timeval *)value)->tv_usec <= 1000,
              "no call waits for longer than a millisecond");
        done.timeout = good;
    } else if (option == SO_SNDTIMEO) {
        PROVE(length == told.timeout_length &&
                  is_same(value, (unsigned char *)&told.timeout_value, (int)length),
              "SO_SNDTIMEO is restored");
        done.timeout = false;
    } else {
        PROVE(option == SO_ATTACH_FILTER, "nothing but severing is done to the socket");
        done.deaf = true;
    }
}

static void connect_socket(const struct sockaddr *address, socklen_t length, long result)
{
    if (address->sa_family == AF_UNSPEC) {
        done.disconnected |= result == 0;
        return;
    }
    struct sockaddr_in6 expected = told.address;
    expected.sin6_port = 0;
    PROVE(done.disconnected, "the second connect() comes only after a disconnect that succeeded");
    PROVE(length == told.length &&
              is_same((const unsigned char *)address, (unsigned char *)&expected, (int)length),
          "the second connect() is to port 0 of the address that getsockname() told");
    PROVE(done.timeout || told.nonblocking, "no call waits for longer than a millisecond");
    done.disconnected = done.deaf = done.shut = told.poll_error = false;
    done.connected_again = true;
    done.answer = result;
}

long system_call(long number, void *a, void *b, void *c, void *d, void *e, void *f)
{
    long result = nondet_long();

    (void)f;
    PROVE(call.began, "no system call where nothing has begun, nor in mode off");
    if (number == SYS_getpid || number == SYS_gettid || number == SYS_sched_yield)
        return result;
    PROVE((number == SYS_ppoll ? ((struct pollfd *)a)->fd : NUMBER(a)) == call.fd &&
              (number != SYS_ppoll || NUMBER(b) == 1),
          "no descriptor is touched but the caller's");
    if (number == SYS_connect || number == SYS_shutdown || number == SYS_setsockopt) {
        PROVE(expected_action() == ACTION_REFUSED,
              "a socket is severed only where it is a self-connection, in mode enforce");
        done.anything = true;
    }
    if (number == SYS_getsockname) {
        __CPROVER_havoc_object(b);
        *(socklen_t *)c = nondet_unsigned();
        told.name = result == 0;
        told.address = *(struct sockaddr_in6 *)b;
        told.length = *(socklen_t *)c;
        __CPROVER_assume(
            told.length <= sizeof told.address ||
            (told.address.sin6_family != AF_INET && told.address.sin6_family != AF_INET6));
        told.itself = leads_to_itself();
    } else if (number == SYS_getsockopt) {
        __CPROVER_assume(result <= 0 && result != -EINPROGRESS);
        tell_option(NUMBER(b), NUMBER(c), d, e, result == 0);
    } else if (number == SYS_setsockopt) {
        __CPROVER_assume(result != -EINPROGRESS);
        change_option(NUMBER(c), d, (socklen_t)NUMBER(e), result == 0);
    } else if (number == SYS_ppoll) {
        const long *time = c;
        PROVE(time[0] == 0 && time[1] <= 1000000, "no call waits for longer than a millisecond");
        ((struct pollfd *)a)->revents = (short)nondet_int();
        told.poll_error = result > 0 && (((struct pollfd *)a)->revents & POLLERR) != 0;
    } else if (number == SYS_fcntl) {
        PROVE(NUMBER(b) == F_GETFL, "nothing but severing is done to the socket");
        told.nonblocking = result >= 0 && (result & O_NONBLOCK) != 0;
    } else if (number == SYS_shutdown) {
        done.shut |= NUMBER(b) == SHUT_RDWR;
    } else {
        PROVE(number == SYS_connect, "nothing but severing is done to the socket");
        connect_socket(b, (socklen_t)NUMBER(c), result);
    }
    return result;
}

void report(const struct event *event, int standard_error, const struct file_identity *at_load)
{
    (void)standard_error, (void)at_load;
    const enum action action = event->verdict->action;
    PROVE(settings.log != LOG_NOWHERE && action == expected_action() && event->fd == call.fd &&
              event->verdict->endpoint.port == told.address.sin6_port,
          "the log tells what was decided, for each call that is no other connection");
    if (action == ACTION_UNDECIDED)
        PROVE(!(told.protocol && told.type) && !call.pending && !done.anything,
              "undecided is only what was not told to be TCP and not pending, and nothing is done");
    done.reported = true;
}

static void check(bool is_message)
{
    const socklen_t length = nondet_unsigned();
    struct msghdr header, *message = (struct msghdr *)nondet_long(); /* what may not be read */
    void *destination = (void *)nondet_long();
    ssize_t result;

    settings.mode = (enum mode)(nondet_unsigned() % 3);
    settings.log = (enum log)(nondet_unsigned() % 3);
    call.fd = nondet_int();
    call.result = nondet_int();
    call.error = error = nondet_int();
    __CPROVER_assume(call.result >= -1);
    call.pending = call.result < 0;
    call.began = settings.mode != MODE_OFF &&
                 (call.result >= 0 || call.error == EINPROGRESS || call.error == EINTR);
    if (call.began) {
        destination = nondet_bool() ? NULL : malloc(length);
        call.has_destination =
            destination != NULL && endpoint_read(&call.destination, destination, length);
        message = &header;
        header.msg_name = destination;
        header.msg_namelen = length;
    }
    result = is_message ? judge_message("sendmsg", call.result, call.fd, message)
                        : judge("connect", call.result, call.fd, destination, length);

    const bool left_pending = done.connected_again && done.answer == -EINPROGRESS &&
                              told.poll_error && (call.result > 0 || call.error == EINPROGRESS);
    const bool cut = done.disconnected || (done.deaf && done.shut);
    if (call.began && expected_action() == ACTION_REFUSED) {
        PROVE(done.connected_again || cut, "a self-connection is severed in mode enforce");
        PROVE((result == -1 && error == ECONNREFUSED) ||
                  (left_pending && result == call.result && error == call.error),
              "a severed call fails with ECONNREFUSED, or stays pending until its refusal");
        PROVE(call.result != 0 || result != 0, "a self-connection is never returned as connected");
    } else {
        PROVE(result == call.result && error == call.error,
              "every other call keeps its result and its errno");
    }
    PROVE(!done.connected_again || done.answer == -ECONNREFUSED || cut || left_pending,
          "the second connect() is left pending only where poll() said POLLERR and the call was");
    PROVE(!done.timeout, "SO_SNDTIMEO is restored");
    PROVE(!call.began || settings.log == LOG_NOWHERE || expected_action() == ACTION_NONE ||
              done.reported,
          "the log tells what was decided, for each call that is no other connection");
}

void any_connect(void)
{
    check(false);
}

void any_message(void)
{
    check(true);
}

/* Rung 5, asked twice: the same is told, and what is not told differs. */
struct tcp_info nondet_info(void);
static struct tcp_info told_info;
static socklen_t told_length;
static long told_result;

long some_telling(long number, void *a, void *b, void *c, void *d, void *e, void *f)
{
    struct tcp_info rest = nondet_info();

    if (number != SYS_getsockopt)
        return nondet_long();
    (void)a, (void)b, (void)c, (void)f;
    for (socklen_t i = 0; i < *(socklen_t *)e; i++)
        ((char *)d)[i] = ((char *)(i < told_length ? &told_info : &rest))[i];
    *(socklen_t *)e = told_length;
    return told_result;
}

void any_telling(void)
{
    told_info = nondet_info();
    told_length = nondet_unsigned();
    told_result = nondet_long();
    __CPROVER_assume(told_length <= sizeof told_info);
    PROVE(peer_is_somebody_else(3) == peer_is_somebody_else(3),
          "counters that the kernel does not fill in decide nothing");
}
