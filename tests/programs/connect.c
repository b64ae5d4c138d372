/* SPDX-License-Identifier: MIT */
/* Calls connect() once and prints the result:
 *
 *     connect: 0 | ERROR     errno of a failure; a success must not have touched errno
 *     local: ENDPOINT
 *     peer: ENDPOINT | ENOTCONN
 *     state: ESTABLISHED | SYN_SENT | CLOSE | ...
 *
 * and, with --again, what a second call says; with --wait, how a pending connection ended; with
 * --say, what came back. */
#include "common.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/time.h>

#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum { ERRNO_BEFORE = E2BIG };

static const char *bind_address, *bind_port = "0", *text_to_send;
static bool late_port, reuse_address, reuse_port, listen_beside, nonblocking, fast_open,
    short_scope, long_address;
static bool call_again, wait_for_end;
static int protocol = IPPROTO_TCP, send_timeout_ms, interrupt_ms;

static void parse_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"bind", required_argument, NULL, 'b'},
        {"bind-port", required_argument, NULL, 'p'},
        {"late-port", no_argument, NULL, 'l'}, /* IP_BIND_ADDRESS_NO_PORT */
        {"reuse-address", no_argument, NULL, 'r'},
        {"reuse-port", no_argument, NULL, 'R'},
        {"listen-beside", no_argument, NULL, 'L'}, /* on the same port, after the bind */
        {"nonblock", no_argument, NULL, 'n'},
        {"fast-open", no_argument, NULL, 'f'}, /* TCP_FASTOPEN_CONNECT */
        {"protocol", required_argument, NULL, 'P'},
        {"send-timeout", required_argument, NULL, 't'}, /* ms */
        {"interrupt", required_argument, NULL, 'i'},    /* by a signal, after ms */
        {"short-scope", no_argument, NULL, 's'},  /* an IPv6 address without its last member */
        {"long-address", no_argument, NULL, 'o'}, /* sizeof(struct sockaddr_storage) bytes */
        {"again", no_argument, NULL, 'a'},
        {"wait", no_argument, NULL, 'w'},
        {"say", required_argument, NULL, 'S'},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'b': bind_address = optarg; break;
        case 'p': bind_port = optarg; break;
        case 'l': late_port = true; break;
        case 'r': reuse_address = true; break;
        case 'R': reuse_port = true; break;
        case 'L': listen_beside = true; break;
        case 'n': nonblocking = true; break;
        case 'f': fast_open = true; break;
        case 'P': protocol = protocol_number(optarg); break;
        case 't': send_timeout_ms = atoi(optarg); break;
        case 'i': interrupt_ms = atoi(optarg); break;
        case 's': short_scope = true; break;
        case 'o': long_address = true; break;
        case 'a': call_again = true; break;
        case 'w': wait_for_end = true; break;
        case 'S': text_to_send = optarg; break;
        default: exit(2);
        }
    }
    if (argc - optind != 2) {
        fprintf(stderr, "usage: connect [OPTION]... ADDRESS PORT\n");
        exit(2);
    }
}

static void enable(int fd, int level, int option, const char *what)
{
    const int on = 1;
    must(setsockopt(fd, level, option, &on, sizeof on), what);
}

static struct timeval milliseconds(long ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

static void start_listener(const struct sockaddr_storage *address, socklen_t length)
{
    int fd = must(socket(address->ss_family, SOCK_STREAM, protocol), "socket");

    enable(fd, SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR");
    must(bind(fd, (const struct sockaddr *)address, length), "bind the listener");
    must(listen(fd, 8), "listen");
}

static int open_socket(int family)
{
    int type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
    int fd = must(socket(family, type, protocol), "socket");

    if (reuse_address)
        enable(fd, SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR");
    if (reuse_port)
        enable(fd, SOL_SOCKET, SO_REUSEPORT, "SO_REUSEPORT");
    if (late_port)
        enable(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, "IP_BIND_ADDRESS_NO_PORT");
    if (fast_open)
        enable(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, "TCP_FASTOPEN_CONNECT");
    if (send_timeout_ms > 0) {
        const struct timeval timeout = milliseconds(send_timeout_ms);
        must(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout), "SO_SNDTIMEO");
    }
    if (bind_address != NULL) {
        struct sockaddr_storage address;
        socklen_t length = parse_address(bind_address, bind_port, &address);
        must(bind(fd, (struct sockaddr *)&address, length), "bind");
        if (listen_beside)
            start_listener(&address, length);
    }
    if (nonblocking)
        must(fcntl(fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
    return fd;
}

static void ignore(int signal)
{
    (void)signal;
}

static void arm_interrupt(void)
{
    const struct sigaction action = {.sa_handler = ignore}; /* no SA_RESTART */
    const struct itimerval timer = {.it_value = milliseconds(interrupt_ms)};
    must(sigaction(SIGALRM, &action, NULL), "sigaction");
    must(setitimer(ITIMER_REAL, &timer, NULL), "setitimer");
}

static void call_connect(int fd, const struct sockaddr_storage *destination, socklen_t length)
{
    errno = ERRNO_BEFORE;
    if (connect(fd, (const struct sockaddr *)destination, length) < 0)
        printf("connect: %s\n", error_name(errno));
    else
        printf("connect: %s\n", errno == ERRNO_BEFORE ? "0" : "0, but errno was changed");
}

static void print_endpoints(int fd)
{
    printf("local: %s\n", endpoint_text(fd, getsockname));
    printf("peer: %s\n", endpoint_text(fd, getpeername));
    if (protocol != IPPROTO_UDP)
        printf("state: %s\n", tcp_state_text(fd));
    fflush(stdout);
}

static void wait_until_settled(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    int error;
    socklen_t length = sizeof error;

    if (must(poll(&poll_fd, 1, 20000), "poll") == 0)
        error = ETIMEDOUT;
    else
        must(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), "SO_ERROR");
    printf("settled: %s\n", error_name(error));
    print_endpoints(fd);
}

/* Sends a line and prints the first line received. */
static void converse(int fd, const char *text)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    char line[256];
    ssize_t length;

    snprintf(line, sizeof line, "%s\n", text);
    if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0) {
        printf("send: %s\n", error_name(errno));
        return;
    }
    if (must(poll(&poll_fd, 1, 10000), "poll") == 0) {
        printf("heard: nothing\n");
        return;
    }
    length = recv(fd, line, sizeof line - 1, 0);
    if (length < 0) {
        printf("recv: %s\n", error_name(errno));
        return;
    }
    line[length] = '\0';
    printf("heard: %.*s\n", (int)strcspn(line, "\n"), line);
}

int main(int argc, char **argv)
{
    struct sockaddr_storage destination;
    socklen_t length;
    int fd;

    parse_options(argc, argv);
    length = parse_address(argv[optind], argv[optind + 1], &destination);
    if (short_scope)
        length -= (socklen_t)sizeof(uint32_t);
    if (long_address)
        length = sizeof destination;
    fd = open_socket(destination.ss_family);
    if (interrupt_ms > 0)
        arm_interrupt();

    call_connect(fd, &destination, length);
    print_endpoints(fd);
    if (call_again)
        call_connect(fd, &destination, length);
    if (wait_for_end)
        wait_until_settled(fd);
    if (text_to_send != NULL)
        converse(fd, text_to_send);
    return 0;
}
