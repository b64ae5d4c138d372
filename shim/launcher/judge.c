/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* ST_NOSUID */
#include "launcher.h"

#include <elf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CANNOT_TELL "cannot tell whether this loads the library: %s: %s"
#define CANNOT_PRELOAD "cannot preload into %s: "
#define TRACE "\nTo protect it, run it traced: noselfconn --trace COMMAND\n"
#define FORCE "To run it unprotected: noselfconn --force COMMAND"
#define RESERVE "Reserve the port instead: noselfconn-audit PORT says how."
#define SECURE "it has more rights than its caller (setuid, setgid, file capabilities), "

static struct judgement judgement;
static struct dry_run run;

__attribute__((format(printf, 2, 3))) static void conclude(int status, const char *format, ...)
{
    va_list list;

    judgement.status = status;
    va_start(list, format);
    vsnprintf(judgement.text, sizeof judgement.text, format, list);
    va_end(list);
}

static const char *first_line(const char *path)
{
    static char line[512];
    FILE *file = fopen(path, "re");

    if (file != NULL && fgets(line, sizeof line, file) != NULL)
        line[strcspn(line, "\n")] = '\0';
    if (file != NULL)
        fclose(file);
    return line;
}

/* execve(2) also fails with ENOENT if only the file's interpreter or loader is missing. */
static void judge_missing(const char *name)
{
    if (strchr(name, '/') == NULL || access(name, F_OK) != 0)
        conclude(EXIT_NOT_FOUND, "command not found: %s", name);
    else if (strncmp(first_line(name), "#!", 2) != 0)
        conclude(EXIT_NOT_FOUND,
                 "cannot run %s: its loader is missing\nInstall it: 'file' names it.", name);
    else
        conclude(EXIT_NOT_FOUND,
                 "cannot run %s: its interpreter is missing: %s\n"
                 "Install it, or correct the first line; \\x0d there is a carriage return.",
                 name, first_line(name));
}

static bool may_get_rights(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) == 0;
}

/* AT_SECURE of a process that is traced does not show capabilities that a file only permits: the
 * kernel takes them away before it compares (cap_bprm_creds_from_file). */
static bool is_secure(void)
{
    struct vfs_ns_cap_data file = {.magic_etc = 0};
    struct statvfs file_system;

    return run.is_secure ||
           (geteuid() != 0 && may_get_rights() &&
            getxattr(run.program, "security.capability", &file, sizeof file) > 0 &&
            (file.data[0].permitted | file.data[1].permitted) != 0 &&
            statvfs(run.program, &file_system) == 0 && (file_system.f_flag & ST_NOSUID) == 0);
}

static void judge_by_loader(const struct launch *launch)
{
    static char list[8192], preload[4 * PATH_MAX], by_path[PATH_MAX + 8];
    const char *why, *line, *path;

    snprintf(preload, sizeof preload, "LD_PRELOAD=%s%s",
             launch->is_installed ? "libnoselfconn.so:" : "", strchr(run.preload, '=') + 1);
    why = loader_list(list, sizeof list, &run, preload);
    judgement.by_bare_name = strstr(list, "\tlibnoselfconn.so => ") != NULL && launch->is_installed;
    snprintf(by_path, sizeof by_path, "\t%s ", launch->library);
    if ((line = strstr(list, "\tlibasan.so.")) == NULL)
        line = strstr(list, "\tlibclang_rt.asan");
    path = line != NULL ? strchr(line, '/') : NULL;
    if (path != NULL)
        snprintf(judgement.sanitizer, PATH_MAX, "%.*s", (int)strcspn(path, " \n"), path);
    if (why != NULL)
        conclude(EXIT_CANNOT_TELL, CANNOT_TELL, run.program, why);
    else if (strstr(list, "=> not found") != NULL || strstr(list, "' not found (") != NULL ||
             strstr(list, "error while loading shared libraries") != NULL ||
             strstr(list, "Error loading shared library") != NULL)
        conclude(EXIT_OWN_FAILURE,
                 CANNOT_PRELOAD "its loader, %s, does not find a shared library:\n%s\n"
                                "Install it; without it the program does not run.",
                 run.program, run.loader, list);
    else if (judgement.by_bare_name || strstr(list, by_path) != NULL)
        conclude(0, "%s loads the library; what it starts is not checked", run.command);
    else
        conclude(EXIT_OWN_FAILURE,
                 CANNOT_PRELOAD
                 "its loader, %s, does not load this one:\n%s" TRACE
                 "Or install the library for it, too: make install-library CC=... BUILD=...",
                 run.program, run.loader, list);
}

static void judge_preload(const struct launch *launch, const char *name)
{
    const bool is_static = run.loader[0] == '\0';

    if (run.why != NULL)
        conclude(EXIT_CANNOT_TELL, CANNOT_TELL, name, run.why);
    else if ((run.is_go || is_static) && runner_starts_others(run.program))
        conclude(EXIT_CANNOT_TELL, CANNOT_TELL, run.program, "it may start dynamic programs");
    else if (run.is_go || is_static) /* and traced, it loses its rights */
        conclude(EXIT_OWN_FAILURE, CANNOT_PRELOAD "%s%s", run.program,
                 run.is_go ? "it is a Go program, which calls the kernel without libc"
                           : "it is statically linked",
                 is_secure() && may_get_rights() ? "\n" RESERVE : TRACE FORCE);
    else if (is_secure())
        conclude(EXIT_OWN_FAILURE,
                 CANNOT_PRELOAD SECURE "so its loader ignores LD_PRELOAD\n" RESERVE, run.program);
    else if (run.preload == NULL || strstr(run.preload, launch->library) == NULL)
        conclude(EXIT_OWN_FAILURE,
                 CANNOT_PRELOAD "env drops LD_PRELOAD" TRACE
                                "Or put noselfconn after env: env ... noselfconn COMMAND",
                 run.program);
    else
        judge_by_loader(launch);
}

/* Traced, a program does not get the rights of its setuid bit or file capabilities (execve(2)). */
static void judge_traced(const char *name)
{
    if (run.is_unreadable)
        conclude(EXIT_OWN_FAILURE, "cannot trace %s: %s\n" RESERVE, name, run.why);
    else if (run.why == NULL && is_secure() && may_get_rights())
        conclude(EXIT_OWN_FAILURE,
                 "cannot trace %s: " SECURE "and traced it would not get those rights\n%s",
                 run.program, run.runner != NULL ? run.runner->what_to_do : RESERVE);
    else if (run.bits == 64 && sizeof(void *) == 4)
        conclude(EXIT_OWN_FAILURE,
                 "cannot trace %s: it has 64 bits, and this noselfconn 32\n"
                 "Build noselfconn for it: make CC=...",
                 run.program);
    else
        conclude(0, "%s can be traced, with all that it starts", name);
}

struct judgement *judge(const struct launch *launch, char *const *arguments)
{
    const char *name = arguments[0];

    dry_run(&run, arguments);
    judgement.is_tox = strcmp(file_name(run.command), "tox") == 0;
    /* execvp(3) has the shell run files that the kernel rejects, also another processor's. */
    if (strcmp(run.command, "/bin/sh") == 0 &&
        strcmp(file_name(run.argument), file_name(name)) == 0 &&
        strncmp(first_line(run.argument), ELFMAG, SELFMAG) == 0)
        run.error = ENOEXEC;
    if (run.error == ENOENT)
        judge_missing(name);
    else if (run.error != 0)
        conclude(EXIT_NOT_EXECUTABLE, "cannot run %s: %s", name, strerror(run.error));
    else if (run.runner != NULL && (!launch->is_traced || run.runner->is_untraceable))
        conclude(EXIT_OWN_FAILURE, "refused %s: %s\n%s", run.runner->name, run.runner->why,
                 run.runner->what_to_do);
    else if (launch->is_traced)
        judge_traced(name);
    else
        judge_preload(launch, name);
    return &judgement;
}
