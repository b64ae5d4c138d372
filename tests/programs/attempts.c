/* SPDX-License-Identifier: MIT */
/* Connects repeatedly to a port of 127.0.0.1 without a listener, from source ports that the kernel
 * chooses, and counts:
 *
 *     attempts [OPTION]... PORT ATTEMPTS
 *     -> attempts N refused N self-connected N other N
 *
 * With --nonblock it waits for pending connections and first prints how many had no peer when
 * connect() returned; --until-hit stops at the first self-connection.
 *
 * connect() takes source ports of the parity of the ephemeral range's lower bound first. --bind
 * calls bind() to port 0 before each connect(), which prefers the other parity. */
#include "common.h"

#include <getopt.h>

static int bind_first, nonblocking, until_hit, without_peer;

/* Returns 0 or the error of the connection. */
static int connect_and_wait(int fd, const struct sockaddr_in *server)
{
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;

    if (connect(fd, (const struct sockaddr *)server, sizeof *server) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    if (getpeername(fd, (struct sockaddr *)&peer, &length) < 0)
        without_peer++;
    return settled_error(fd);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"bind", no_argument, &bind_first, 1},
                                            {"nonblock", no_argument, &nonblocking, 1},
                                            {"until-hit", no_argument, &until_hit, 1},
                                            {0}};
    const struct sockaddr_in any_port = loopback(0);
    int option, attempts, done = 0, refused = 0, hits = 0, other = 0;
    struct sockaddr_in server;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (option != 0)
            return 2;
    if (argc - optind != 2) {
        fprintf(stderr, "usage: attempts [OPTION]... PORT ATTEMPTS\n");
        return 2;
    }
    server = loopback(atoi(argv[optind]));
    attempts = atoi(argv[optind + 1]);

    for (; done < attempts && !(until_hit && hits > 0); done++) {
        int fd =
            must(socket(AF_INET, SOCK_STREAM | (nonblocking ? SOCK_NONBLOCK : 0), 0), "socket");
        int error;

        if (bind_first)
            must(bind(fd, (const struct sockaddr *)&any_port, sizeof any_port), "bind");
        error = connect_and_wait(fd, &server);
        hits += error == 0;
        refused += error == ECONNREFUSED;
        other += error != 0 && error != ECONNREFUSED;
        close_at_once(fd);
    }
    if (nonblocking)
        printf("without a peer %d\n", without_peer);
    printf("attempts %d refused %d self-connected %d other %d\n", done, refused, hits, other);
    return 0;
}
