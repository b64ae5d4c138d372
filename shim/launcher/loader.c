/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* pipe2 */
#include "launcher.h"

#include <fcntl.h>
#include <spawn.h>
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

const char *loader_list(char *list, size_t size, struct dry_run *run, char *preload)
{
    /* A file that is deleted, or never had a name (memfd_create(2)), has its descriptor's. */
    char *arguments[] = {run->loader, (char *)"--list",
                         access(run->program, F_OK) == 0 ? run->program : run->command, NULL};
    char *environment[] = {preload, run->library_path, NULL}, *end = list + size - 1;
    posix_spawn_file_actions_t actions;
    int ends[2], error;
    pid_t child;
    ssize_t got;

    if (!only_root_may_write(run->loader))
        return "others than root may write its loader";
    if (pipe2(ends, O_CLOEXEC) != 0)
        return "no process can be started";
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    error = posix_spawn(&child, run->loader, &actions, NULL, arguments, environment);
    close(ends[1]);
    while (error == 0 && list < end && (got = read(ends[0], list, (size_t)(end - list))) > 0)
        list += got;
    *list = '\0';
    close(ends[0]);
    if (error == 0)
        waitpid(child, NULL, 0);
    return error == 0 ? NULL : "no process can be started";
}
