/* SPDX-License-Identifier: MIT */
/* Connects from many threads at once, in turn to itself (each thread with its own port) and to a
 * listener of the thread:
 *
 *     threads THREADS CONNECTS
 *     -> refused N through N served N other N
 *
 * `through` counts self-connections that were not refused. */
#include "common.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum { FIRST_PORT = 50000 };

static atomic_int refused, through, served, other;
static int turns;

static void connect_to_itself(int port)
{
    const struct sockaddr_in own = loopback(port);
    int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");

    if (bind(fd, (const struct sockaddr *)&own, sizeof own) < 0)
        other++;
    else if (connect(fd, (const struct sockaddr *)&own, sizeof own) == 0)
        through++;
    else if (errno == ECONNREFUSED)
        refused++;
    close_at_once(fd);
}

static void connect_to(const struct sockaddr_in *server, int listener)
{
    int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    char answer;

    if (connect(fd, (const struct sockaddr *)server, sizeof *server) == 0) {
        int peer = must(accept(listener, NULL, NULL), "accept");
        send(peer, "!", 1, MSG_NOSIGNAL);
        close(peer);
    }
    if (recv(fd, &answer, 1, 0) == 1 && answer == '!')
        served++;
    else
        other++;
    close_at_once(fd);
}

static void *client(void *port)
{
    struct sockaddr_in server = loopback(0);
    socklen_t length = sizeof server;
    int listener = must(socket(AF_INET, SOCK_STREAM, 0), "socket");

    must(bind(listener, (struct sockaddr *)&server, length), "bind");
    must(listen(listener, 1), "listen");
    must(getsockname(listener, (struct sockaddr *)&server, &length), "getsockname");
    for (int i = 0; i < turns; i++) {
        connect_to_itself((int)(intptr_t)port);
        connect_to(&server, listener);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int threads = argc == 3 ? atoi(argv[1]) : 0;
    pthread_t clients[threads + 1];

    turns = threads > 0 ? atoi(argv[2]) / threads / 2 : 0;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&clients[i], NULL, client, (void *)(intptr_t)(FIRST_PORT + i)) != 0)
            die("pthread_create");
    for (int i = 0; i < threads; i++)
        pthread_join(clients[i], NULL);
    printf("refused %d through %d served %d other %d\n", refused, through, served, other);
    return 0;
}
