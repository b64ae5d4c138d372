/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* pipe2 */
#include "loader.h"

#include "environment.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_SECONDS = 10 }; /* for a file that keeps the loader busy */

bool loader_is_trusted(const char *loader)
{
    struct stat status, top;

    /* A user namespace that does not know root shows another owner of root's files; / then has the
     * same. */
    return stat(loader, &status) == 0 && stat("/", &top) == 0 &&
           (status.st_uid == 0 || status.st_uid == top.st_uid) && (status.st_mode & 022) == 0;
}

/* The loader gets only those variables that decide where it looks for libraries. */
static void run_loader(const char *loader, const char *program, const char *list,
                       char *const *environment)
{
    const struct rlimit limit = {.rlim_cur = MOST_SECONDS, .rlim_max = MOST_SECONDS};
    char here[PATH_MAX];
    char *const arguments[] = {(char *)loader, (char *)"--list", here, NULL};
    char *const none[] = {NULL};
    const char *search = environment_get(environment, "LD_LIBRARY_PATH");
    char **its_environment = environment_with(none, "LD_PRELOAD", list);

    /* A name without a slash would be looked for among the libraries. */
    snprintf(here, sizeof here, "%s%s", strchr(program, '/') != NULL ? "" : "./", program);
    if (search != NULL)
        its_environment = environment_with(its_environment, "LD_LIBRARY_PATH", search);
    setrlimit(RLIMIT_CPU, &limit);
    execve(loader, arguments, its_environment);
    _exit(EXIT_NOT_FOUND);
}

/* Of a longer answer the beginning, which lists the preloaded libraries; the loader's next write
 * fails. No call is interrupted: this process has no signal handlers. */
static void read_answer(int fd, struct loader_answer *answer)
{
    char *at = answer->text, *end = at + sizeof answer->text - 1;
    ssize_t got;

    while (at < end && (got = read(fd, at, (size_t)(end - at))) > 0)
        at += got;
}

/* Whether a line of the list begins so, after its tabulator. */
static bool lists(const char *text, const char *name, const char *then)
{
    char line[PATH_MAX + 8];

    snprintf(line, sizeof line, "\t%s%s", name, then);
    return strstr(text, line) != NULL;
}

/* The path in a line "libasan.so.8 => /lib/.../libasan.so.8 (0x...)", if there is one. */
static void find_sanitizer(struct loader_answer *answer)
{
    const char *line = strstr(answer->text, "\tlibasan.so.");
    const char *path = line != NULL ? strstr(line, " => /") : NULL;

    if (path == NULL)
        return;
    path += strlen(" => ");
    snprintf(answer->sanitizer, sizeof answer->sanitizer, "%.*s", (int)strcspn(path, " \n"), path);
}

void loader_ask(struct loader_answer *answer, const char *loader, const char *program,
                const char *preload, char *const *environment)
{
    const char *library = strchr(preload, '/');
    int ends[2], status = 0;
    pid_t child;

    *answer = (struct loader_answer){.ran = false};
    if (access(loader, X_OK) != 0)
        return;
    if (pipe2(ends, O_CLOEXEC) != 0 || (child = fork()) < 0)
        fail(EXIT_OWN_FAILURE, NULL, "cannot start a process: %s", strerror(errno));
    if (child == 0) {
        if (dup2(ends[1], STDOUT_FILENO) != STDOUT_FILENO ||
            dup2(ends[1], STDERR_FILENO) != STDERR_FILENO)
            _exit(EXIT_OWN_FAILURE);
        run_loader(loader, program, preload, environment);
    }
    close(ends[1]);
    read_answer(ends[0], answer);
    close(ends[0]);
    waitpid(child, &status, 0);
    answer->ran =
        !(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_FOUND && answer->text[0] == '\0');
    answer->takes_bare_name = lists(answer->text, "libnoselfconn.so", " => ");
    answer->takes_path = lists(answer->text, library, " ");
    find_sanitizer(answer);
}
