/* SPDX-License-Identifier: MIT */
/* Connects COUNT times, from PORT to PORT of ADDRESS and on to the next ports, so that no late
 * segment or NAT entry meets another connection. The ports have to be redirected to this program's
 * server on port 49000, which acts before a request:
 *
 *     quick [--nonblock] [--protocol mptcp] BEHAVIOUR ADDRESS PORT COUNT
 *     -> connects N refused N heard N
 *
 * BEHAVIOUR: close (at once), line (sent, then closed), reset, half-close (a line follows), delay
 * or pause (a line after 2 or 600 ms). `heard` counts the received lines. */
#include "common.h"

#include <fcntl.h>
#include <sys/prctl.h>

static const char line[] = "welcome\n";
static struct sockaddr_storage destination, server_address;
static socklen_t length;
static int protocol;

static void behave(int fd, const char *behaviour)
{
    char byte;

    if (strcmp(behaviour, "delay") == 0)
        poll(NULL, 0, 2);
    if (strcmp(behaviour, "pause") == 0)
        poll(NULL, 0, 600);
    if (strcmp(behaviour, "reset") == 0) {
        close_at_once(fd);
        return;
    }
    if (strcmp(behaviour, "close") != 0)
        (void)!send(fd, line, sizeof line - 1, MSG_NOSIGNAL);
    if (strcmp(behaviour, "half-close") == 0)
        shutdown(fd, SHUT_WR);
    if (strcmp(behaviour, "close") != 0 && strcmp(behaviour, "line") != 0)
        (void)!recv(fd, &byte, 1, 0);
    close(fd);
}

/* Polls instead of sleeping in accept(), to be quick. */
static void serve(int listener, const char *behaviour)
{
    must(prctl(PR_SET_PDEATHSIG, SIGKILL), "PR_SET_PDEATHSIG");
    must(fcntl(listener, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0)
            behave(fd, behaviour);
    }
}

static int new_socket(void)
{
    const int on = 1;
    int fd = must(socket(destination.ss_family, SOCK_STREAM, protocol), "socket");

    must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
    return fd;
}

/* MPTCP can wake the program before there is anything to read. */
static bool hears_the_line(int fd)
{
    char heard[sizeof line];
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    ssize_t size = -1;

    for (int attempt = 0; attempt < 20; attempt++) {
        if (must(poll(&poll_fd, 1, 1000), "poll") == 0)
            return false;
        size = recv(fd, heard, sizeof heard, MSG_DONTWAIT);
        if (size >= 0 || errno != EAGAIN)
            break;
    }
    return size == sizeof line - 1;
}

int main(int argc, char **argv)
{
    const bool nonblocking = take_option(argv, "--nonblock", 0);
    int listener, refused = 0, heard = 0;

    (void)argc;
    protocol = take_protocol(argv);
    expect_arguments(argv, 4, "quick [OPTION]... BEHAVIOUR ADDRESS PORT COUNT");
    length = parse_address(argv[2], argv[3], &destination);
    parse_address(argv[2], "49000", &server_address);
    listener = new_socket();
    must(bind(listener, (struct sockaddr *)&server_address, length), "bind the server");
    must(listen(listener, 16), "listen");
    if (must(fork(), "fork") == 0)
        serve(listener, argv[1]);

    int first_port = atoi(argv[3]), count = atoi(argv[4]);
    for (int i = 0; i < count; i++) {
        int fd = new_socket();
        *port_of(&destination) = htons((in_port_t)(first_port + i));
        must(bind(fd, (struct sockaddr *)&destination, length), "bind");
        if (nonblocking)
            must(fcntl(fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
        int error = connect(fd, (struct sockaddr *)&destination, length) == 0 ? 0 : errno;
        refused += (error == EINPROGRESS ? settled_error(fd) : error) == ECONNREFUSED;
        heard += hears_the_line(fd);
        close_at_once(fd);
    }
    printf("connects %d refused %d heard %d\n", count, refused, heard);
    return 0;
}
