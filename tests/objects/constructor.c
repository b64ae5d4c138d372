/* SPDX-License-Identifier: MIT */
/* Connects to 127.0.0.1:50000 by EARLY_CALL before main() and by LATE_CALL after it. */
#define _GNU_SOURCE
#include "../programs/common.h"

static void connect_by(const char *call, const char *when)
{
    struct sockaddr_in free_port = loopback(50000);
    char text[] = "x";
    int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    ssize_t result = open_by(call, fd, &free_port, sizeof free_port, text);

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
