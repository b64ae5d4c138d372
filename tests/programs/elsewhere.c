/* SPDX-License-Identifier: MIT */
/* Connects a socket made by another program, process or thread, and prints the result:
 *
 *     elsewhere HOW ADDRESS PORT      HOW: exec, begun, pending, rights, thread, dup or
 *                                      reused
 *
 * `reused`: before connect() returns, another thread replaces the descriptor by a listener on that
 * port (with a preload that makes connect() return late).
 *
 * `begun` is exec after the connection has begun, `pending` the same with a non-blocking socket.
 * The program after exec has PRELOAD_AFTER_EXEC of the environment as its LD_PRELOAD. */
#include "common.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

static struct sockaddr_storage destination;
static socklen_t length;

static int make_socket(void)
{
    return must(socket(destination.ss_family, SOCK_STREAM, 0), "socket");
}

static void connect_and_print(int fd)
{
    int result = connect(fd, (struct sockaddr *)&destination, length);

    print_outcome(fd, result < 0 ? errno : 0);
}

static void by_exec(char **argv, bool begun, bool nonblocking)
{
    int fd = make_socket();
    const char *preload = getenv("PRELOAD_AFTER_EXEC");
    char number[16];

    if (begun) {
        must(fcntl(fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
        if (connect(fd, (struct sockaddr *)&destination, length) == 0 || errno != EINPROGRESS)
            die("a connection that should be pending");
        must(fcntl(fd, F_SETFL, nonblocking ? O_NONBLOCK : 0), "O_NONBLOCK");
    }
    if (preload != NULL)
        must(setenv("LD_PRELOAD", preload, 1), "setenv");
    snprintf(number, sizeof number, "%d", fd);
    execlp(argv[0], argv[0], number, argv[2], argv[3], (char *)NULL);
    die("exec");
}

union rights {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

static void send_descriptor(int channel, int fd)
{
    union rights rights;
    struct iovec data = {.iov_base = "x", .iov_len = 1};
    const struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof rights};

    rights.header = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
    memcpy(CMSG_DATA(&rights.header), &fd, sizeof fd);
    must((int)sendmsg(channel, &message, 0), "sendmsg");
}

static int receive_descriptor(int channel)
{
    union rights rights;
    char byte;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof rights};
    int fd;

    must((int)recvmsg(channel, &message, 0), "recvmsg");
    memcpy(&fd, CMSG_DATA(&rights.header), sizeof fd);
    return fd;
}

/* unix(7), SCM_RIGHTS */
static void by_rights(void)
{
    int channel[2], status;

    must(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), "socketpair");
    if (must(fork(), "fork") == 0) {
        send_descriptor(channel[1], make_socket());
        _exit(0);
    }
    must(wait(&status), "wait");
    connect_and_print(receive_descriptor(channel[0]));
}

static void *make_socket_in_thread(void *fd)
{
    *(int *)fd = make_socket();
    return NULL;
}

static void by_thread(void)
{
    pthread_t thread;
    int fd;

    if (pthread_create(&thread, NULL, make_socket_in_thread, &fd) != 0 ||
        pthread_join(thread, NULL) != 0)
        die("pthread_create");
    connect_and_print(fd);
}

static void by_dup(void)
{
    int fd = make_socket(), other_fd = must(dup(fd), "dup");

    close(fd);
    connect_and_print(other_fd);
}

static void *give_number_to_listener(void *number)
{
    int fd = *(int *)number, listener;

    poll(NULL, 0, 100);
    listener = make_socket();
    close_at_once(fd);
    must(bind(listener, (struct sockaddr *)&destination, length), "bind");
    must(listen(listener, 1), "listen");
    must(dup2(listener, fd), "dup2");
    return NULL;
}

static void by_reused_number(void)
{
    pthread_t thread;
    int fd = make_socket();

    if (pthread_create(&thread, NULL, give_number_to_listener, &fd) != 0)
        die("pthread_create");
    connect_and_print(fd);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: elsewhere HOW ADDRESS PORT\n");
        return 2;
    }
    length = parse_address(argv[2], argv[3], &destination);
    if (strcmp(argv[1], "exec") == 0)
        by_exec(argv, false, false);
    else if (strcmp(argv[1], "begun") == 0)
        by_exec(argv, true, false);
    else if (strcmp(argv[1], "pending") == 0)
        by_exec(argv, true, true);
    else if (strcmp(argv[1], "rights") == 0)
        by_rights();
    else if (strcmp(argv[1], "thread") == 0)
        by_thread();
    else if (strcmp(argv[1], "dup") == 0)
        by_dup();
    else if (strcmp(argv[1], "reused") == 0)
        by_reused_number();
    else
        connect_and_print(atoi(argv[1])); /* after by_exec() */
    return 0;
}
