/* SPDX-License-Identifier: MIT */
/* Shared by the test programs, which are also built with musl and for other processors. Their own
 * errors exit with status 2. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

__attribute__((noreturn)) static inline void die(const char *what)
{
    perror(what);
    exit(2);
}

static inline int must(int result, const char *what)
{
    if (result < 0)
        die(what);
    return result;
}

static inline const char *error_name(int error)
{
#define NAME(error)                                                                                \
    {                                                                                              \
        error, #error                                                                              \
    }
    static const struct {
        int error;
        const char *name;
    } names[] = {{0, "0"},           NAME(EADDRINUSE), NAME(EADDRNOTAVAIL), NAME(EAFNOSUPPORT),
                 NAME(EAGAIN),       NAME(EALREADY),   NAME(EBADF),         NAME(ECONNABORTED),
                 NAME(ECONNREFUSED), NAME(ECONNRESET), NAME(EFAULT),        NAME(EINPROGRESS),
                 NAME(EINTR),        NAME(EINVAL),     NAME(EISCONN),       NAME(ENETUNREACH),
                 NAME(ENOENT),       NAME(ENOTCONN),   NAME(ENOTSOCK),      NAME(EPERM),
                 NAME(EPIPE),        NAME(EACCES),     NAME(ETIMEDOUT)};
    static char number[16];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].error == error)
            return names[i].name;
    snprintf(number, sizeof number, "E#%d", error);
    return number;
}

static inline in_port_t *port_of(struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)address)->sin6_port
                                          : &((struct sockaddr_in *)address)->sin_port;
}

/* HOST is a numeric address, with an optional %SCOPE. */
static inline socklen_t parse_address(const char *host, const char *port,
                                      struct sockaddr_storage *address)
{
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)address;
    const char *scope = strchr(host, '%');
    char text[INET6_ADDRSTRLEN];

    snprintf(text, sizeof text, "%.*s", (int)strcspn(host, "%"), host);
    memset(address, 0, sizeof *address);
    address->ss_family = scope == NULL && strchr(host, ':') == NULL ? AF_INET : AF_INET6;
    *port_of(address) = htons((in_port_t)atoi(port));
    if (inet_pton(address->ss_family, text,
                  address->ss_family == AF_INET ? (void *)&ipv4->sin_addr : &ipv6->sin6_addr) !=
        1) {
        fprintf(stderr, "no address: %s\n", host);
        exit(2);
    }
    if (address->ss_family == AF_INET)
        return sizeof *ipv4;
    ipv6->sin6_scope_id = scope != NULL ? if_nametoindex(scope + 1) : 0;
    return sizeof *ipv6;
}

static inline struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((in_port_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Resets the connection, since TIME_WAIT would hold its port for a minute. */
static inline void close_at_once(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "SO_LINGER");
    close(fd);
}

typedef int name_function(int fd, struct sockaddr *address, socklen_t *length);

/* The endpoint by getsockname() or getpeername(), or the name of the error, in a static buffer. */
static inline const char *endpoint_text(int fd, name_function *name)
{
    static char text[128];
    char host[64], port[16];
    struct sockaddr_storage address;
    socklen_t length = sizeof address;

    if (name(fd, (struct sockaddr *)&address, &length) < 0)
        return error_name(errno);
    if (getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return "no IP endpoint";
    snprintf(text, sizeof text, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return text;
}

static inline const char *tcp_state_text(int fd)
{
    static const char *const states[] = {"?",          "ESTABLISHED", "SYN_SENT",  "SYN_RECV",
                                         "FIN_WAIT1",  "FIN_WAIT2",   "TIME_WAIT", "CLOSE",
                                         "CLOSE_WAIT", "LAST_ACK",    "LISTEN",    "CLOSING"};
    struct tcp_info info;
    socklen_t length = sizeof info;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
        return error_name(errno);
    return info.tcpi_state < sizeof states / sizeof *states ? states[info.tcpi_state] : "?";
}

static inline void print_endpoints(int fd)
{
    printf("local: %s\n", endpoint_text(fd, getsockname));
    printf("peer: %s\n", endpoint_text(fd, getpeername));
    printf("state: %s\n", tcp_state_text(fd));
    fflush(stdout);
}

static inline void print_outcome(int fd, int error)
{
    printf("connect: %s\n", error_name(error));
    print_endpoints(fd);
}

/* Waits until a pending connection has ended. Returns its error, or 0. */
static inline int settled_error(int fd)
{
    struct pollfd pending = {.fd = fd, .events = POLLOUT};
    int error;
    socklen_t length = sizeof error;

    if (must(poll(&pending, 1, 20000), "poll") == 0)
        return ETIMEDOUT;
    must(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), "SO_ERROR");
    return error;
}

/* Opens a connection by connect(), or by sending TEXT with TCP Fast Open; sendmmsg() sends it
 * twice. */
static inline ssize_t open_by(const char *call, int fd, void *destination, socklen_t length,
                              char *text)
{
    enum { FLAGS = MSG_FASTOPEN | MSG_NOSIGNAL };
    struct iovec data = {.iov_base = text, .iov_len = strlen(text)};
    const struct msghdr message = {
        .msg_name = destination, .msg_namelen = length, .msg_iov = &data, .msg_iovlen = 1};
    struct mmsghdr messages[2] = {{.msg_hdr = message}, {.msg_hdr = message}};

    if (strcmp(call, "connect") == 0)
        return connect(fd, destination, length);
    if (strcmp(call, "sendto") == 0)
        return sendto(fd, text, strlen(text), FLAGS, destination, length);
    if (strcmp(call, "sendmsg") == 0)
        return sendmsg(fd, &message, FLAGS);
    if (strcmp(call, "sendmmsg") == 0)
        return sendmmsg(fd, messages, 2, FLAGS);
    fprintf(stderr, "unknown call: %s\n", call);
    exit(2);
}

static inline void ignore_signal(int signal)
{
    (void)signal;
}

/* A signal after MS (below 1000) interrupts a call: it is not restarted. */
static inline void interrupt_after(int ms)
{
    const struct sigaction action = {.sa_handler = ignore_signal}; /* no SA_RESTART */

    must(sigaction(SIGALRM, &action, NULL), "sigaction");
    ualarm((useconds_t)ms * 1000, 0);
}

/* Takes `--NAME`, or `--NAME VALUE`, out of the arguments. Returns the name or value, or NULL. */
static inline const char *take_option(char **argv, const char *name, int values)
{
    while (*argv != NULL && strcmp(*argv, name) != 0)
        argv++;
    if (argv[0] == NULL || (values == 1 && argv[1] == NULL))
        return NULL;
    const char *value = argv[values];
    do
        argv[0] = argv[values + 1];
    while (*argv++ != NULL);
    return value;
}

/* --protocol, TCP by default. */
static inline int take_protocol(char **argv)
{
    const char *name = take_option(argv, "--protocol", 1);

    if (name == NULL)
        return IPPROTO_TCP;
    return strcmp(name, "mptcp") == 0 ? IPPROTO_MPTCP : IPPROTO_UDP;
}

/* Ends the program if options are left that it does not know. */
static inline void expect_arguments(char **argv, int count, const char *usage)
{
    while (*++argv != NULL)
        count--;
    if (count != 0) {
        fprintf(stderr, "usage: %s\n", usage);
        exit(2);
    }
}

static inline void set_send_timeout(int fd, const char *ms)
{
    const struct timeval timeout = {.tv_sec = atoi(ms) / 1000, .tv_usec = atoi(ms) % 1000 * 1000L};

    must(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout), "SO_SNDTIMEO");
}

/* The destination and a socket for a program called as PROGRAM ADDRESS PORT. */
static inline int socket_for(int argc, char **argv, struct sockaddr_storage *destination,
                             socklen_t *length)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s ADDRESS PORT\n", argv[0]);
        exit(2);
    }
    *length = parse_address(argv[1], argv[2], destination);
    return must(socket(destination->ss_family, SOCK_STREAM, 0), "socket");
}
