/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* ST_NOSUID */
#include "judge.h"

#include "dry_run.h"
#include "loader.h"
#include "runners.h"
#include "say.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TRACE "To protect it, run it traced: noselfconn --trace COMMAND\n"
#define FORCE "To run it unprotected: noselfconn --force COMMAND"
static const char reserve_the_port[] = "Reserve the port instead: noselfconn-audit PORT says how.";

__attribute__((format(printf, 4, 5))) static void
conclude(struct judgement *judgement, int verdict, const char *what_to_do, const char *format, ...)
{
    va_list list;

    judgement->verdict = verdict;
    judgement->what_to_do = what_to_do;
    va_start(list, format);
    vsnprintf(judgement->text, sizeof judgement->text, format, list);
    va_end(list);
}

/* execve(2) says ENOENT for a file that is there, too, if its interpreter or loader is not. */
static void judge_missing(struct judgement *judgement, const char *name)
{
    const char *folders = strchr(name, '/') != NULL ? "" : getenv("PATH");
    char path[PATH_MAX], line[256] = "";
    FILE *file = NULL;

    while (file == NULL && folders != NULL && name[0] != '\0') {
        int length = (int)strcspn(folders, ":");

        snprintf(path, sizeof path, "%.*s%s%s", length, folders, length > 0 ? "/" : "", name);
        file = fopen(path, "re");
        folders = folders[length] == ':' ? folders + length + 1 : NULL;
    }
    if (file == NULL)
        conclude(judgement, NO, NULL, "command not found: %s", name);
    else if (fgets(line, sizeof line, file) == NULL || strncmp(line, "#!", 2) != 0)
        conclude(judgement, NO, "Install it: 'file' names it.",
                 "cannot run %s: its loader is missing", path);
    else
        conclude(judgement, NO,
                 strchr(line, '\r') == NULL
                     ? "Install it, or correct the first line of the script."
                     : "Its lines end with a carriage return (\\r): remove those.",
                 "cannot run %s: its interpreter is missing: %.*s", path, (int)strcspn(line, "\n"),
                 line);
}

static bool may_get_rights(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) == 0;
}

/* AT_SECURE of a process that is traced does not show capabilities that a file only permits: the
 * kernel takes them away before it compares (cap_bprm_creds_from_file). */
static bool is_secure(const struct dry_run *run)
{
    struct vfs_ns_cap_data file = {.magic_etc = 0};
    struct statvfs file_system;

    return run->is_secure ||
           (geteuid() != 0 && may_get_rights() &&
            getxattr(run->program, "security.capability", &file, sizeof file) > 0 &&
            (file.data[0].permitted | file.data[1].permitted) != 0 &&
            statvfs(run->program, &file_system) == 0 && (file_system.f_flag & ST_NOSUID) == 0);
}

static const char *what_gives_rights(const char *path)
{
    struct stat status = {.st_mode = 0};

    if (stat(path, &status) == 0 && (status.st_mode & (S_ISUID | S_ISGID)) != 0)
        return (status.st_mode & S_ISUID) != 0 ? "it is setuid" : "it is setgid";
    if (getxattr(path, "security.capability", NULL, 0) > 0)
        return "it has file capabilities";
    return "the kernel runs it in secure-execution mode";
}

static void judge_by_loader(struct judgement *judgement, const struct launch *launch,
                            const struct dry_run *run)
{
    static struct loader_answer answer;
    char preload[PATH_MAX + 32];
    const char *why;

    snprintf(preload, sizeof preload, "%s%s", launch->is_installed ? "libnoselfconn.so:" : "",
             launch->library);
    why = loader_ask(&answer, run->loader, run->program, preload, run->library_path);
    judgement->by_bare_name = launch->is_installed && answer.takes_bare_name;
    memcpy(judgement->sanitizer, answer.sanitizer, PATH_MAX);
    if (why != NULL)
        conclude(judgement, CANNOT_TELL, NULL, "%s: %s: %s", run->command, why, run->loader);
    else if (answer.lacks_library)
        conclude(judgement, NO, "Install it; without it the program does not run.",
                 "cannot preload into %s: it lacks a shared library; its loader says:\n%s",
                 run->program, answer.text);
    else if (answer.takes_path || judgement->by_bare_name)
        conclude(judgement, YES, NULL, "%s loads the library; what it starts is not checked",
                 run->command);
    else
        conclude(judgement, NO,
                 TRACE "Or install the library for it, too: make install-library CC=... BUILD=...",
                 "cannot preload into %s: its loader, %s, cannot load %s:\n%s", run->program,
                 run->loader, launch->library, answer.text);
}

static void judge_program(struct judgement *judgement, const struct launch *launch,
                          const struct dry_run *run)
{
    const bool is_static = run->loader[0] == '\0';

    if ((run->is_go || is_static) && runner_starts_others(base_name(run->program)))
        conclude(judgement, CANNOT_TELL, NULL, "%s: it is static, but may start what is not",
                 run->program);
    else if (run->is_go)
        conclude(judgement, NO, TRACE FORCE,
                 "cannot preload into %s: it is a Go program, which calls the kernel without libc",
                 run->program);
    else if (is_static)
        conclude(judgement, NO, TRACE FORCE, "cannot preload into %s: it is statically linked",
                 run->program);
    else if (is_secure(run))
        conclude(judgement, NO, reserve_the_port,
                 "cannot preload into %s: %s, so its loader ignores LD_PRELOAD", run->program,
                 what_gives_rights(run->program));
    else if (run->preload == NULL || strstr(run->preload, launch->library) == NULL)
        conclude(judgement, NO, TRACE "Or put noselfconn after env: env ... noselfconn COMMAND",
                 "cannot preload into %s: env drops LD_PRELOAD", run->program);
    else
        judge_by_loader(judgement, launch, run);
}

/* A tracer reaches every program, but one that is traced does not get the rights that a setuid file
 * or a file capability gives (execve(2)). Where nothing can be traced, the tracer says so. */
static void judge_traced(struct judgement *judgement, const struct dry_run *run, const char *name)
{
    if (run->result == DRY_RUN_UNREADABLE)
        conclude(judgement, NO, reserve_the_port, "cannot trace %s: it cannot be read", name);
    else if (run->result == DRY_RUN_DONE && is_secure(run) && may_get_rights())
        conclude(judgement, NO, run->runner != NULL ? run->runner->what_to_do : reserve_the_port,
                 "cannot trace %s: %s, and traced it would not get those rights", run->program,
                 what_gives_rights(run->program));
    else if (run->bits == 64 && sizeof(void *) == 4)
        conclude(judgement, NO, "Build noselfconn for it: make CC=...",
                 "cannot trace %s: it has 64 bits, and this noselfconn 32", run->program);
    else
        conclude(judgement, YES, NULL, "%s is traced, and all that it starts", name);
}

void judge(struct judgement *judgement, const struct launch *launch, char *const *arguments)
{
    static struct dry_run run;
    const char *name = arguments[0];

    *judgement = (struct judgement){.status = EXIT_OWN_FAILURE};
    dry_run(&run, arguments);
    if (run.runner == NULL)
        run.runner = runner_find(base_name(name));
    if (run.result == DRY_RUN_FAILED)
        judgement->status = run.error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    if (judgement->status == EXIT_NOT_FOUND)
        judge_missing(judgement, name);
    else if (judgement->status == EXIT_NOT_EXECUTABLE)
        conclude(judgement, NO, NULL, "cannot run %s: %s", name, strerror(run.error));
    else if (run.runner != NULL && (!launch->is_traced || run.runner->is_untraceable))
        conclude(judgement, NO, run.runner->what_to_do, "refused: %s %s", run.runner->name,
                 run.runner->why);
    else if (launch->is_traced)
        judge_traced(judgement, &run, name);
    else if (run.result != DRY_RUN_DONE)
        conclude(judgement, CANNOT_TELL, NULL, "%s: %s", name, run.why);
    else
        judge_program(judgement, launch, &run);
}
