/* SPDX-License-Identifier: MIT */
/* How long a call takes, in nanoseconds, on average over COUNT calls:
 *
 *     calls connect COUNT    TCP over loopback, to a listener of this process
 *     calls refused COUNT    TCP to a port of 127.0.0.1 on which nobody listens
 *     calls unix COUNT       AF_UNIX, datagrams
 *     calls sendto COUNT     UDP over loopback, without MSG_FASTOPEN
 *     calls getppid COUNT    the least that a system call can take
 *     calls signal COUNT     SIGUSR1 to itself, with a handler
 *
 * Of `connect` and `refused` only connect() itself is timed, not what has to be done around it.
 *
 *     calls threads N MS     N threads connect for MS milliseconds: connects per second
 *     calls start COUNT COMMAND    microseconds to start COMMAND, and to see it end */
#include "../programs/common.h"

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static atomic_bool time_is_over;
static atomic_long connects_of_all;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int bound_socket(int type, struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    int fd = must(socket(AF_INET, type, 0), "socket");

    *address = loopback(0);
    must(bind(fd, (struct sockaddr *)address, length), "bind");
    must(getsockname(fd, (struct sockaddr *)address, &length), "getsockname");
    return fd;
}

static int64_t timed_connect(const struct sockaddr_in *server, int expected_error)
{
    int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    int64_t start = now_ns();
    int result = connect(fd, (const struct sockaddr *)server, sizeof *server);
    int64_t took = now_ns() - start;

    if ((result < 0 ? errno : 0) != expected_error)
        die("connect");
    close_at_once(fd);
    return took;
}

static int64_t connect_once(int listener, const struct sockaddr_in *server)
{
    int64_t took = timed_connect(server, 0);
    close(must(accept(listener, NULL, NULL), "accept"));
    return took;
}

static int64_t time_connect(int count)
{
    struct sockaddr_in server;
    int listener = bound_socket(SOCK_STREAM, &server);
    int64_t took = 0;

    must(listen(listener, 16), "listen");
    for (int i = 0; i < count; i++)
        took += connect_once(listener, &server);
    return took;
}

static int64_t time_refused(int count)
{
    const struct sockaddr_in nobody = loopback(1);
    int64_t took = 0;

    for (int i = 0; i < count; i++)
        took += timed_connect(&nobody, ECONNREFUSED);
    return took;
}

static int64_t time_unix(int count)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = sizeof address;
    int server = must(socket(AF_UNIX, SOCK_DGRAM, 0), "socket");
    int client = must(socket(AF_UNIX, SOCK_DGRAM, 0), "socket");
    int64_t start;

    /* The kernel finds an abstract name. */
    must(bind(server, (struct sockaddr *)&address, sizeof address.sun_family), "bind");
    must(getsockname(server, (struct sockaddr *)&address, &length), "getsockname");
    start = now_ns();
    for (int i = 0; i < count; i++)
        must(connect(client, (struct sockaddr *)&address, length), "connect");
    return now_ns() - start;
}

static int64_t time_sendto(int count)
{
    struct sockaddr_in receiver;
    int client = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");
    int64_t start;

    bound_socket(SOCK_DGRAM, &receiver);
    start = now_ns();
    for (int i = 0; i < count; i++) /* what does not fit any more is dropped */
        must((int)sendto(client, "x", 1, 0, (struct sockaddr *)&receiver, sizeof receiver),
             "sendto");
    return now_ns() - start;
}

static int64_t time_getppid(int count)
{
    int64_t start = now_ns();

    for (int i = 0; i < count; i++)
        syscall(SYS_getppid);
    return now_ns() - start;
}

static void ignore(int signal)
{
    (void)signal;
}

static int64_t time_signal(int count)
{
    const struct sigaction action = {.sa_handler = ignore};
    int64_t start;

    must(sigaction(SIGUSR1, &action, NULL), "sigaction");
    start = now_ns();
    for (int i = 0; i < count; i++)
        raise(SIGUSR1);
    return now_ns() - start;
}

static void *connect_until_time_is_over(void *unused)
{
    struct sockaddr_in server;
    int listener = bound_socket(SOCK_STREAM, &server);
    long connects = 0;

    (void)unused;
    must(listen(listener, 16), "listen");
    for (; !time_is_over; connects++)
        connect_once(listener, &server);
    connects_of_all += connects;
    return NULL;
}

static double connects_per_second(int threads, int ms)
{
    pthread_t clients[threads];
    int64_t start = now_ns();

    for (int i = 0; i < threads; i++)
        if (pthread_create(&clients[i], NULL, connect_until_time_is_over, NULL) != 0)
            die("pthread_create");
    poll(NULL, 0, ms);
    time_is_over = true;
    for (int i = 0; i < threads; i++)
        pthread_join(clients[i], NULL);
    return (double)connects_of_all * 1e9 / (double)(now_ns() - start);
}

/* The command gets LD_PRELOAD from START_PRELOAD: this program's own start is none of the matter.
 */
static double microseconds_to_start(int count, char **command)
{
    const char *preload = getenv("START_PRELOAD");
    int64_t start;

    if (preload != NULL)
        setenv("LD_PRELOAD", preload, 1);
    start = now_ns();
    for (int i = 0; i < count; i++) {
        pid_t child;
        int status;
        if (posix_spawnp(&child, command[0], NULL, NULL, command, environ) != 0)
            die(command[0]);
        must(waitpid(child, &status, 0), "waitpid");
        if (status != 0)
            exit(2);
    }
    return (double)(now_ns() - start) / 1e3 / count;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int64_t (*time)(int count);
    } calls[] = {{"connect", time_connect}, {"refused", time_refused}, {"unix", time_unix},
                 {"sendto", time_sendto},   {"getppid", time_getppid}, {"signal", time_signal}};
    int count = argc > 2 ? atoi(argv[2]) : 0;

    for (size_t i = 0; argc == 3 && i < sizeof calls / sizeof *calls; i++)
        if (strcmp(argv[1], calls[i].name) == 0) {
            printf("%.1f\n", (double)calls[i].time(count) / count);
            return 0;
        }
    if (argc == 4 && strcmp(argv[1], "threads") == 0)
        printf("%.0f\n", connects_per_second(count, atoi(argv[3])));
    else if (argc == 4 && strcmp(argv[1], "start") == 0)
        printf("%.1f\n", microseconds_to_start(count, argv + 3));
    else {
        fprintf(stderr, "usage: calls connect|refused|unix|sendto|getppid|signal COUNT\n"
                        "       calls threads N MS\n"
                        "       calls start COUNT COMMAND\n");
        return 2;
    }
    return 0;
}
