/* SPDX-License-Identifier: MIT */
#include "prove.h"

#include "environment.h"
#include "say.h"
#include "../tracer/trace.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_PORT = 20000, LAST_PORT = 20099 };
enum { CHILD_REFUSED, CHILD_CONNECTED, CHILD_FAILED, CHILD_NOT_STARTED };

/* A socket that is bound to a port of 127.0.0.1: one that the kernel chooses or, where the range of
 * these is used up, another one. Returns -1 with errno. */
static int bound_socket(struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    const struct timeval timeout = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int port = 0;

    do {
        *address = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_port = htons((in_port_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        port = port == 0 ? FIRST_PORT : port + 1;
        if (bind(fd, (struct sockaddr *)address, sizeof *address) == 0 &&
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == 0 &&
            getsockname(fd, (struct sockaddr *)address, &length) == 0)
            return fd;
    } while (errno == EADDRINUSE && port <= LAST_PORT);
    return -1;
}

/* A reset leaves no TIME-WAIT behind (tcp(7), SO_LINGER in socket(7)). */
static void close_at_once(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

/* By the system call itself, which no preload sees. Returns 0, or the error. */
static int connect_without_library(void)
{
    struct sockaddr_in own;
    int fd = bound_socket(&own), error = errno;

    if (fd < 0)
        return error;
    error = syscall(SYS_connect, fd, &own, sizeof own) == 0 ? 0 : errno;
    close_at_once(fd);
    return error;
}

int prove_as_child(void)
{
    struct sockaddr_in own;
    int fd = bound_socket(&own), result, error;

    if (fd < 0)
        return CHILD_FAILED;
    result = connect(fd, (struct sockaddr *)&own, sizeof own);
    error = errno;
    close_at_once(fd);
    return result == 0 ? CHILD_CONNECTED : error == ECONNREFUSED ? CHILD_REFUSED : CHILD_FAILED;
}

/* Returns the child's status, CHILD_FAILED where it has ended otherwise. */
static int run_child(char *const *environment)
{
    char *const arguments[] = {(char *)"noselfconn", (char *)PROVE_OPTION, NULL};
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        execve("/proc/self/exe", arguments, environment);
        _exit(CHILD_NOT_STARTED);
    }
    if (child > 0)
        waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : CHILD_FAILED;
}

/* Returns whether there is something to compare with; says why where there is not. */
static bool connects_without(void)
{
    int error = connect_without_library();

    if (error != 0)
        say("cannot tell: without the library a self-connection on 127.0.0.1 ended otherwise: %s",
            strerror(error));
    return error == 0;
}

static int conclude(int outcome, const char *guardian, char *const *environment)
{
    const char *mode = environment_get(environment, "NOSELFCONN_MODE");

    switch (outcome) {
    case CHILD_REFUSED: break;
    case CHILD_CONNECTED:
        say("NOT PROTECTED: with %s a self-connection was made\n"
            "NOSELFCONN_MODE is '%s'; only observe and off let self-connections stand.",
            guardian, mode != NULL ? mode : "");
        return EXIT_OWN_FAILURE;
    case CHILD_NOT_STARTED:
        say("cannot tell: this program cannot be started once more, under the library\n"
            "Is /proc mounted?");
        return EXIT_OWN_FAILURE;
    default:
        say("cannot tell: the attempt with %s failed otherwise", guardian);
        return EXIT_OWN_FAILURE;
    }
    printf("works: a real self-connection, by noselfconn itself, was refused; without %s it was "
           "made\n",
           guardian);
    return printed();
}

int prove(const char *library, char *const *environment)
{
    if (!connects_without())
        return EXIT_OWN_FAILURE;
    int status = conclude(run_child(environment), "the library", environment);
    if (status != 0)
        return status;
    printf("library: %s\n", library);
    return printed();
}

int prove_traced(char *const *environment)
{
    char why[512];
    const char *what_to_do;

    if (!connects_without())
        return EXIT_OWN_FAILURE;
    what_to_do = trace_begin(environment, why, sizeof why);
    if (what_to_do != NULL)
        fail(EXIT_OWN_FAILURE, what_to_do, "%s", why);
    return conclude(prove_as_child(), "the tracer", environment);
}
