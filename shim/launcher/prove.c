/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "../tracer/trace.h"
#include "launcher.h"
#include "say.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { FIRST_PORT = 20000, LAST_PORT = 20099 };
enum { CHILD_CONNECTED, CHILD_NOT_STARTED = 255 }; /* in between: an error of connect() */

/* As connect(2), but a system call that no preload sees. */
static int raw_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    return (int)syscall(SYS_connect, fd, address, length);
}

/* Binds a socket to a port of 127.0.0.1, one that the kernel chooses or, where none of those is
 * left, another one, and connects it to itself. Returns 0, or the error. */
static int connect_to_itself(int (*connect)(int, const struct sockaddr *, socklen_t))
{
    const struct timeval timeout = {.tv_sec = 5};
    const struct linger reset = {.l_onoff = 1}; /* a reset leaves no TIME-WAIT (socket(7)) */
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof own;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), error = 0, port = FIRST_PORT;

    while (error == 0 && bind(fd, (struct sockaddr *)&own, length) != 0) {
        error = errno == EADDRINUSE && port <= LAST_PORT ? 0 : errno;
        own.sin_port = htons((in_port_t)port++);
    }
    if (error == 0 && (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) != 0 ||
                       setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0 ||
                       getsockname(fd, (struct sockaddr *)&own, &length) != 0 ||
                       connect(fd, (struct sockaddr *)&own, length) != 0))
        error = errno;
    close(fd);
    return error;
}

int prove_as_child(void)
{
    return connect_to_itself(connect);
}

/* Returns what the child returns, CHILD_NOT_STARTED for any other end. */
static int run_child(void)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        execl("/proc/self/exe", "noselfconn", "--" PROVE_OPTION, (char *)NULL);
        _exit(CHILD_NOT_STARTED);
    }
    if (child > 0)
        waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : CHILD_NOT_STARTED;
}

void prove(bool is_traced)
{
    const char *guard = is_traced ? "the tracer" : "the library", *mode = getenv("NOSELFCONN_MODE");
    const char *what_to_do = NULL;
    char why[512];
    int outcome = connect_to_itself(raw_connect);

    if (outcome != 0)
        fail(EXIT_CANNOT_TELL, NULL, "cannot tell: cannot self-connect on 127.0.0.1 without %s: %s",
             guard, strerror(outcome));
    if (is_traced)
        what_to_do = trace_begin(why, sizeof why);
    if (what_to_do != NULL)
        fail(EXIT_OWN_FAILURE, what_to_do, "%s", why);
    outcome = is_traced ? prove_as_child() : run_child();
    if (outcome == CHILD_CONNECTED)
        fail(EXIT_OWN_FAILURE, "NOSELFCONN_MODE=observe and off let self-connections stand.",
             "NOT PROTECTED: with %s a self-connection was made (NOSELFCONN_MODE is '%s')", guard,
             mode != NULL ? mode : "");
    if (outcome != ECONNREFUSED)
        fail(EXIT_CANNOT_TELL, outcome == CHILD_NOT_STARTED ? "Is /proc mounted?" : NULL,
             "cannot tell: unexpected error with %s: %s", guard,
             outcome == CHILD_NOT_STARTED ? "this program cannot be started" : strerror(outcome));
    printf("works: a real self-connection was refused (it succeeds without %s)\n", guard);
}
