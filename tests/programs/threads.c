/* SPDX-License-Identifier: MIT */
/* Connects from many threads at once, in turn to itself (each thread with its own port) and to a
 * server in the same process:
 *
 *     threads THREADS CONNECTS
 *     -> refused N through N served N harmed N bind-failed N
 *
 * `through` counts self-connections that were not refused, `harmed` connections without the
 * server's answer. */
#include "common.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum { FIRST_PORT = 50000, ACCEPTORS = 4, BACKLOG = 1024 };

static atomic_int refused, through, served, harmed, bind_failed;
static struct sockaddr_in server;
static int listener, turns;

static void connect_to_itself(int port)
{
    const struct sockaddr_in own = loopback(port);
    int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");

    if (bind(fd, (const struct sockaddr *)&own, sizeof own) < 0)
        bind_failed++;
    else if (connect(fd, (const struct sockaddr *)&own, sizeof own) == 0)
        through++;
    else if (errno == ECONNREFUSED)
        refused++;
    close_at_once(fd);
}

static void connect_to_server(void)
{
    int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    char answer;

    if (connect(fd, (const struct sockaddr *)&server, sizeof server) == 0 &&
        recv(fd, &answer, 1, 0) == 1 && answer == '!')
        served++;
    else
        harmed++;
    close_at_once(fd);
}

static void *client(void *port)
{
    for (int i = 0; i < turns; i++) {
        connect_to_itself((int)(intptr_t)port);
        connect_to_server();
    }
    return NULL;
}

static void *acceptor(void *unused)
{
    (void)unused;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        send(fd, "!", 1, MSG_NOSIGNAL);
        close(fd);
    }
    return NULL;
}

static void start_server(void)
{
    socklen_t length = sizeof server;
    pthread_t thread;

    server = loopback(0);
    listener = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    must(bind(listener, (struct sockaddr *)&server, sizeof server), "bind the server");
    must(listen(listener, BACKLOG), "listen");
    must(getsockname(listener, (struct sockaddr *)&server, &length), "getsockname");
    for (int i = 0; i < ACCEPTORS; i++) {
        if (pthread_create(&thread, NULL, acceptor, NULL) != 0)
            die("pthread_create");
        pthread_detach(thread);
    }
}

int main(int argc, char **argv)
{
    int threads = argc == 3 ? atoi(argv[1]) : 0;

    if (threads < 1) {
        fprintf(stderr, "usage: threads THREADS CONNECTS\n");
        return 2;
    }
    turns = atoi(argv[2]) / threads / 2;
    start_server();
    pthread_t clients[threads];
    for (int i = 0; i < threads; i++)
        if (pthread_create(&clients[i], NULL, client, (void *)(intptr_t)(FIRST_PORT + i)) != 0)
            die("pthread_create");
    for (int i = 0; i < threads; i++)
        pthread_join(clients[i], NULL);
    printf("refused %d through %d served %d harmed %d bind-failed %d\n", refused, through, served,
           harmed, bind_failed);
    return 0;
}
