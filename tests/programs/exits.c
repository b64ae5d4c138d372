/* SPDX-License-Identifier: MIT */
/* Counts processes and threads that are not gone when they should be:
 *
 *     exits COUNT
 *
 * prints how many of COUNT processes cannot be waited for although their pidfd reports their end,
 * and how many of COUNT joined threads are still in /proc/self/task. */
#include "common.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { PIDFD_OPEN = 434, BY_PIDFD = 3 /* P_PIDFD */, STATUS = 7 };

static bool is_missing(void)
{
    siginfo_t info = {.si_pid = 0};
    pid_t child = must(fork(), "fork");

    if (child == 0) {
        poll(NULL, 0, 1);
        _exit(STATUS);
    }
    struct pollfd end = {.fd = must((int)syscall(PIDFD_OPEN, child, 0), "pidfd_open"),
                         .events = POLLIN};
    poll(&end, 1, -1);
    bool missing = waitid((idtype_t)BY_PIDFD, (id_t)end.fd, &info, WEXITED | WNOHANG) != 0 ||
                   info.si_pid != child || info.si_status != STATUS;
    if (missing)
        waitpid(child, NULL, 0);
    close(end.fd);
    return missing;
}

static void *end_at_once(void *unused)
{
    return unused;
}

static bool is_still_there(void)
{
    pthread_t thread;
    int entries = 0;

    if (pthread_create(&thread, NULL, end_at_once, NULL) != 0 || pthread_join(thread, NULL) != 0)
        die("thread");
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL)
        die("/proc/self/task");
    while (readdir(tasks) != NULL)
        entries++;
    closedir(tasks);
    return entries > 3; /* with . and .. */
}

int main(int argc, char **argv)
{
    int count = argc == 2 ? atoi(argv[1]) : 0, missing = 0, still_there = 0;

    for (int i = 0; i < count; i++) {
        missing += is_missing();
        still_there += is_still_there();
    }
    printf("%d missing %d still-there %d\n", count, missing, still_there);
    return 0;
}
