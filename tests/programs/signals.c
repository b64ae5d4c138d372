/* SPDX-License-Identifier: MIT */
/* Connects to itself, by a bound port, in a child of vfork(), which shares our memory, then in the
 * parent, then CONNECTS times under a timer whose handler connects too:
 *
 *     signals CONNECTS */
#include "common.h"

#include <sys/time.h>
#include <sys/wait.h>

enum { LONGEST_US = 100 };

static int refused;
static volatile sig_atomic_t handler_refused, handler_other;

/* Returns 0, or the error of connect(). Async-signal-safe. */
static int connect_to_itself(int port)
{
    const struct sockaddr_in own = loopback(port);
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0), error = 0;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&own, sizeof own) < 0 ||
        connect(fd, (const struct sockaddr *)&own, sizeof own) < 0)
        error = errno;
    close(fd);
    return error;
}

static void connect_in_handler(int signal)
{
    int error = errno;

    (void)signal;
    if (connect_to_itself(50002) == ECONNREFUSED)
        handler_refused++;
    else
        handler_other++;
    errno = error;
}

int main(int argc, char **argv)
{
    /* Without SA_RESTART; with a socket timeout connect() is never restarted (signal(7)). */
    const struct sigaction action = {.sa_handler = connect_in_handler};
    int connects = argc == 2 ? atoi(argv[1]) : 0, status;
    pid_t child = vfork(); /* NOLINT(clang-analyzer-*): is tested here */

    if (child == 0)                      /* NOLINT(clang-analyzer-*) */
        _exit(connect_to_itself(50000)); /* NOLINT(clang-analyzer-*) */
    must(waitpid(child, &status, 0), "waitpid");
    printf("child: %s\n", error_name(WEXITSTATUS(status)));
    printf("parent: %s\n", error_name(connect_to_itself(50002)));

    /* One timer for each connect(), each a little later in it. A repeating timer could leave no
     * time between the handlers of a traced program. */
    must(sigaction(SIGALRM, &action, NULL), "sigaction");
    for (int i = 0; i < connects; i++) {
        const struct itimerval timer = {.it_value.tv_usec = 1 + i % LONGEST_US};
        must(setitimer(ITIMER_REAL, &timer, NULL), "setitimer");
        refused += connect_to_itself(50000) == ECONNREFUSED;
    }
    must(setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 0}, NULL), "setitimer");
    printf("refused %d\n", refused);
    printf("in the handler: refused %s other %d\n", handler_refused > 0 ? "some" : "none",
           (int)handler_other);
    return 0;
}
