/* SPDX-License-Identifier: MIT */
/* Cancels a thread that waits in connect(). */
#include "common.h"

#include <pthread.h>

static struct sockaddr_storage destination;
static socklen_t length;

static void cleanup(void *fd)
{
    printf("cleanup handler: state %s\n", tcp_state_text(*(int *)fd));
}

static void *wait_in_connect(void *fd)
{
    pthread_cleanup_push(cleanup, fd);
    (void)connect(*(int *)fd, (struct sockaddr *)&destination, length);
    pthread_cleanup_pop(0);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    void *result;
    int fd = socket_for(argc, argv, &destination, &length);

    if (pthread_create(&thread, NULL, wait_in_connect, &fd) != 0)
        die("pthread_create");
    while (strstr(endpoint_text(fd, getsockname), ":0") != NULL) /* connect() chooses a port */
        usleep(1000);
    if (pthread_cancel(thread) != 0 || pthread_join(thread, &result) != 0)
        die("pthread_cancel");
    printf("the thread was %s\n", result == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
    return 0;
}
