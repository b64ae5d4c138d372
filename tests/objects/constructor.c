/* SPDX-License-Identifier: MIT */
/* Connects to 127.0.0.1:50000 by EARLY_CALL before main() and by LATE_CALL after it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in free_port = {.sin_family = AF_INET};

static int by_connect(int fd)
{
    return connect(fd, (struct sockaddr *)&free_port, sizeof free_port);
}

static int by_sendto(int fd)
{
    return (int)sendto(fd, "", 1, MSG_FASTOPEN, (struct sockaddr *)&free_port, sizeof free_port);
}

static struct msghdr one_byte(struct iovec *data)
{
    *data = (struct iovec){"", 1};
    return (struct msghdr){
        .msg_name = &free_port, .msg_namelen = sizeof free_port, .msg_iov = data, .msg_iovlen = 1};
}

static int by_sendmsg(int fd)
{
    struct iovec data;
    const struct msghdr message = one_byte(&data);
    return (int)sendmsg(fd, &message, MSG_FASTOPEN);
}

static int by_sendmmsg(int fd)
{
    struct iovec data;
    struct mmsghdr message = {.msg_hdr = one_byte(&data)};
    return sendmmsg(fd, &message, 1, MSG_FASTOPEN);
}

static void connect_by(const char *call, const char *when)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), result = -1;

    free_port.sin_port = htons(50000);
    free_port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    errno = 0;
    if (strcmp(call, "connect") == 0)
        result = by_connect(fd);
    else if (strcmp(call, "sendto") == 0)
        result = by_sendto(fd);
    else if (strcmp(call, "sendmsg") == 0)
        result = by_sendmsg(fd);
    else if (strcmp(call, "sendmmsg") == 0)
        result = by_sendmmsg(fd);
    fprintf(stderr, "%s %s main(): %s\n", call, when,
            result >= 0             ? "connected"
            : errno == ECONNREFUSED ? "refused"
                                    : "another error");
    close(fd);
}

__attribute__((constructor)) static void before_main(void)
{
    const char *call = getenv("EARLY_CALL");

    if (call != NULL)
        connect_by(call, "before");
}

__attribute__((destructor)) static void after_main(void)
{
    const char *call = getenv("LATE_CALL");

    if (call != NULL)
        connect_by(call, "after");
}
