/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* pipe2 */
#include "launcher.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

/* With the option --list, of glibc's and musl's loaders, and with those variables that decide where
 * it looks for libraries. */
static void run_loader(const char *loader, const char *program, const char *preload,
                       const char *library_path)
{
    const struct rlimit limit = {.rlim_cur = 10, .rlim_max = 10}; /* seconds */

    clearenv();
    set_variable("LD_PRELOAD", preload);
    if (library_path != NULL)
        set_variable("LD_LIBRARY_PATH", library_path);
    setrlimit(RLIMIT_CPU, &limit);
    execl(loader, loader, "--list", program, (char *)NULL);
}

/* Whether a line of the list begins so, after its tabulator. */
static bool lists(const struct loader_answer *answer, const char *name, const char *then)
{
    char line[PATH_MAX + 8];

    snprintf(line, sizeof line, "\t%s%s", name, then);
    return strstr(answer->text, line) != NULL;
}

static void read_answer(struct loader_answer *answer, int fd, const char *library)
{
    char *at = answer->text, *end = at + sizeof answer->text - 1;
    const char *line, *path;
    ssize_t got;

    /* Of a longer answer the beginning, which lists the preloaded libraries. */
    while (at < end && (got = read(fd, at, (size_t)(end - at))) > 0)
        at += got;
    answer->takes_bare_name = lists(answer, "libnoselfconn.so", " => ");
    answer->takes_path = lists(answer, library, " ");
    answer->lacks_library = strstr(answer->text, "not found") != NULL ||
                            strstr(answer->text, "error while loading shared libraries") != NULL ||
                            strstr(answer->text, "Error loading shared library") != NULL;
    line = strstr(answer->text, "\tlibasan.so.");
    path = line != NULL ? strstr(line, "/") : NULL;
    if (path != NULL)
        snprintf(answer->sanitizer, PATH_MAX, "%.*s", (int)strcspn(path, " \n"), path);
}

const char *loader_ask(struct loader_answer *answer, const char *loader, const char *program,
                       const char *preload, const char *library_path)
{
    int ends[2];
    pid_t child = -1;

    *answer = (struct loader_answer){.text = ""};
    if (!only_root_may_write(loader))
        return "others than root may write its loader";
    if (pipe2(ends, O_CLOEXEC) == 0 && (child = fork()) == 0) {
        if (dup2(ends[1], STDOUT_FILENO) >= 0 && dup2(ends[1], STDERR_FILENO) >= 0)
            run_loader(loader, program, preload, library_path);
        _exit(1);
    }
    if (child < 0) /* its descriptors are closed by exec */
        return "no process can be started";
    close(ends[1]);
    read_answer(answer, ends[0], strchr(preload, '/'));
    close(ends[0]);
    waitpid(child, NULL, 0);
    return NULL;
}
