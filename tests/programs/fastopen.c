/* SPDX-License-Identifier: MIT */
/* Opens a connection by a send of a line with TCP Fast Open, and prints the result and the answer:
 *
 *     fastopen [--nonblock] CALL ADDRESS PORT      CALL: sendto, sendmsg or sendmmsg
 *
 * `fastopen without-destination` sends without an address, `fastopen wild-messages` with unmapped
 * messages. */
#include "common.h"

#include <fcntl.h>
#include <sys/uio.h>

enum { FLAGS = MSG_FASTOPEN | MSG_NOSIGNAL };

static char hello[] = "hello\n";

static void report(const char *what, ssize_t result)
{
    printf("%s: %zd %s\n", what, result, error_name(result < 0 ? errno : 0));
}

static ssize_t send_by(const char *call, int fd, struct sockaddr *destination, socklen_t length)
{
    struct iovec data = {.iov_base = hello, .iov_len = sizeof hello - 1};
    struct mmsghdr messages[2] = {
        {.msg_hdr = {
             .msg_name = destination, .msg_namelen = length, .msg_iov = &data, .msg_iovlen = 1}}};

    messages[1] = messages[0];
    if (strcmp(call, "sendto") == 0)
        return sendto(fd, data.iov_base, data.iov_len, FLAGS, destination, length);
    if (strcmp(call, "sendmsg") == 0)
        return sendmsg(fd, &messages[0].msg_hdr, FLAGS);
    if (strcmp(call, "sendmmsg") == 0)
        return sendmmsg(fd, messages, 2, FLAGS);
    fprintf(stderr, "unknown call: %s\n", call);
    exit(2);
}

/* UDP ignores the flag. The length of a null address means nothing. */
static void without_destination(void)
{
    static const char *const calls[] = {"sendto", "sendmsg", "sendmmsg"};
    struct sockaddr_in self = loopback(0);
    socklen_t length = sizeof self;
    int fd = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");

    must(bind(fd, (struct sockaddr *)&self, length), "bind");
    must(getsockname(fd, (struct sockaddr *)&self, &length), "getsockname");
    must(connect(fd, (struct sockaddr *)&self, length), "connect");
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        report(calls[i], send_by(calls[i], fd, NULL, length));
    /* An address of length 0 must not be read. */
    report("sendmsg wild, no length", send_by("sendmsg", fd, (void *)1, 0));
    report("sendmmsg wild, no length", send_by("sendmmsg", fd, (void *)1, 0));
    report("no messages", sendmmsg(fd, NULL, 0, FLAGS));
}

/* The kernel rejects these; reading them would crash the program. */
static void wild_messages(void)
{
    void *const wild = (void *)1;
    int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");

    report("sendmsg NULL", sendmsg(fd, NULL, FLAGS));
    report("sendmsg wild", sendmsg(fd, wild, FLAGS));
    report("sendmsg bad descriptor", sendmsg(-1, wild, FLAGS));
    report("sendmmsg NULL", sendmmsg(fd, NULL, 1, FLAGS));
    report("sendmmsg wild", sendmmsg(fd, wild, 1, FLAGS));
    report("sendmmsg bad descriptor", sendmmsg(-1, wild, 1, FLAGS));
    report("sendto wild", sendto(fd, "x", 1, FLAGS, wild, sizeof(struct sockaddr_in)));
}

int main(int argc, char **argv)
{
    struct sockaddr_storage destination;
    struct pollfd poll_fd = {.events = POLLIN};
    bool nonblocking = argc > 1 && strcmp(argv[1], "--nonblock") == 0;
    char **arguments = argv + (nonblocking ? 2 : 1);
    socklen_t length;
    char heard[64];
    ssize_t size;

    if (argc == 2 && strcmp(argv[1], "without-destination") == 0) {
        without_destination();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "wild-messages") == 0) {
        wild_messages();
        return 0;
    }
    if (argv + argc - arguments != 3) {
        fprintf(stderr, "usage: fastopen [--nonblock] CALL ADDRESS PORT\n");
        return 2;
    }
    length = parse_address(arguments[1], arguments[2], &destination);
    poll_fd.fd = must(socket(destination.ss_family, SOCK_STREAM, 0), "socket");
    if (nonblocking)
        must(fcntl(poll_fd.fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");

    report(arguments[0],
           send_by(arguments[0], poll_fd.fd, (struct sockaddr *)&destination, length));
    printf("local: %s\n", endpoint_text(poll_fd.fd, getsockname));
    printf("peer: %s\n", endpoint_text(poll_fd.fd, getpeername));
    printf("state: %s\n", tcp_state_text(poll_fd.fd));
    must(poll(&poll_fd, 1, 10000), "poll");
    size = recv(poll_fd.fd, heard, sizeof heard, MSG_DONTWAIT);
    if (size < 0)
        printf("heard: %s\n", error_name(errno));
    else
        printf("heard: %.*s\n", (int)size, heard);
    return 0;
}
