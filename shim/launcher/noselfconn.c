/* SPDX-License-Identifier: MIT */
/* Runs a command under libnoselfconn, or says why it cannot be protected.
 *
 *     the options -> where the library is -> what would run, and whether it loads the library
 *     (judge.c) -> the environment, or a tracer -> execvp()
 *
 * Reading order: this file, judge.c, dry_run.c, loader.c. */
#define _GNU_SOURCE /* memrchr */
#include "judge.h"
#include "preload.h"
#include "prove.h"
#include "say.h"
#include "trace.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static const char usage[] =
    "usage: noselfconn [--trace] [--observe] [--log FILE] [--force] [--] COMMAND [ARGUMENT ...]\n"
    "       noselfconn --check [--trace] [COMMAND [ARGUMENT ...]]\n"
    "       noselfconn --help | --version\n";

static const char help[] =
    "\n"
    "Runs COMMAND with a library in LD_PRELOAD that refuses self-connections of TCP.\n"
    "Refuses to run a COMMAND that cannot be protected.\n"
    "\n"
    "  --trace     trace COMMAND and what it starts instead: for static programs, Go,\n"
    "              and what else LD_PRELOAD cannot affect\n"
    "  --observe   let self-connections stand; of use with --log\n"
    "  --log FILE  append a line for each self-connection to FILE, or to stderr\n"
    "  --force     run COMMAND even if it cannot be protected, with a warning\n"
    "  --check     say whether COMMAND can be protected, and do not run it; without\n"
    "              COMMAND, have a real self-connection refused\n"
    "\n"
    "Exit status: that of COMMAND; 1 if --check cannot tell; 125 if noselfconn failed, or\n"
    "COMMAND cannot be protected; 126 if COMMAND cannot be run; 127 if it was not found.\n";

struct options {
    bool check, force, observe, trace;
    const char *log;
};

/* In a checkout the library is beside this program; else it is where it was configured to be. */
static void find_library(struct launch *launch)
{
    static const char name[] = "libnoselfconn.so";
    static char path[PATH_MAX + sizeof name];
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
    char *slash = length > 0 ? memrchr(path, '/', (size_t)length) : NULL;

    memcpy(slash != NULL ? slash + 1 : path, name, sizeof name);
    launch->is_installed = slash == NULL || access(path, R_OK) != 0;
    launch->library = launch->is_installed ? INSTALLED_LIBRARY : path;
    if (access(launch->library, R_OK) != 0)
        fail(EXIT_OWN_FAILURE,
             slash == NULL ? "Is /proc mounted?"
                           : "Build it with 'make' in a checkout, or 'make install' it again.",
             "the library is missing: %s, %s", path, launch->library);
    /* The loader knows no quoting, and expands $ORIGIN and its kin (ld.so(8)). */
    if (strpbrk(launch->library, " \t\n\v\f\r:$") != NULL)
        fail(EXIT_OWN_FAILURE, "Move it, or 'make install' it and use the installed launcher.",
             "the loader cannot preload a path with white space, ':' or '$': %s", launch->library);
}

/* Returns an absolute path of a log that can be written: the library drops its lines in silence. */
static const char *find_log(const char *log)
{
    static char path[2 * PATH_MAX];
    struct stat status;
    size_t length;

    if (strcmp(log, "stderr") == 0)
        return log;
    if (log[0] == '\0')
        fail(EXIT_OWN_FAILURE, usage, "--log needs a file");
    if (log[0] != '/' && getcwd(path, PATH_MAX) != NULL)
        strcat(path, "/");
    length = strlen(path);
    if (length + strlen(log) < sizeof path) {
        strcat(path, log);
        if (stat(path, &status) == 0 && !S_ISDIR(status.st_mode) && access(path, W_OK) == 0)
            return path;
        length = (size_t)(strrchr(path, '/') - path) + 1;
        if (errno == ENOENT && access(strndupa(path, length), W_OK) == 0)
            return path;
    }
    fail(EXIT_OWN_FAILURE, "Name a file in a folder that exists, and that you may write.",
         "the log cannot be written: %s", log);
}

/* Returns the arguments that are left: the command. */
static char **read_options(struct options *options, char **arguments)
{
    for (; *arguments != NULL && (*arguments)[0] == '-'; arguments++) {
        const char *option = *arguments;

        if (strcmp(option, "--") == 0)
            return arguments + 1;
        if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0) {
            printf("%s%s", usage, help);
            exit(flush_stdout());
        } else if (strcmp(option, "--version") == 0) {
            printf("noselfconn %s\n", VERSION);
            exit(flush_stdout());
        } else if (strcmp(option, PROVE_OPTION) == 0) {
            exit(prove_as_child());
        } else if (strcmp(option, "--force") == 0) {
            options->force = true;
        } else if (strcmp(option, "--check") == 0) {
            options->check = true;
        } else if (strcmp(option, "--observe") == 0) {
            options->observe = true;
        } else if (strcmp(option, "--trace") == 0) {
            options->trace = true;
        } else if (strcmp(option, "--log") == 0 && arguments[1] != NULL) {
            options->log = find_log(*++arguments);
        } else if (strncmp(option, "--log=", 6) == 0) {
            options->log = find_log(option + 6);
        } else {
            fail(EXIT_OWN_FAILURE, usage, "%s: %s",
                 strcmp(option, "--log") == 0 ? "missing file" : "unknown option", option);
        }
    }
    return arguments;
}

static int check_itself(const struct launch *launch)
{
    static struct judgement judgement;
    char *const self[] = {(char *)"/proc/self/exe", NULL};
    int status = prove(launch->is_traced);

    if (status != 0 || launch->is_traced)
        return status;
    printf("library: %s\n", launch->library);
    judge(&judgement, launch, self);
    if (launch->is_installed && !judgement.by_bare_name)
        printf("The loader does not find it as libnoselfconn.so. To have it do so:\n"
               "  echo '%.*s' | sudo tee /etc/ld.so.conf.d/noselfconn.conf && sudo ldconfig\n",
               (int)(strrchr(launch->library, '/') - launch->library), launch->library);
    return flush_stdout();
}

/* Returns only where the command may run. */
static void act_on(const struct judgement *judgement, const struct options *options)
{
    if (judgement->verdict == CANNOT_TELL)
        say("cannot tell whether this is protected: %s", judgement->text);
    if (judgement->verdict == NO) {
        if (options->check || !options->force || judgement->status != EXIT_OWN_FAILURE)
            fail(judgement->status, judgement->what_to_do, "%s", judgement->text);
        say("%s\n%s", judgement->text, judgement->what_to_do);
        say("warning: running it UNPROTECTED, as --force asks");
    }
    if (options->check && judgement->verdict == YES)
        printf("%s\n", judgement->text);
    if (options->check)
        exit(judgement->verdict == YES ? flush_stdout() : EXIT_CANNOT_TELL);
}

/* The list of the variables is a new one: the caller's stays as it is. */
static void copy_environment(void)
{
    size_t count = 0;
    char **copy;

    while (environ[count] != NULL)
        count++;
    copy = calloc(count + 1, sizeof *copy);
    if (copy == NULL)
        fail(EXIT_OWN_FAILURE, NULL, "out of memory");
    memcpy(copy, environ, count * sizeof *copy);
    environ = copy;
}

int main(int argc, char **argv)
{
    static struct judgement judgement;
    static struct launch launch;
    struct options options = {.check = false};
    char **arguments = read_options(&options, argv + (argc > 0)), **callers = environ;
    int error;

    launch.is_traced = options.trace;
    copy_environment();
    if (options.observe)
        set_variable("NOSELFCONN_MODE", "observe");
    if (options.log != NULL)
        set_variable("NOSELFCONN_LOG", options.log);
    if (!options.trace) {
        find_library(&launch);
        preload_set(launch.library, "");
    }
    /* A child can only be waited for where this signal is not ignored. The command gets it back as
     * the caller had it; setting it also discards one that is pending. */
    void (*child_signal)(int) = signal(SIGCHLD, SIG_DFL);
    if (*arguments == NULL && options.check)
        return check_itself(&launch);
    if (*arguments == NULL)
        fail(EXIT_OWN_FAILURE, usage, "no command given");
    judge(&judgement, &launch, arguments);
    if (judgement.verdict == YES && options.trace) {
        judgement.what_to_do = trace_begin(environ, judgement.text, sizeof judgement.text);
        judgement.verdict = judgement.what_to_do == NULL ? YES : NO;
    }
    act_on(&judgement, &options);
    if (options.trace) /* the tracer has the settings, and the command the caller's environment */
        environ = callers;
    else
        preload_set(judgement.by_bare_name ? "libnoselfconn.so" : launch.library,
                    judgement.sanitizer);
    signal(SIGCHLD, child_signal);
    execvp(arguments[0], arguments);
    error = errno;
    fail(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, NULL, "cannot run %s: %s",
         arguments[0], strerror(error));
}
