/* SPDX-License-Identifier: MIT */
/* Opens a connection by one call and prints the result:
 *
 *     connect: 0 | ERROR     or the number of bytes or messages that were sent
 *     local: ENDPOINT
 *     peer: ENDPOINT | ENOTCONN
 *     state: ESTABLISHED | SYN_SENT | CLOSE | ...
 *
 * and, with --again, what a second call says; with --wait, how a pending connection ended; with
 * --say, what came back. */
#include "common.h"

#include <fcntl.h>
#include <getopt.h>
#include <sys/time.h>

#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum { ERRNO_BEFORE = E2BIG };

/* musl has no such alias. */
int __connect(int fd, const struct sockaddr *destination, socklen_t length) __attribute__((weak));

static const char *bind_address, *bind_port = "0", *call = "connect";
static char text_to_send[256];
static int late_port, listen_beside, nonblocking, fast_open, call_again, wait_for_end;
static int inherited_fd = -1, protocol = IPPROTO_TCP, send_timeout_ms, interrupt_ms;
static struct sockaddr_storage destination;
static socklen_t length;

static void parse_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"late-port", no_argument, &late_port, 1},         /* IP_BIND_ADDRESS_NO_PORT */
        {"listen-beside", no_argument, &listen_beside, 1}, /* by SO_REUSEADDR, after the bind */
        {"nonblock", no_argument, &nonblocking, 1},
        {"fast-open", no_argument, &fast_open, 1}, /* TCP_FASTOPEN_CONNECT */
        {"again", no_argument, &call_again, 1},
        {"wait", no_argument, &wait_for_end, 1},
        {"bind", required_argument, NULL, 'b'},
        {"bind-port", required_argument, NULL, 'p'},
        {"by", required_argument, NULL, 'B'}, /* another call than connect() */
        {"fd", required_argument, NULL, 'f'}, /* a socket that was inherited */
        {"protocol", required_argument, NULL, 'P'},
        {"send-timeout", required_argument, NULL, 't'}, /* ms */
        {"interrupt", required_argument, NULL, 'i'},    /* by a signal, after ms */
        {"length", required_argument, NULL, 'l'},       /* of the address */
        {"say", required_argument, NULL, 'S'},
        {0},
    };
    int option;
    socklen_t other_length = 0;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 0: break;
        case 'b': bind_address = optarg; break;
        case 'p': bind_port = optarg; break;
        case 'B': call = optarg; break;
        case 'f': inherited_fd = atoi(optarg); break;
        case 'P': protocol = protocol_number(optarg); break;
        case 't': send_timeout_ms = atoi(optarg); break;
        case 'i': interrupt_ms = atoi(optarg); break;
        case 'l': other_length = (socklen_t)atoi(optarg); break;
        case 'S': snprintf(text_to_send, sizeof text_to_send, "%s\n", optarg); break;
        default: exit(2);
        }
    }
    if (argc - optind != 2) {
        fprintf(stderr, "usage: connect [OPTION]... ADDRESS PORT\n");
        exit(2);
    }
    length = parse_address(argv[optind], argv[optind + 1], &destination);
    if (other_length != 0)
        length = other_length;
}

static void enable(int fd, int level, int option)
{
    const int on = 1;
    must(setsockopt(fd, level, option, &on, sizeof on), "setsockopt");
}

static void bind_socket(int fd)
{
    struct sockaddr_storage address;
    socklen_t bound_length = parse_address(bind_address, bind_port, &address);

    must(bind(fd, (struct sockaddr *)&address, bound_length), "bind");
    if (listen_beside) {
        int listener = must(socket(address.ss_family, SOCK_STREAM, protocol), "socket");
        enable(listener, SOL_SOCKET, SO_REUSEADDR);
        must(bind(listener, (struct sockaddr *)&address, bound_length), "bind the listener");
        must(listen(listener, 8), "listen");
    }
}

static int open_socket(void)
{
    int type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
    int fd = must(socket(destination.ss_family, type, protocol), "socket");
    const struct timeval timeout = {.tv_sec = send_timeout_ms / 1000,
                                    .tv_usec = send_timeout_ms % 1000 * 1000L};

    if (listen_beside)
        enable(fd, SOL_SOCKET, SO_REUSEADDR);
    if (late_port)
        enable(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    if (fast_open)
        enable(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT);
    if (send_timeout_ms > 0)
        must(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout), "SO_SNDTIMEO");
    if (bind_address != NULL)
        bind_socket(fd);
    if (nonblocking)
        must(fcntl(fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
    return fd;
}

/* A success must not have touched errno. */
static void call_connect(int fd)
{
    ssize_t result;

    errno = ERRNO_BEFORE;
    if (strcmp(call, "__connect") == 0)
        result = __connect(fd, (struct sockaddr *)&destination, length);
    else
        result = open_by(call, fd, &destination, length, text_to_send);
    if (result < 0)
        printf("connect: %s\n", error_name(errno));
    else
        printf("connect: %zd%s\n", result, errno == ERRNO_BEFORE ? "" : ", but errno was changed");
}

/* Prints the first line that is received. */
static void converse(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    char line[256];
    ssize_t size;

    if (strcmp(call, "connect") == 0 &&
        send(fd, text_to_send, strlen(text_to_send), MSG_NOSIGNAL) < 0) {
        printf("send: %s\n", error_name(errno));
        return;
    }
    if (must(poll(&poll_fd, 1, 10000), "poll") == 0) {
        printf("heard: nothing\n");
        return;
    }
    size = recv(fd, line, sizeof line - 1, MSG_DONTWAIT);
    if (size < 0) {
        printf("recv: %s\n", error_name(errno));
        return;
    }
    line[size] = '\0';
    printf("heard: %.*s\n", (int)strcspn(line, "\n"), line);
}

int main(int argc, char **argv)
{
    int fd;

    parse_options(argc, argv);
    fd = inherited_fd >= 0 ? inherited_fd : open_socket();
    if (interrupt_ms > 0)
        interrupt_after(interrupt_ms);

    call_connect(fd);
    print_endpoints(fd);
    if (call_again)
        call_connect(fd);
    if (wait_for_end) {
        printf("settled: %s\n", error_name(settled_error(fd)));
        print_endpoints(fd);
    }
    if (text_to_send[0] != '\0')
        converse(fd);
    return 0;
}
