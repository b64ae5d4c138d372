/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* ST_NOSUID */
#include "launcher.h"
#include "say.h"

#include <elf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TRACE "To protect it, run it traced: noselfconn --trace COMMAND\n"
#define CANNOT "cannot tell whether this loads the library:"
#define PRELOAD "cannot preload into"
#define FORCE "To run it unprotected: noselfconn --force COMMAND"
#define RESERVE "Reserve the port instead: noselfconn-audit PORT says how."
#define INSTALL "Or install the library for it, too: make install-library CC=... BUILD=..."
#define SECURE "it has more rights than its caller (setuid, setgid, file capabilities), "

static void conclude(struct judgement *judgement, int verdict, const char *what_to_do,
                     const char *what, const char *name, const char *why)
{
    judgement->verdict = verdict;
    judgement->what_to_do = what_to_do;
    snprintf(judgement->text, sizeof judgement->text, "%s %s: %s", what, name, why);
}

static void agree(struct judgement *judgement, const char *name, const char *words)
{
    judgement->verdict = YES;
    snprintf(judgement->text, sizeof judgement->text, "%s %s", name, words);
}

/* The first line of a file that was named by its path; NULL if there is none. */
static char *first_line(const char *path)
{
    static char line[512];
    FILE *file = strchr(path, '/') != NULL ? fopen(path, "re") : NULL;

    if (file == NULL || fgets(line, sizeof line, file) == NULL)
        return file != NULL ? strcpy(line, "") : NULL;
    line[strcspn(line, "\n")] = '\0';
    return line;
}

/* execve(2) says ENOENT for a file that is there, too, if its interpreter or loader is not. */
static void judge_missing(struct judgement *judgement, const char *name)
{
    const char *line = first_line(name);
    char why[600];

    if (line == NULL) {
        snprintf(judgement->text, sizeof judgement->text, "command not found: %s", name);
    } else if (strncmp(line, "#!", 2) != 0) {
        conclude(judgement, NO, "Install it: 'file' names it.", "cannot run", name,
                 "its loader is missing");
    } else {
        snprintf(why, sizeof why, "its interpreter is missing: %s", line);
        conclude(judgement, NO,
                 strchr(line, '\r') == NULL
                     ? "Install it, or correct the first line of the script."
                     : "Its lines end with a carriage return (\\r): remove those.",
                 "cannot run", name, why);
    }
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

static void judge_by_loader(struct judgement *judgement, const struct launch *launch,
                            const struct dry_run *run)
{
    static struct loader_answer answer;
    static char preload[2 * PATH_MAX], words[16384];
    const char *why;

    snprintf(preload, sizeof preload, "%s%s", launch->is_installed ? "libnoselfconn.so:" : "",
             launch->library);
    why = loader_ask(&answer, run->loader, run->program, preload, run->library_path);
    judgement->by_bare_name = launch->is_installed && answer.takes_bare_name;
    memcpy(judgement->sanitizer, answer.sanitizer, PATH_MAX);
    snprintf(words, sizeof words, "%s, %s, %s:\n%s", "its loader", run->loader,
             answer.lacks_library ? "does not find a shared library" : "does not load this one",
             answer.text);
    if (why != NULL)
        conclude(judgement, CANNOT_TELL, NULL, CANNOT, run->program, why);
    else if (answer.lacks_library)
        conclude(judgement, NO, "Install it; without it the program does not run.", PRELOAD,
                 run->program, words);
    else if (answer.takes_path || judgement->by_bare_name)
        agree(judgement, run->command, "loads the library; what it starts is not checked");
    else
        conclude(judgement, NO, TRACE INSTALL, PRELOAD, run->program, words);
}

static void judge_preload(struct judgement *judgement, const struct launch *launch,
                          const struct dry_run *run, const char *name)
{
    const bool is_static = run->loader[0] == '\0';

    if (run->result != DRY_RUN_DONE)
        conclude(judgement, CANNOT_TELL, NULL, CANNOT, name, run->why);
    else if ((run->is_go || is_static) && runner_starts_others(base_name(run->program)))
        conclude(judgement, CANNOT_TELL, NULL, CANNOT, run->program,
                 "it may start what is not static");
    else if (run->is_go)
        conclude(judgement, NO, TRACE FORCE, PRELOAD, run->program,
                 "it is a Go program, which calls the kernel without libc");
    else if (is_static)
        conclude(judgement, NO, TRACE FORCE, PRELOAD, run->program, "it is statically linked");
    else if (is_secure(run))
        conclude(judgement, NO, RESERVE, PRELOAD, run->program,
                 SECURE "so its loader ignores LD_PRELOAD");
    else if (run->preload == NULL || strstr(run->preload, launch->library) == NULL)
        conclude(judgement, NO, TRACE "Or put noselfconn after env: env ... noselfconn COMMAND",
                 PRELOAD, run->program, "env drops LD_PRELOAD");
    else
        judge_by_loader(judgement, launch, run);
}

/* A tracer reaches every program, but one that is traced does not get the rights that a setuid file
 * or a file capability gives (execve(2)). Where nothing can be traced, the tracer says so. */
static void judge_traced(struct judgement *judgement, const struct dry_run *run, const char *name)
{
    if (run->result == DRY_RUN_UNREADABLE)
        conclude(judgement, NO, RESERVE, "cannot trace", name, run->why);
    else if (run->result == DRY_RUN_DONE && is_secure(run) && may_get_rights())
        conclude(judgement, NO, run->runner != NULL ? run->runner->what_to_do : RESERVE,
                 "cannot trace", run->program, SECURE "and traced it would not get those rights");
    else if (run->bits == 64 && sizeof(void *) == 4)
        conclude(judgement, NO, "Build noselfconn for it: make CC=...", "cannot trace",
                 run->program, "it has 64 bits, and this noselfconn 32");
    else
        agree(judgement, name, "can be traced, with all that it starts");
}

void judge(struct judgement *judgement, const struct launch *launch, char *const *arguments)
{
    static struct dry_run run;
    const char *name = arguments[0];

    *judgement = (struct judgement){.verdict = NO, .status = EXIT_OWN_FAILURE};
    dry_run(&run, arguments);
    if (run.runner == NULL)
        run.runner = runner_find(base_name(name));
    /* execvp(3) hands what the kernel does not take to the shell, foreign programs too. */
    if (strcmp(run.command, "/bin/sh") == 0 &&
        strcmp(base_name(run.argument), base_name(name)) == 0 && first_line(run.argument) != NULL &&
        strncmp(first_line(run.argument), ELFMAG, SELFMAG) == 0)
        run = (struct dry_run){.result = DRY_RUN_FAILED, .error = ENOEXEC};
    if (run.result == DRY_RUN_FAILED) {
        judgement->status = run.error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
        if (run.error == ENOENT)
            judge_missing(judgement, name);
        else
            conclude(judgement, NO, NULL, "cannot run", name, strerror(run.error));
    } else if (run.runner != NULL && (!launch->is_traced || run.runner->is_untraceable)) {
        conclude(judgement, NO, run.runner->what_to_do, "refused", run.runner->name,
                 run.runner->why);
    } else if (launch->is_traced) {
        judge_traced(judgement, &run, name);
    } else {
        judge_preload(judgement, launch, &run, name);
    }
}
