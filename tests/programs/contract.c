/* SPDX-License-Identifier: MIT */
/* Connects to a destination that refuses, and prints everything that a program can observe until
 * the descriptor is used again. The source port, which the caller pins and passes in, appears as
 * SOURCE, so that the outputs of two refusals are equal.
 *
 *     contract [--nonblock] [--send-timeout MS] [--bind] [--protocol mptcp] [--again] [--queue]
 *              [--by sendto|sendmsg|sendmmsg] ADDRESS PORT SOURCE-PORT LIVE-PORT
 *
 * The program listens on LIVE-PORT itself; --bind binds the socket to SOURCE-PORT of ADDRESS;
 * --again reads the refusal by another connect() instead of SO_ERROR; --queue sets
 * TCP_NOTSENT_LOWAT and prints SIOCOUTQ. */
#include "common.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

static struct sockaddr_storage destination;
static socklen_t address_length;
static int source_port;
static const struct {
    int level, option, value;
} options[] = {{SOL_SOCKET, SO_KEEPALIVE, 1},        {SOL_SOCKET, SO_SNDBUF, 40000},
               {SOL_SOCKET, SO_RCVBUF, 50000},       {SOL_SOCKET, SO_OOBINLINE, 1},
               {SOL_SOCKET, SO_PRIORITY, 3},         {IPPROTO_TCP, TCP_NODELAY, 1},
               {IPPROTO_TCP, TCP_KEEPIDLE, 77},      {IPPROTO_TCP, TCP_SYNCNT, 3},
               {IPPROTO_TCP, TCP_USER_TIMEOUT, 5000}};

static void set_options(int fd)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (setsockopt(fd, options[i].level, options[i].option, &options[i].value, sizeof(int)) <
                0 &&
            errno != EOPNOTSUPP && errno != ENOPROTOOPT) /* MPTCP lacks some of them */
            die("setsockopt");
}

/* contract.bats compares all options. */
static void print_options(int fd)
{
    struct timeval timeout;
    socklen_t length = sizeof timeout;
    int value;

    must(getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, &length), "SO_SNDTIMEO");
    printf("send timeout: %ld %ld\n", (long)timeout.tv_sec, (long)timeout.tv_usec);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        length = sizeof value;
        if (getsockopt(fd, options[i].level, options[i].option, &value, &length) == 0)
            printf("option %d/%d: %d\n", options[i].level, options[i].option, value);
    }
}

static int print_result(const char *name, int result)
{
    const int error = result < 0 ? errno : 0;

    printf("%s: %d %s\n", name, result, error_name(error));
    return error;
}

static int listen_without_reuse(int port)
{
    struct sockaddr_storage any = {.ss_family = destination.ss_family};
    int fd = must(socket(destination.ss_family, SOCK_STREAM, IPPROTO_TCP), "socket");

    *port_of(&any) = htons((in_port_t)port);
    if (bind(fd, (struct sockaddr *)&any, address_length) == 0 && listen(fd, 8) == 0)
        return fd;
    close(fd);
    return -1;
}

static int watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    int epoll = must(epoll_create1(0), "epoll_create1");

    must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    return epoll;
}

static void print_epoll(const char *which, int epoll)
{
    struct epoll_event event;

    printf("epoll, %s:", which);
    while (must(epoll_wait(epoll, &event, 1, 0), "epoll_wait") == 1)
        printf(" 0x%x", event.events);
    printf("\n");
}

/* Also the answer of select() and of a level-triggered epoll (vfs_poll). */
static void print_poll(const char *when, int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};

    must(poll(&poll_fd, 1, 0), "poll");
    printf("poll, %s: 0x%x\n", when, (unsigned)poll_fd.revents);
}

static void print_so_error(const char *when, int fd)
{
    int error;
    socklen_t length = sizeof error;

    must(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), "SO_ERROR");
    printf("SO_ERROR, %s: %s\n", when, error_name(error));
}

static void print_endpoints_and_state(int fd)
{
    const char *text = endpoint_text(fd, getsockname), *port = strrchr(text, ':') + 1;

    printf("local: %.*s%s\n", (int)(port - text), text,
           atoi(port) == source_port ? "SOURCE" : port);
    printf("peer: %s\n", endpoint_text(fd, getpeername));
    printf("state: %s\n", tcp_state_text(fd));
}

static void print_unread(int fd)
{
    char byte;
    int unread = -1;
    ssize_t result;

    must(ioctl(fd, FIONREAD, &unread), "FIONREAD");
    printf("unread: %d\n", unread);
    result = recv(fd, &byte, 1, MSG_DONTWAIT);
    printf("recv: %s\n", result < 0 ? error_name(errno) : result == 0 ? "end" : "data");
    result = send(fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    printf("send: %s\n", result < 0 ? error_name(errno) : "taken");
}

/* A connection that was left would keep it from starting for a minute. */
static void print_server_start(void)
{
    int fd = listen_without_reuse(source_port);

    printf("a server on the source port, without SO_REUSEADDR: %s\n",
           fd >= 0 ? "starts" : error_name(errno));
    if (fd >= 0)
        close(fd);
}

/* A non-blocking socket whose refusal was read by SO_ERROR fails with ECONNABORTED first
 * (__inet_stream_connect). */
static void print_second_connection(int fd, int listener, const char *live_port)
{
    char heard[8] = "";
    int server, error;

    *port_of(&destination) = htons((in_port_t)atoi(live_port));
    must(fcntl(fd, F_SETFL, 0), "F_SETFL");
    do
        error = print_result("connect to the server",
                             connect(fd, (struct sockaddr *)&destination, address_length));
    while (error == ECONNABORTED);
    if (error != 0)
        return;
    print_so_error("connected again", fd);
    if (must(poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, 1000), "poll") == 0)
        return;
    server = must(accept(listener, NULL, NULL), "accept");
    must((int)send(fd, "ping", 4, MSG_NOSIGNAL), "send");
    must((int)recv(server, heard, 4, MSG_WAITALL), "recv");
    printf("the server heard: %s\n", heard);
    must((int)send(server, "pong", 4, MSG_NOSIGNAL), "send");
    must((int)recv(fd, heard, 4, MSG_WAITALL), "recv");
    printf("the client heard: %s\n", heard);
}

int main(int argc, char **argv)
{
    if (argc > 4)
        address_length = parse_address(argv[argc - 4], argv[argc - 3], &destination);
    const char *live_port = argv[argc - 1], *send_timeout = take_option(argv, "--send-timeout", 1);
    const char *call = take_option(argv, "--by", 1);
    const bool nonblocking = take_option(argv, "--nonblock", 0);
    const bool bound = take_option(argv, "--bind", 0), queue = take_option(argv, "--queue", 0);
    const bool again = take_option(argv, "--again", 0);
    const int protocol = take_protocol(argv);
    char early[] = "early";
    int unsent = -1;

    expect_arguments(argv, 4, "contract [OPTION]... ADDRESS PORT SOURCE-PORT LIVE-PORT");
    source_port = atoi(argv[3]);
    const int listener = must(listen_without_reuse(atoi(live_port)), "listen");
    const int fd =
        must(socket(destination.ss_family, SOCK_STREAM | SOCK_CLOEXEC, protocol), "socket");
    set_options(fd);
    if (send_timeout != NULL)
        set_send_timeout(fd, send_timeout);
    if (queue)
        must(setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int){16384}, sizeof(int)), "LOWAT");
    if (bound) {
        struct sockaddr_storage source = destination;
        *port_of(&source) = htons((in_port_t)source_port);
        must(bind(fd, (struct sockaddr *)&source, address_length), "bind");
    }
    const int other_fd = must(dup(fd), "dup");
    if (nonblocking)
        must(fcntl(fd, F_SETFL, O_NONBLOCK), "F_SETFL");
    const int epoll = watch(fd);
    print_epoll("unconnected", epoll);
    print_poll("unconnected", fd);

    print_result("result", (int)open_by(call != NULL ? call : "connect", fd, &destination,
                                        address_length, early));
    if (nonblocking) /* on a busy machine ksoftirqd delivers the answer later */
        must(poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 1000), "poll");
    print_epoll("registered before", epoll);
    print_epoll("registered after", watch(fd));
    print_poll("before SO_ERROR", fd);
    for (int i = 0; again && i < 3; i++) {
        print_result("again", connect(fd, (struct sockaddr *)&destination, address_length));
        print_poll("again", fd);
    }
    print_so_error("first", fd);
    print_so_error("second", fd);
    print_epoll("after SO_ERROR", epoll);
    print_poll("after SO_ERROR", fd);
    print_endpoints_and_state(fd);
    printf("flags: 0x%x 0x%x\n", (unsigned)fcntl(fd, F_GETFL), (unsigned)fcntl(fd, F_GETFD));
    print_options(fd);
    if (queue) {
        must(ioctl(fd, SIOCOUTQ, &unsent), "SIOCOUTQ");
        printf("unsent: %d\n", unsent);
    }
    print_unread(fd);
    printf("the dup'ed descriptor's state: %s\n", tcp_state_text(other_fd));
    print_server_start();
    print_second_connection(fd, listener, live_port);
    printf("close: %d\n", close(other_fd));
    close_at_once(fd);
    print_server_start();
    return 0;
}
