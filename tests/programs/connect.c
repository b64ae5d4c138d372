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

#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum { ERRNO_BEFORE = E2BIG };

/* musl has no such alias. */
int __connect(int fd, const struct sockaddr *destination, socklen_t length) __attribute__((weak));

static const char *call;
static char text_to_send[256];
static struct sockaddr_storage destination;
static socklen_t length;

static void enable(int fd, int level, int option)
{
    const int on = 1;
    must(setsockopt(fd, level, option, &on, sizeof on), "setsockopt");
}

static int open_socket(char **argv)
{
    const int protocol = take_protocol(argv);
    const char *host = take_option(argv, "--bind", 1);
    const char *port = take_option(argv, "--bind-port", 1);
    const char *send_timeout = take_option(argv, "--send-timeout", 1);  /* ms */
    const bool listen_beside = take_option(argv, "--listen-beside", 0); /* by SO_REUSEADDR */
    struct sockaddr_storage source;
    socklen_t source_length = 0;
    int fd = must(
        socket(destination.ss_family, protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM, protocol),
        "socket");

    if (listen_beside)
        enable(fd, SOL_SOCKET, SO_REUSEADDR);
    if (take_option(argv, "--late-port", 0))
        enable(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    if (take_option(argv, "--fast-open", 0))
        enable(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT);
    if (send_timeout != NULL)
        set_send_timeout(fd, send_timeout);
    if (host != NULL) {
        source_length = parse_address(host, port != NULL ? port : "0", &source);
        must(bind(fd, (struct sockaddr *)&source, source_length), "bind");
    }
    if (listen_beside) {
        int listener = must(socket(destination.ss_family, SOCK_STREAM, protocol), "socket");
        enable(listener, SOL_SOCKET, SO_REUSEADDR);
        must(bind(listener, (struct sockaddr *)&source, source_length), "bind the listener");
        must(listen(listener, 8), "listen");
    }
    if (take_option(argv, "--nonblock", 0))
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
    char line[256] = "";

    if (strcmp(call, "connect") == 0 &&
        send(fd, text_to_send, strlen(text_to_send), MSG_NOSIGNAL) < 0)
        printf("send: %s\n", error_name(errno));
    else if (must(poll(&poll_fd, 1, 10000), "poll") == 0)
        printf("heard: nothing\n");
    else if (recv(fd, line, sizeof line - 1, MSG_DONTWAIT) < 0)
        printf("recv: %s\n", error_name(errno));
    else
        printf("heard: %.*s\n", (int)strcspn(line, "\n"), line);
}

int main(int argc, char **argv)
{
    if (argc > 2)
        length = parse_address(argv[argc - 2], argv[argc - 1], &destination);
    const char *other_call = take_option(argv, "--by", 1);
    const char *other_length = take_option(argv, "--length", 1); /* of the address */
    const char *inherited_fd = take_option(argv, "--fd", 1);
    const char *text = take_option(argv, "--say", 1);
    const char *interrupt_ms = take_option(argv, "--interrupt", 1);
    const bool again = take_option(argv, "--again", 0), waits = take_option(argv, "--wait", 0);
    const int fd = inherited_fd != NULL ? atoi(inherited_fd) : open_socket(argv);

    expect_arguments(argv, 2, "connect [OPTION]... ADDRESS PORT");
    call = other_call != NULL ? other_call : "connect";
    if (other_length != NULL)
        length = (socklen_t)atoi(other_length);
    if (text != NULL)
        snprintf(text_to_send, sizeof text_to_send, "%s\n", text);
    if (interrupt_ms != NULL)
        interrupt_after(atoi(interrupt_ms));

    call_connect(fd);
    print_endpoints(fd);
    if (again)
        call_connect(fd);
    if (waits) {
        printf("settled: %s\n", error_name(settled_error(fd)));
        print_endpoints(fd);
    }
    if (text != NULL)
        converse(fd);
    return 0;
}
