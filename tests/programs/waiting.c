/* SPDX-License-Identifier: MIT */
/* Connects while another thread waits in the same socket:
 *
 *     waiting receiver ADDRESS PORT     in recv(); needs a preload that makes connect() return late
 *     waiting sender ADDRESS PORT       in send(), while the SYNs are lost; then connect() is
 *                                       interrupted
 *
 * Prints the results of both threads and the socket's state; with a sender also, after a line of
 * input, the state 5 seconds later. No guard intercepts this send(). */
#include "common.h"

#include <pthread.h>

static struct sockaddr_storage destination;
static socklen_t length;
static int fd, other_result, other_error;

static int connect_once(void)
{
    return connect(fd, (struct sockaddr *)&destination, length);
}

/* recv() fails until the socket is connected. */
static void *receive(void *unused)
{
    char byte;

    (void)unused;
    do {
        other_result = (int)recv(fd, &byte, 1, 0);
        other_error = errno;
    } while (other_result < 0 && other_error == ENOTCONN);
    return NULL;
}

/* Waits for the pending connection (sk_stream_wait_connect). */
static void *send_too(void *unused)
{
    (void)unused;
    poll(NULL, 0, 200);
    other_result = (int)send(fd, "x", 1, MSG_NOSIGNAL);
    other_error = errno;
    return NULL;
}

static void print_result(const char *who, int result, int error)
{
    printf("%s: %s\n", who, result < 0 ? error_name(error) : "0");
}

int main(int argc, char **argv)
{
    bool receiver = argc > 1 && strcmp(argv[1], "receiver") == 0;
    pthread_t other;
    int result;

    fd = socket_for(argc - 1, argv + 1, &destination, &length);
    if (pthread_create(&other, NULL, receiver ? receive : send_too, NULL) != 0)
        die("pthread_create");
    if (!receiver)
        interrupt_after(900); /* the kernel prefers the main thread for it (complete_signal) */
    result = connect_once();
    print_result("connect", result, errno);
    if (receiver) {
        pthread_join(other, NULL);
        print_result("the other", other_result, other_error);
    }
    printf("state: %s\n", tcp_state_text(fd));
    fflush(stdout);
    if (receiver) {
        *port_of(&destination) = htons((in_port_t)(ntohs(*port_of(&destination)) + 100));
        print_result("connect to another", connect_once(), errno);
    } else {
        getchar();
        poll(NULL, 0, 5000);
        printf("later: %s\n", tcp_state_text(fd));
    }
    return 0;
}
