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
 * connect() takes source ports of the parity of the ephemeral range's lower bound first;
 * --occupy-parity-of PORT occupies the ports of PORT's parity. --bind calls bind() to port 0 before
 * each connect(), which prefers the other parity.
 * --local-range LOW-HIGH narrows the range for each socket (IP_LOCAL_PORT_RANGE). */
#include "common.h"

#include <getopt.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void occupy_and_wait(int first, int last, int ready)
{
    must(prctl(PR_SET_PDEATHSIG, SIGKILL), "PR_SET_PDEATHSIG");
    for (int port = first; port <= last; port += 2) {
        struct sockaddr_in address = loopback(port);
        int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
        must(bind(fd, (struct sockaddr *)&address, sizeof address), "bind");
    }
    close(ready);
    pause();
}

enum { PORTS_EACH = 1000 }; /* at a stride of 2, 500 files */
static pid_t occupants[65536 / PORTS_EACH + 1];
static int occupant_count;

/* One process may not open that many files. */
static void occupy_parity_of(int port)
{
    int low, high, ready[2];
    char none;
    FILE *range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");

    if (range == NULL || fscanf(range, "%d %d", &low, &high) != 2)
        die("ip_local_port_range");
    fclose(range);
    must(pipe(ready), "pipe");
    for (int first = low + (low + port) % 2; first <= high; first += PORTS_EACH) {
        int last = first + PORTS_EACH - 2 < high ? first + PORTS_EACH - 2 : high;
        pid_t child = must(fork(), "fork");
        if (child == 0) {
            occupy_and_wait(first, last, ready[1]);
            exit(2);
        }
        occupants[occupant_count++] = child;
    }
    close(ready[1]);
    must((int)read(ready[0], &none, 1), "read"); /* returns when all have closed their end */
}

static void free_occupied_ports(void)
{
    for (int i = 0; i < occupant_count; i++) {
        kill(occupants[i], SIGKILL);
        waitpid(occupants[i], NULL, 0);
    }
}

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* Linux 6.3 */
#endif

static int without_peer;

/* Returns 0 or the error of the connection. */
static int connect_and_wait(int fd, const struct sockaddr_in *server)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    struct sockaddr_in peer;
    int error;
    socklen_t length = sizeof error, peer_length = sizeof peer;

    if (connect(fd, (const struct sockaddr *)server, sizeof *server) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_length) < 0)
        without_peer++;
    if (must(poll(&poll_fd, 1, 5000), "poll") == 0)
        return ETIMEDOUT;
    must(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), "SO_ERROR");
    return error;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"occupy-parity-of", required_argument, NULL, 'o'},
                                            {"bind", no_argument, NULL, 'b'},
                                            {"nonblock", no_argument, NULL, 'n'},
                                            {"until-hit", no_argument, NULL, 'u'},
                                            {"local-range", required_argument, NULL, 'l'},
                                            {0}};
    const struct sockaddr_in any_port = loopback(0);
    bool until_hit = false, bind_first = false;
    int type = SOCK_STREAM;
    unsigned int low = 0, high = 0, range;
    int option, attempts, done = 0, refused = 0, hits = 0, other = 0;
    struct sockaddr_in server;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'o': occupy_parity_of(atoi(optarg)); break;
        case 'b': bind_first = true; break;
        case 'n': type |= SOCK_NONBLOCK; break;
        case 'u': until_hit = true; break;
        case 'l':
            if (sscanf(optarg, "%u-%u", &low, &high) != 2)
                return 2;
            break;
        default: return 2;
        }
    }
    if (argc - optind != 2) {
        fprintf(stderr, "usage: attempts [OPTION]... PORT ATTEMPTS\n");
        return 2;
    }
    server = loopback(atoi(argv[optind]));
    attempts = atoi(argv[optind + 1]);

    for (; done < attempts && !(until_hit && hits > 0); done++) {
        int fd = must(socket(AF_INET, type, 0), "socket"), error;

        range = high << 16 | low;
        if (range != 0)
            must(setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof range),
                 "IP_LOCAL_PORT_RANGE");
        if (bind_first)
            must(bind(fd, (const struct sockaddr *)&any_port, sizeof any_port), "bind");
        error = connect_and_wait(fd, &server);
        hits += error == 0;
        refused += error == ECONNREFUSED;
        other += error != 0 && error != ECONNREFUSED;
        if (error == 0)
            close_at_once(fd);
        else
            close(fd);
    }
    free_occupied_ports();
    if (type & SOCK_NONBLOCK)
        printf("without a peer %d\n", without_peer);
    printf("attempts %d refused %d self-connected %d other %d\n", done, refused, hits, other);
    return 0;
}
