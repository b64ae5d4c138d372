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
#include <getopt.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/time.h>

static struct sockaddr_storage destination;
static socklen_t address_length;
static int nonblocking, bound, again, queue, protocol = IPPROTO_TCP, send_timeout_ms;
static const char *call = "connect";
static int source_port, live_port;

/* Options that differ between any two sockets or moments, or whose reading has an effect. */
static bool is_measurement(int level, int option)
{
    static const struct {
        int level, option;
    } measurements[] = {
        {SOL_SOCKET, SO_ERROR}, /* reading clears it; printed separately */
        {SOL_SOCKET, 49},       /* SO_INCOMING_CPU */
        {SOL_SOCKET, 55},       /* SO_MEMINFO */
        {SOL_SOCKET, 56},       /* SO_INCOMING_NAPI_ID */
        {SOL_SOCKET, 57},       /* SO_COOKIE */
        {IPPROTO_IP, 52},       /* IP_PROTOCOL: the source port */
        {IPPROTO_TCP, 2},       /* TCP_MAXSEG: the kernel's last estimate */
        {IPPROTO_TCP, 11},      /* TCP_INFO: the state is printed separately */
        {IPPROTO_TCP, 24},      /* TCP_TIMESTAMP */
        {IPPROTO_TCP, 35},      /* TCP_ZEROCOPY_RECEIVE */
    };

    for (size_t i = 0; i < sizeof measurements / sizeof *measurements; i++)
        if (measurements[i].level == level && measurements[i].option == option)
            return true;
    return false;
}

static void print_options(int fd)
{
    static const int levels[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP};

    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        for (int option = 1; option < 90; option++) {
            unsigned char value[64] = {0};
            socklen_t length = sizeof value;

            if (is_measurement(levels[i], option) ||
                getsockopt(fd, levels[i], option, value, &length) < 0)
                continue;
            printf("option %d/%d:", levels[i], option);
            for (socklen_t byte = 0; byte < length; byte++)
                printf(" %02x", value[byte]);
            printf("\n");
        }
    }
}

static void set_options(int fd)
{
    static const struct {
        int level, option, value;
    } options[] = {{SOL_SOCKET, SO_KEEPALIVE, 1},        {SOL_SOCKET, SO_SNDBUF, 40000},
                   {SOL_SOCKET, SO_RCVBUF, 50000},       {SOL_SOCKET, SO_OOBINLINE, 1},
                   {SOL_SOCKET, SO_PRIORITY, 3},         {IPPROTO_TCP, TCP_NODELAY, 1},
                   {IPPROTO_TCP, TCP_KEEPIDLE, 77},      {IPPROTO_TCP, TCP_SYNCNT, 3},
                   {IPPROTO_TCP, TCP_USER_TIMEOUT, 5000}};
    const struct timeval timeout = {.tv_sec = send_timeout_ms / 1000,
                                    .tv_usec = send_timeout_ms % 1000 * 1000L};

    must(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout), "SO_SNDTIMEO");
    if (queue)
        must(setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int){16384}, sizeof(int)), "LOWAT");

    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (setsockopt(fd, options[i].level, options[i].option, &options[i].value,
                       sizeof options[i].value) < 0 &&
            errno != EOPNOTSUPP && errno != ENOPROTOOPT) /* MPTCP lacks some of them */
            die("setsockopt");
}

static const struct sockaddr *destination_port(int port)
{
    *port_of(&destination) = htons((in_port_t)port);
    return (struct sockaddr *)&destination;
}

static void print_result(const char *name, int result)
{
    printf("%s: %d %s\n", name, result, error_name(result < 0 ? errno : 0));
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

static void print_local(int fd)
{
    char source[16];
    const char *text = endpoint_text(fd, getsockname);
    const char *port = strrchr(text, ':');

    snprintf(source, sizeof source, ":%d", source_port);
    if (port != NULL && strcmp(port, source) == 0)
        printf("local: %.*s:SOURCE\n", (int)(port - text), text);
    else
        printf("local: %s\n", text);
}

static void print_so_error(const char *when, int fd)
{
    int error;
    socklen_t length = sizeof error;

    must(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), "SO_ERROR");
    printf("SO_ERROR, %s: %s\n", when, error_name(error));
}

static void print_unread(int fd)
{
    char byte;
    int unread = -1, unsent = -1;
    ssize_t result;

    must(ioctl(fd, FIONREAD, &unread), "FIONREAD");
    printf("unread: %d\n", unread);
    if (queue) {
        must(ioctl(fd, SIOCOUTQ, &unsent), "SIOCOUTQ");
        printf("unsent: %d\n", unsent);
    }
    result = recv(fd, &byte, 1, MSG_DONTWAIT);
    printf("recv: %s\n", result < 0 ? error_name(errno) : result == 0 ? "end" : "data");
    result = send(fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    printf("send: %s\n", result < 0 ? error_name(errno) : "taken");
}

/* proc(5), net/tcp */
static void print_sockets_on_source_port(void)
{
    static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6"};
    int sockets = 0;

    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char line[512];
        FILE *table = fopen(tables[i], "r");
        if (table == NULL)
            die(tables[i]);
        while (fgets(line, sizeof line, table) != NULL) {
            unsigned port;
            if (sscanf(line, " %*d: %*[0-9A-F]:%X", &port) == 1 && port == (unsigned)source_port)
                sockets++;
        }
        fclose(table);
    }
    printf("sockets left on the source port: %d\n", sockets);
}

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
static void print_second_connection(int fd, int listener)
{
    struct pollfd pending = {.fd = fd, .events = POLLOUT};
    struct pollfd arriving = {.fd = listener, .events = POLLIN};
    char heard[8] = "";
    int server;

    const struct sockaddr *live = destination_port(live_port);
    int result = connect(fd, live, address_length);

    if (result < 0 && errno == ECONNABORTED) {
        print_result("connect to the server", result);
        result = connect(fd, live, address_length);
    }
    print_result("connect to the server", result);
    if (result < 0 && errno != EINPROGRESS)
        return;
    must(poll(&pending, 1, 10000), "poll");
    print_so_error("connected again", fd);
    if (must(poll(&arriving, 1, 1000), "poll") == 0) {
        printf("nobody arrived at the server\n");
        return;
    }
    server = must(accept(listener, NULL, NULL), "accept");
    must((int)send(fd, "ping", 4, MSG_NOSIGNAL), "send");
    must((int)recv(server, heard, 4, MSG_WAITALL), "recv");
    printf("the server heard: %s\n", heard);
    must((int)send(server, "pong", 4, MSG_NOSIGNAL), "send");
    pending.events = POLLIN;
    must(poll(&pending, 1, 10000), "poll");
    must((int)recv(fd, heard, 4, 0), "recv");
    printf("the client heard: %s\n", heard);
    close(server);
}

static void connect_again(int fd)
{
    for (int i = 0; i < 3; i++) {
        print_result("again", connect(fd, (struct sockaddr *)&destination, address_length));
        print_poll("again", fd);
    }
}

static void parse_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        {"nonblock", no_argument, &nonblocking, 1},
        {"bind", no_argument, &bound, 1},
        {"again", no_argument, &again, 1},
        {"queue", no_argument, &queue, 1},
        {"send-timeout", required_argument, NULL, 't'},
        {"protocol", required_argument, NULL, 'P'},
        {"by", required_argument, NULL, 'b'},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 0: break;
        case 't': send_timeout_ms = atoi(optarg); break;
        case 'P': protocol = protocol_number(optarg); break;
        case 'b': call = optarg; break;
        default: exit(2);
        }
    }
    if (argc - optind != 4) {
        fprintf(stderr, "usage: contract [OPTION]... ADDRESS PORT SOURCE-PORT LIVE-PORT\n");
        exit(2);
    }
    address_length = parse_address(argv[optind], argv[optind + 1], &destination);
    source_port = atoi(argv[optind + 2]);
    live_port = atoi(argv[optind + 3]);
}

int main(int argc, char **argv)
{
    char early[] = "early";
    int fd, other_fd, listener, epoll, status_flags;

    parse_arguments(argc, argv);
    listener = must(listen_without_reuse(live_port), "listen");
    fd = must(socket(destination.ss_family, SOCK_STREAM | SOCK_CLOEXEC, protocol), "socket");
    set_options(fd);
    if (bound) {
        struct sockaddr_storage source = destination;
        *port_of(&source) = htons((in_port_t)source_port);
        must(bind(fd, (struct sockaddr *)&source, address_length), "bind");
    }
    other_fd = must(dup(fd), "dup");
    status_flags = must(fcntl(fd, F_GETFL), "F_GETFL") | (nonblocking ? O_NONBLOCK : 0);
    must(fcntl(fd, F_SETFL, status_flags), "F_SETFL");
    epoll = watch(fd);
    print_epoll("unconnected", epoll);
    print_poll("unconnected", fd);

    print_result("result", (int)open_by(call, fd, &destination, address_length, early));
    if (nonblocking) /* on a busy machine ksoftirqd delivers the answer later */
        must(poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 1000), "poll");
    print_epoll("registered before", epoll);
    print_epoll("registered after", watch(fd));
    print_poll("before SO_ERROR", fd);
    if (again)
        connect_again(fd);
    print_so_error("first", fd);
    print_so_error("second", fd);
    print_epoll("after SO_ERROR", epoll);
    print_poll("after SO_ERROR", fd);
    printf("state: %s\n", tcp_state_text(fd));
    print_local(fd);
    printf("peer: %s\n", endpoint_text(fd, getpeername));
    printf("file status flags: %s\n", fcntl(fd, F_GETFL) == status_flags ? "kept" : "changed");
    printf("close on exec: %d\n", fcntl(fd, F_GETFD) & FD_CLOEXEC);
    print_options(fd);
    print_unread(fd);
    printf("the dup'ed descriptor's state: %s\n", tcp_state_text(other_fd));
    print_sockets_on_source_port();
    print_server_start();
    print_second_connection(fd, listener);
    printf("close: %d\n", close(fd));
    printf("close of the dup'ed descriptor: %d\n", close(other_fd));
    return 0;
}
