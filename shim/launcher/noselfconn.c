/* SPDX-License-Identifier: MIT */
/* Runs a command under libnoselfconn, or says why it cannot be protected.
 *
 *     the options -> where the library is -> what would run, and will the library be loaded into it
 *     (judge.c) -> the environment, or a tracer (trace.c) -> execve()
 *
 * Reading order: this file, judge.c, then what that asks: elf.c, script.c, wrapper.c, loader.c; and
 * trace.c. */
#define _GNU_SOURCE /* memrchr */
#include "command.h"
#include "environment.h"
#include "judge.h"
#include "prove.h"
#include "say.h"
#include "../tracer/trace.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* `make install` builds with the place of the library; in a checkout it is beside this program. */
#ifndef INSTALLED_LIBRARY
#define INSTALLED_LIBRARY ""
#endif

extern char **environ;

static const char usage[] = "usage: noselfconn [OPTION]... [--] COMMAND [ARG]...\n"
                            "       noselfconn --check [COMMAND [ARG]...]\n"
                            "       noselfconn --help | --version";

struct options {
    bool check, force, observe, trace;
    const char *log;
};

static void print_help(const char *library)
{
    printf("%s\n"
           "\n"
           "Runs COMMAND so that no TCP socket of its processes connects to itself: where\n"
           "that would happen, connect() fails with ECONNREFUSED, as if nobody listened.\n"
           "Refuses to run what the library cannot protect.\n"
           "\n"
           "  --trace      look at the system calls instead of preloading the library: for\n"
           "               static programs, Go, and all else that no preload reaches\n"
           "  --observe    let self-connections stand; of use with --log\n"
           "  --log DEST   a line for each self-connection: stderr, or an absolute path\n"
           "               to append to\n"
           "  --force      run COMMAND even if it cannot be protected, with a warning\n"
           "  --check      say whether COMMAND can be protected, and do not run it; without\n"
           "               COMMAND, see that a real self-connection is refused\n"
           "  -h, --help   print this\n"
           "  --version    print the version\n"
           "\n"
           "The library is %s.\n"
           "It goes before what LD_PRELOAD already holds.\n"
           "\n"
           "Exit status: that of COMMAND, or\n"
           "  125  noselfconn itself failed, or COMMAND cannot be protected\n"
           "  126  COMMAND was found but cannot be run\n"
           "  127  COMMAND was not found\n",
           usage, library);
}

static const char *find_library(void)
{
    static const char beside[] = "libnoselfconn.so";
    static char path[PATH_MAX + sizeof beside];
    char *name;
    ssize_t length;

    if (INSTALLED_LIBRARY[0] != '\0')
        return INSTALLED_LIBRARY;
    length = readlink("/proc/self/exe", path, PATH_MAX);
    name = length > 0 ? memrchr(path, '/', (size_t)length) : NULL;
    if (name == NULL)
        fail(EXIT_OWN_FAILURE, "Is /proc mounted?", "cannot find the library beside this program");
    memcpy(name + 1, beside, sizeof beside);
    return path;
}

/* The loader separates the entries of LD_PRELOAD by white space and colons, knows no quoting, and
 * expands $ORIGIN and its kin (ld.so(8)). */
static void check_library(const char *library)
{
    if (strpbrk(library, " \t\n\v\f\r:$") != NULL)
        fail(EXIT_OWN_FAILURE, "Move it, or 'make install' it and use the installed launcher.",
             "the loader cannot preload a path with white space, ':' or '$': %s", library);
    if (access(library, R_OK) != 0)
        fail(EXIT_OWN_FAILURE, "Build it with 'make' in a checkout, or 'make install' it again.",
             "the library is missing: %s", library);
}

/* Otherwise the library would lose its lines in silence. */
static bool can_be_written(const char *log)
{
    struct stat status;
    char folder[PATH_MAX];

    if (stat(log, &status) == 0)
        return !S_ISDIR(status.st_mode) && access(log, W_OK) == 0;
    if (errno != ENOENT)
        return false;
    snprintf(folder, sizeof folder, "%.*s/", (int)(strrchr(log, '/') - log), log);
    return access(folder, W_OK) == 0;
}

static void check_log(const char *log)
{
    if (strcmp(log, "stderr") == 0)
        return;
    if (log[0] != '/')
        fail(EXIT_OWN_FAILURE, usage, "a log is stderr or an absolute path, not: %s", log);
    if (!can_be_written(log))
        fail(EXIT_OWN_FAILURE, "Name a file in a folder that exists, and that you may write.",
             "the log cannot be written: %s", log);
}

/* Returns the arguments that are left: the command. */
static char **read_options(struct options *options, char **arguments, const char *library)
{
    for (; *arguments != NULL && (*arguments)[0] == '-'; arguments++) {
        const char *option = *arguments;

        if (strcmp(option, "--") == 0)
            return arguments + 1;
        if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0) {
            print_help(library);
            exit(printed());
        }
        if (strcmp(option, "--version") == 0) {
            printf("noselfconn %s\n", VERSION);
            exit(printed());
        }
        if (strcmp(option, PROVE_OPTION) == 0)
            exit(prove_as_child());
        if (strcmp(option, "--force") == 0) {
            options->force = true;
        } else if (strcmp(option, "--check") == 0) {
            options->check = true;
        } else if (strcmp(option, "--observe") == 0) {
            options->observe = true;
        } else if (strcmp(option, "--trace") == 0) {
            options->trace = true;
        } else if (strcmp(option, "--log") == 0) {
            if (arguments[1] == NULL)
                fail(EXIT_OWN_FAILURE, usage, "--log needs a destination");
            options->log = *++arguments;
            check_log(options->log);
        } else if (strncmp(option, "--log=", 6) == 0) {
            options->log = option + 6;
            check_log(options->log);
        } else {
            fail(EXIT_OWN_FAILURE, usage, "unknown option: %s", option);
        }
    }
    return arguments;
}

/* An entry ends at a blank, a colon or the end of the text, none of which is in that name. */
static bool is_sanitizer(const char *entry, size_t length)
{
    static const char name[] = "libasan.so";
    const char *slash = memrchr(entry, '/', length);

    return strncmp(slash != NULL ? slash + 1 : entry, name, strlen(name)) == 0;
}

static void append_entry(char *list, const char *entry, size_t length)
{
    size_t used = strlen(list);

    if (used > 0)
        list[used++] = ':';
    memcpy(list + used, entry, length);
    list[used + length] = '\0';
}

/* The library comes first, then what LD_PRELOAD holds already. Before all of that comes
 * AddressSanitizer, which otherwise ends the program. */
static char *preload_list(const char *preload, const char *sanitizer, const char *before)
{
    size_t size = strlen(preload) + strlen(sanitizer) + strlen(before) + 4;
    char *first = allocate(size), *rest = allocate(size);

    first[0] = rest[0] = '\0';
    if (sanitizer[0] != '\0')
        append_entry(first, sanitizer, strlen(sanitizer));
    while (*before != '\0') {
        size_t length = strcspn(before, " :");
        if (length > 0 && !(length == strlen(preload) && memcmp(before, preload, length) == 0))
            append_entry(is_sanitizer(before, length) ? first : rest, before, length);
        before += length;
        before += *before != '\0';
    }
    append_entry(first, preload, strlen(preload));
    if (rest[0] != '\0')
        append_entry(first, rest, strlen(rest));
    return first;
}

static char **with_preload(char *const *environment, const char *preload, const char *sanitizer)
{
    const char *before = environment_get(environment, "LD_PRELOAD");

    return environment_with(environment, "LD_PRELOAD",
                            preload_list(preload, sanitizer, before != NULL ? before : ""));
}

/* execve() and not execvp(): what was judged has to run, not what a second search would find.
 * Before `arguments` there is a place: that of this program's name, or of its last option. */
__attribute__((noreturn)) static void run(const char *path, char **arguments, bool is_text,
                                          char *const *environment)
{
    int error;

    execve(path, arguments, environment);
    if (errno == ENOEXEC && is_text) { /* like execvp(3) */
        arguments[-1] = (char *)"/bin/sh";
        arguments[0] = (char *)path;
        execve("/bin/sh", arguments - 1, environment);
    }
    error = errno;
    fail(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, NULL, "cannot run %s: %s", path,
         strerror(error));
}

static void find_or_fail(char found[PATH_MAX], const char *name)
{
    int error = command_find(found, name, environment_get(environ, "PATH"), NULL);

    switch (error) {
    case 0: return;
    case ENOENT: fail(EXIT_NOT_FOUND, NULL, "command not found: %s", name);
    case EACCES: fail(EXIT_NOT_EXECUTABLE, NULL, "not an executable file: %s", found);
    default: fail(EXIT_NOT_EXECUTABLE, NULL, "cannot run %s: %s", name, strerror(error));
    }
}

int main(int argc, char **argv)
{
    static struct judgement judgement;
    static char path[PATH_MAX];
    struct options options = {.check = false};
    const char *library = find_library();
    char **arguments = read_options(&options, argv + (argc > 0), library);
    char **environment = environ;
    struct launch launch = {.library = library, .may_use_bare_name = INSTALLED_LIBRARY[0] != '\0'};

    launch.is_traced = options.trace;
    if (!options.trace)
        check_library(library);
    if (options.observe)
        environment = environment_with(environment, "NOSELFCONN_MODE", "observe");
    if (options.log != NULL)
        environment = environment_with(environment, "NOSELFCONN_LOG", options.log);
    /* A child can only be waited for where this signal is not ignored. The command gets it back as
     * the caller had it. */
    void (*child_signal)(int) = signal(SIGCHLD, SIG_DFL);
    if (*arguments == NULL && options.check)
        return options.trace ? prove_traced(environment)
                             : prove(library, with_preload(environment, library, ""));
    if (*arguments == NULL)
        fail(EXIT_OWN_FAILURE, usage, "no command given");

    launch.environment = environment;
    find_or_fail(path, *arguments);
    judge(&judgement, &launch, path, (const char *const *)arguments);
    if (judgement.verdict == PROTECTED && options.trace) {
        judgement.what_to_do = trace_begin(environment, judgement.why, sizeof judgement.why);
        if (judgement.what_to_do != NULL)
            judgement.verdict = NOT_PROTECTED;
    }
    if (judgement.verdict == PROTECTED) {
        if (options.check) {
            printf("can be protected: %s, in %s, by %s\n", *arguments, judgement.program,
                   options.trace ? "a tracer" : library);
            return printed();
        }
    } else {
        if (options.check || !options.force || judgement.status == EXIT_NOT_EXECUTABLE)
            fail(judgement.status, judgement.what_to_do, "%s", judgement.why);
        say("%s\n%s", judgement.why, judgement.what_to_do);
        say("warning: running it UNPROTECTED, as --force asks");
    }
    signal(SIGCHLD, child_signal);
    if (options.trace) /* the tracer has the settings: the command does not get these variables */
        run(path, arguments, judgement.is_text, environ);
    run(path, arguments, judgement.is_text,
        with_preload(environment, judgement.by_bare_name ? "libnoselfconn.so" : library,
                     judgement.sanitizer));
}
