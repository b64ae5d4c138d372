/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* ST_NOSUID */
#include "judge.h"

#include "command.h"
#include "elf.h"
#include "environment.h"
#include "loader.h"
#include "say.h"
#include "script.h"
#include "wrapper.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { MOST_SCRIPTS = 5 }; /* whose interpreter is a script (exec_binprm: ELOOP) */

static const char reserve_or_force[] =
    "Reserve the port instead (noselfconn-audit PORT says how), or run it unprotected: --force";
static const char force_only[] = "To run it nevertheless: --force";
/* The remedy for whatever can be traced. */
#define TRACED "To protect it, run it traced: noselfconn --trace COMMAND\n"
static const char name_what_runs_it[] =
    TRACED "Or name the program that runs such files. To run it nevertheless: --force";
static const char trace_or_force[] = TRACED "To run it unprotected: --force";

/* One judgement on its way from the command to the program that runs in the end. What it points to
 * is never freed: this process soon becomes the command. */
struct inquiry {
    struct judgement *judgement;
    const struct launch *launch;
    int scripts;
    /* What is to be judged now: a file, its arguments with its name first, the environment that it
     * gets, and the folder where it runs (NULL: this one). */
    const char *path;
    const char *const *arguments;
    char *const *environment;
    const char *folder;
    /* Of the file, once it is open: */
    struct stat status;
    struct statvfs file_system;
    bool is_over;
};

__attribute__((format(printf, 4, 5))) static void conclude(struct inquiry *inquiry,
                                                           enum verdict verdict,
                                                           const char *what_to_do,
                                                           const char *format, ...)
{
    va_list list;

    inquiry->is_over = true;
    inquiry->judgement->verdict = verdict;
    inquiry->judgement->what_to_do = what_to_do;
    inquiry->judgement->status = EXIT_OWN_FAILURE;
    va_start(list, format);
    vsnprintf(inquiry->judgement->why, sizeof inquiry->judgement->why, format, list);
    va_end(list);
}

/* Another file runs this one, and is judged next. */
static void go_on(struct inquiry *inquiry, const char *path, const char *const *arguments)
{
    inquiry->path = path;
    inquiry->arguments = arguments;
}

/* Capabilities of a file that take effect by themselves count even in vain: where no_new_privs
 * keeps the process from getting them (cap_bprm_creds_from_file). */
static bool capabilities_count(int fd, bool in_vain)
{
    struct vfs_ns_cap_data file = {.magic_etc = 0}; /* it stays so where the file has none */

    fgetxattr(fd, "security.capability", &file, sizeof file);
    return geteuid() != 0 && ((le32toh(file.magic_etc) & VFS_CAP_FLAGS_EFFECTIVE) != 0 ||
                              (!in_vain && (file.data[0].permitted | file.data[1].permitted) != 0));
}

/* A file that gives more rights than the caller has puts its process into secure-execution mode.
 * There the loader takes no preload by a path, and by a bare name only a setuid library (ld.so(8)).
 * A process that is traced does not get them (execve(2)). Returns what gives such rights, or NULL.
 * The kernel's rules: bprm_fill_uid, cap_bprm_creds_from_file. */
static const char *what_gives_rights(const struct inquiry *inquiry, int fd)
{
    const bool is_traced = inquiry->launch->is_traced;
    const bool in_vain = prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) == 1;
    const struct stat *status = &inquiry->status;

    if (getuid() != geteuid() || getgid() != getegid())
        return "program for a setuid or setgid caller";
    if ((in_vain && is_traced) || (inquiry->file_system.f_flag & ST_NOSUID) != 0)
        return NULL;
    if (capabilities_count(fd, in_vain))
        return "program with file capabilities";
    if (in_vain)
        return NULL;
    if ((status->st_mode & S_ISUID) != 0 && status->st_uid != geteuid())
        return "setuid program";
    if ((status->st_mode & S_ISGID) != 0 && (status->st_mode & S_IXGRP) != 0 &&
        status->st_gid != getegid())
        return "setgid program";
    return NULL;
}

static const char *processor(const struct elf *elf)
{
    switch (elf->machine) {
    case EM_X86_64: return "x86-64";
    case EM_386: return "i386";
    case EM_AARCH64: return "arm64";
    case EM_ARM: return "arm";
    case EM_RISCV: return "riscv";
    case EM_PPC64: return "ppc64";
    case EM_S390: return "s390";
    case EM_MIPS: return "mips";
    default: return "another";
    }
}

static bool lacks_a_library(const char *text)
{
    return strstr(text, "not found") != NULL ||
           strstr(text, "error while loading shared libraries") != NULL ||
           strstr(text, "Error loading shared library") != NULL;
}

/* By what the loader said. A library that is missing is said first: musl's loader lists the others
 * all the same. */
static void judge_answer(struct inquiry *inquiry, const char *path, const struct elf *elf,
                         const struct loader_answer *answer)
{
    const struct launch *launch = inquiry->launch;

    inquiry->judgement->by_bare_name = launch->may_use_bare_name && answer->takes_bare_name;
    if (!answer->ran) {
        conclude(inquiry, NOT_PROTECTED, force_only,
                 "cannot protect a %d-bit program for another processor (%s): %s: its loader, %s, "
                 "cannot be run here",
                 elf->bits, processor(elf), path, elf->interpreter);
    } else if (lacks_a_library(answer->text)) {
        conclude(inquiry, NOT_PROTECTED, "Install it; without it the program does not run.",
                 "cannot protect a program that lacks a shared library: %s: its loader, %s, says:\n"
                 "%s",
                 path, elf->interpreter, answer->text);
    } else if (answer->takes_path || inquiry->judgement->by_bare_name) {
        inquiry->is_over = true;
        inquiry->judgement->verdict = PROTECTED;
        snprintf(inquiry->judgement->program, PATH_MAX, "%s", path);
        memcpy(inquiry->judgement->sanitizer, answer->sanitizer, PATH_MAX);
    } else {
        conclude(inquiry, NOT_PROTECTED,
                 TRACED "Or build and install the library for it, too: make install-library "
                        "CC=... BUILD=..., as libnoselfconn(7) says.",
                 "cannot protect a %d-bit program: %s: its loader, %s, does not take %s:\n%s",
                 elf->bits, path, elf->interpreter, launch->library, answer->text);
    }
}

/* The loader is asked itself: it knows best. */
static void judge_by_loader(struct inquiry *inquiry, const char *path, const struct elf *elf)
{
    static struct loader_answer answer;
    const struct launch *launch = inquiry->launch;
    char preload[PATH_MAX + 32];

    snprintf(preload, sizeof preload, "%s%s", launch->may_use_bare_name ? "libnoselfconn.so:" : "",
             launch->library);
    if (access(elf->interpreter, F_OK) != 0) {
        conclude(inquiry, NOT_PROTECTED, "Install it; without it the program does not run at all.",
                 "cannot protect a program whose loader is missing: %s: %s", path,
                 elf->interpreter);
    } else if (!loader_is_trusted(elf->interpreter)) {
        conclude(inquiry, CANNOT_TELL, trace_or_force,
                 "cannot tell whether this can be protected: %s: its loader, %s, may be written by "
                 "others than root, and is not asked",
                 path, elf->interpreter);
    } else {
        loader_ask(&answer, elf->interpreter, path, preload, inquiry->environment);
        judge_answer(inquiry, path, elf, &answer);
    }
}

static void judge_without_loader(struct inquiry *inquiry, const char *path, const struct elf *elf)
{
    if (wrapper_is_loader(path) && elf->is_shared_object)
        conclude(inquiry, CANNOT_TELL,
                 TRACED "Or name the program itself. To run it nevertheless: --force",
                 "cannot tell whether this can be protected: %s: it is a loader, and runs another "
                 "program",
                 path);
    else if (wrapper_is_static(path))
        conclude(
            inquiry, CANNOT_TELL,
            TRACED
            "Or put noselfconn before the command that it starts. To run it nevertheless: --force",
            "cannot tell whether this can be protected: %s: it is statically linked, but may "
            "start what is not",
            path);
    else
        conclude(inquiry, NOT_PROTECTED,
                 TRACED "Or reserve the port (noselfconn-audit PORT says how). To run it "
                        "unprotected: --force",
                 "cannot protect a statically linked program: %s: no loader runs that could "
                 "preload a library",
                 path);
}

static void judge_elf(struct inquiry *inquiry, const char *path, int fd, const struct elf *elf)
{
    const char *privileged = what_gives_rights(inquiry, fd);

    if (elf->is_go && !wrapper_is_static(path))
        conclude(inquiry, NOT_PROTECTED,
                 TRACED "It looks for self-connections by itself, unless it binds a local port. To "
                        "run it nevertheless: --force",
                 "cannot protect a Go program: %s: Go makes its system calls itself, not through "
                 "libc",
                 path);
    else if (!elf->has_interpreter)
        judge_without_loader(inquiry, path, elf);
    else if (privileged != NULL)
        conclude(inquiry, NOT_PROTECTED, reserve_or_force,
                 "cannot protect a %s: %s: for it the loader ignores LD_PRELOAD", privileged, path);
    else
        judge_by_loader(inquiry, path, elf);
}

/* A tracer reaches every program. But a program that is traced does not get the rights that a
 * setuid file or a file capability gives (execve(2)), so it would not work. */
static void judge_traced(struct inquiry *inquiry, const char *path, int fd, const struct elf *elf)
{
    const char *privileged = what_gives_rights(inquiry, fd);
    const struct wrapper *wrapper = wrapper_find(path, inquiry->arguments);

    if (privileged != NULL)
        conclude(inquiry, NOT_PROTECTED, wrapper != NULL ? wrapper->what_to_do : reserve_or_force,
                 "cannot trace a %s: %s: traced, it would not get those rights", privileged, path);
    else if (elf->bits == 64 && sizeof(void *) == 4)
        conclude(inquiry, NOT_PROTECTED, "Build noselfconn for it: make CC=...",
                 "cannot trace a %d-bit program: %s: this noselfconn has 32", elf->bits, path);
    else
        conclude(inquiry, PROTECTED, NULL, "%s", "");
    snprintf(inquiry->judgement->program, PATH_MAX, "%s", path);
}

static const char *remedy_for_missing(const char *name)
{
    return strchr(name, '\r') != NULL ? "Its lines end with a carriage return (\\r): remove those."
                                      : "Install it.";
}

/* A script is judged by its interpreter. A relative name begins at the folder where it runs: the
 * kernel knows no PATH. */
static void judge_script(struct inquiry *inquiry, const char *path, const struct script *script)
{
    struct {
        char path[PATH_MAX];
        const char *arguments[4];
    } *interpreter = allocate(sizeof *interpreter);
    const char **argument = interpreter->arguments;
    int error = command_find_by_name(interpreter->path, script->interpreter, inquiry->folder);

    *argument++ = script->interpreter;
    if (script->has_argument)
        *argument++ = script->argument;
    *argument++ = path;
    *argument = NULL;
    if (++inquiry->scripts > MOST_SCRIPTS) {
        conclude(inquiry, NOT_PROTECTED, "Name a program in its first line.",
                 "cannot protect a script whose interpreters are scripts without end: %s", path);
    } else if (error == EACCES) {
        conclude(inquiry, NOT_PROTECTED, "Name a program in its first line.",
                 "not an executable file: %s, the interpreter of %s", script->interpreter, path);
        inquiry->judgement->status = EXIT_NOT_EXECUTABLE;
    } else if (error != 0) {
        conclude(inquiry, NOT_PROTECTED, remedy_for_missing(script->interpreter),
                 "cannot protect a script whose interpreter is missing: %s: #!%s", path,
                 script->interpreter);
    } else {
        go_on(inquiry, interpreter->path, interpreter->arguments);
    }
}

/* The environment of the command that env runs. */
static char *const *environment_by(const struct env *env, char *const *environment)
{
    static char *const empty[] = {NULL};

    if (env->begins_empty)
        environment = empty;
    for (size_t i = 0; i < env->unset_count; i++)
        environment = environment_without(environment, env->unset[i]);
    for (size_t i = 0; i < env->setting_count; i++)
        environment = environment_with_entry(environment, env->settings[i]);
    return environment;
}

/* env(1) hands the environment on, unless it is told not to. */
static void judge_env(struct inquiry *inquiry, const char *path, int fd, const struct elf *elf)
{
    struct env *env = allocate(sizeof *env);
    char *found = allocate(PATH_MAX), *folder = allocate(PATH_MAX);
    const char *preload = environment_get(inquiry->environment, "LD_PRELOAD");
    enum env_result result = env_read(env, inquiry->arguments + 1);

    if (result == ENV_RUNS && env->folder != NULL &&
        !command_in_folder(folder, inquiry->folder, env->folder))
        result = ENV_UNCLEAR;
    switch (result) {
    case ENV_NO_COMMAND: judge_elf(inquiry, path, fd, elf); return;
    case ENV_UNCLEAR:
        conclude(inquiry, CANNOT_TELL,
                 TRACED "Or name the command itself. To run it nevertheless: --force",
                 "cannot tell what env runs: its options are not all known here, or depend on "
                 "variables");
        return;
    case ENV_RUNS: break;
    }
    inquiry->environment = environment_by(env, inquiry->environment);
    if (env->folder != NULL)
        inquiry->folder = folder;
    if (environment_get(inquiry->environment, "LD_PRELOAD") != preload) /* the very same entry */
        conclude(inquiry, NOT_PROTECTED,
                 TRACED "Or put noselfconn after env: env ... noselfconn COMMAND",
                 inquiry->scripts > 0
                     ? "cannot protect a script whose first line empties the environment of %s"
                     : "cannot protect what env runs without this LD_PRELOAD: %s",
                 env->arguments[0]);
    else if (command_find(found, env->arguments[0], environment_get(inquiry->environment, "PATH"),
                          inquiry->folder) != 0)
        conclude(inquiry, NOT_PROTECTED, remedy_for_missing(env->arguments[0]),
                 "cannot protect a %s: %s",
                 inquiry->scripts > 0 ? "script whose interpreter is missing"
                                      : "command that env does not find",
                 env->arguments[0]);
    else
        go_on(inquiry, found, env->arguments);
}

/* A program that runs another is judged by what it hands on. BusyBox is what its first argument
 * says. */
static void judge_program(struct inquiry *inquiry, const char *path, int fd, const struct elf *elf)
{
    const struct wrapper *wrapper;
    const char *name = path;

    if (elf->has_interpreter && wrapper_is_many(path) && inquiry->arguments[1] != NULL)
        name = *++inquiry->arguments;
    wrapper = wrapper_find(name, inquiry->arguments);
    if (wrapper != NULL)
        conclude(inquiry, wrapper->is_unclear ? CANNOT_TELL : NOT_PROTECTED, wrapper->what_to_do,
                 "%s what %s runs: %s",
                 wrapper->is_unclear ? "cannot tell about" : "cannot protect", name, wrapper->why);
    else if (wrapper_is_env(name))
        judge_env(inquiry, path, fd, elf);
    else
        judge_elf(inquiry, path, fd, elf);
}

/* The kernel cannot run this file: the shell does, as by execvp(3). */
static void judge_other(struct inquiry *inquiry, const char *path, const char *head, size_t size)
{
    static const char *const shell[] = {"sh", NULL};
    const bool is_text = memchr(head, '\0', size) == NULL;

    inquiry->judgement->is_text = is_text;
    if (inquiry->launch->is_traced)
        conclude(inquiry, PROTECTED, NULL, "%s", "");
    else if (is_text)
        go_on(inquiry, "/bin/sh", shell);
    else
        conclude(inquiry, CANNOT_TELL, name_what_runs_it,
                 "cannot tell whether this can be protected: %s: neither a program nor a script",
                 path);
}

static void judge_open_file(struct inquiry *inquiry, const char *path, int fd,
                            const char head[SCRIPT_LINE], size_t size)
{
    struct script *script = allocate(sizeof *script);
    struct elf *elf = allocate(sizeof *elf);

    /* The kernel asks these first, whatever the file is (insert_binfmt). */
    if (!inquiry->launch->is_traced && wrapper_has_binfmt(path, head)) {
        conclude(inquiry, CANNOT_TELL, name_what_runs_it,
                 "cannot tell whether this can be protected: %s: the kernel was told of a program "
                 "that runs such files (binfmt_misc)",
                 path);
        return;
    }
    switch (elf_read(elf, fd)) {
    case ELF_BROKEN:
        conclude(inquiry, CANNOT_TELL, force_only,
                 "cannot tell whether this can be protected: %s: it is a broken program", path);
        return;
    case ELF_READ:
        if (inquiry->launch->is_traced) {
            judge_traced(inquiry, path, fd, elf);
            return;
        }
        judge_program(inquiry, path, fd, elf);
        return;
    case ELF_NONE: break;
    }
    switch (script_read(script, head)) {
    case SCRIPT_READ: judge_script(inquiry, path, script); return;
    case SCRIPT_BROKEN:
        conclude(inquiry, NOT_PROTECTED, "Name one in its first line, after #!",
                 "cannot protect a script without an interpreter: %s", path);
        return;
    case SCRIPT_NONE: judge_other(inquiry, path, head, size); return;
    }
}

static void judge_file(struct inquiry *inquiry, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC); /* open until this process becomes the command */
    char head[SCRIPT_LINE] = "";
    ssize_t size = fd < 0 ? -1 : pread(fd, head, sizeof head, 0);

    if (size < 0 || fstat(fd, &inquiry->status) != 0 || fstatvfs(fd, &inquiry->file_system) != 0) {
        conclude(inquiry, CANNOT_TELL, force_only,
                 "cannot tell whether this can be protected, for it cannot be read: %s: %s", path,
                 strerror(errno));
        return;
    }
    judge_open_file(inquiry, path, fd, head, (size_t)size);
}

void judge(struct judgement *judgement, const struct launch *launch, const char *path,
           const char *const *arguments)
{
    struct inquiry inquiry = {
        .judgement = judgement,
        .launch = launch,
        .path = path,
        .arguments = arguments,
        .environment = environment_with(launch->environment, "LD_PRELOAD", launch->library)};

    *judgement = (struct judgement){.verdict = CANNOT_TELL};
    while (!inquiry.is_over)
        judge_file(&inquiry, inquiry.path);
}
