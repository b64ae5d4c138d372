/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* pipe2 */
#include "launcher.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Another one could be anything, and would run. A user namespace that does not know root shows
 * another owner of root's files; / then has the same. */
static bool only_root_may_write(const char *loader)
{
    struct stat status, top;

    return stat(loader, &status) == 0 && stat("/", &top) == 0 &&
           (status.st_uid == 0 || status.st_uid == top.st_uid) && (status.st_mode & 022) == 0;
}

const char *loader_list(char *list, size_t size, const struct dry_run *run, const char *preload)
{
    char *end = list + size - 1;
    int ends[2];
    pid_t child = -1;
    ssize_t got;

    if (!only_root_may_write(run->loader))
        return "others than root may write its loader";
    if (pipe2(ends, O_CLOEXEC) == 0 && (child = fork()) == 0) {
        clearenv(); /* but for what decides where the loader looks for libraries */
        setenv("LD_PRELOAD", preload, 1);
        if (run->library_path != NULL)
            setenv("LD_LIBRARY_PATH", run->library_path, 1);
        if (dup2(ends[1], STDOUT_FILENO) >= 0 && dup2(ends[1], STDERR_FILENO) >= 0)
            execl(run->loader, run->loader, "--list", run->program, (char *)NULL);
        _exit(1);
    }
    if (child < 0) /* its descriptors are closed by exec */
        return "no process can be started";
    close(ends[1]);
    while (list < end && (got = read(ends[0], list, (size_t)(end - list))) > 0)
        list += got;
    *list = '\0';
    close(ends[0]);
    waitpid(child, NULL, 0);
    return NULL;
}
