/* SPDX-License-Identifier: MIT */
/* Connects to itself where a signal or a child of vfork() interferes:
 *
 *     signals storm     20,000 times, under a timer whose handler connects too
 *     signals vfork     in a child of vfork(), which shares our memory, then in the parent
 *
 * Each connects to its own port from 50000 on, and prints the result. */
#include "common.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { STORM_CONNECTS = 20000, STORM_LONGEST_US = 100 };

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

/* Without SA_RESTART; with a socket timeout connect() is never restarted (signal(7)). */
static void set_timer(long us)
{
    const struct sigaction action = {.sa_handler = connect_in_handler};
    const struct itimerval timer = {.it_value.tv_usec = us};

    must(sigaction(SIGALRM, &action, NULL), "sigaction");
    must(setitimer(ITIMER_REAL, &timer, NULL), "setitimer");
}

/* One timer for each connect(), each a little later in it. A repeating timer could leave no time
 * between the handlers of a traced program. */
static void under_a_timer_storm(void)
{
    int refused = 0, through = 0, other = 0;

    for (int i = 0; i < STORM_CONNECTS; i++) {
        set_timer(1 + i % STORM_LONGEST_US);
        int error = connect_to_itself(50000);
        refused += error == ECONNREFUSED;
        through += error == 0;
        other += error != ECONNREFUSED && error != 0;
    }
    set_timer(0);
    printf("refused %d through %d other %d\n", refused, through, other);
    printf("in the handler: refused %s other %d\n", handler_refused > 0 ? "some" : "none",
           (int)handler_other);
}

static void in_a_child_of_vfork(void)
{
    int status;
    pid_t child = vfork(); /* NOLINT(clang-analyzer-*): is tested here */

    if (child == 0)                      /* NOLINT(clang-analyzer-*) */
        _exit(connect_to_itself(50000)); /* NOLINT(clang-analyzer-*) */
    must(waitpid(child, &status, 0), "waitpid");
    printf("child: %s\n", error_name(WEXITSTATUS(status)));
    printf("parent: %s\n", error_name(connect_to_itself(50002)));
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";

    if (strcmp(what, "storm") == 0) {
        under_a_timer_storm();
    } else if (strcmp(what, "vfork") == 0) {
        in_a_child_of_vfork();
    } else {
        fprintf(stderr, "usage: signals storm|vfork\n");
        return 2;
    }
    return 0;
}
