/* SPDX-License-Identifier: MIT */
/* Runs a command under libnoselfconn, or says why it cannot be protected.
 *
 *     the options -> where the library is -> what would run, and whether it loads the library
 *     (judge.c) -> the environment, or a tracer -> execvp()
 *
 * Reading order: this file, judge.c, dry_run.c, loader.c. */
#define _GNU_SOURCE /* memrchr, strdupa */
#include "../tracer/trace.h"
#include "launcher.h"
#include "say.h"

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
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
    "       noselfconn --help | --version";

static const char help[] =
    "\nRuns COMMAND with a library that refuses self-connections, or says why it cannot.\n\n"
    "  --trace     trace COMMAND instead, and what it starts: for static programs and Go\n"
    "  --observe   let self-connections stand; of use with --log\n"
    "  --log FILE  append a line for each self-connection to FILE, or to stderr\n"
    "  --force     run COMMAND even if it cannot be protected, with a warning\n"
    "  --check     only say whether COMMAND can be protected; without COMMAND, see a\n"
    "              real self-connection refused\n";

static struct {
    bool check, force, observe, trace;
    const char *log;
} options;

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

/* Returns the log by an absolute path. The library would drop its lines in silence where it cannot
 * be written. */
static const char *find_log(const char *log)
{
    static char path[2 * PATH_MAX];
    struct stat status;

    if (strcmp(log, "stderr") == 0)
        return log;
    if (log[0] != '/' && getcwd(path, PATH_MAX) != NULL)
        path[strlen(path)] = '/';
    snprintf(path + strlen(path), PATH_MAX, "%s", log);
    if (stat(path, &status) == 0 ? S_ISDIR(status.st_mode) || access(path, W_OK) != 0
                                 : errno != ENOENT || access(dirname(strdupa(path)), W_OK) != 0)
        fail(EXIT_OWN_FAILURE, "Name a file in a folder that exists, and that you may write.",
             "the log cannot be written: %s", log);
    return path;
}

static void read_options(int argc, char **argv)
{
    static const struct option known[] = {{"check", no_argument, NULL, 'c'},
                                          {"force", no_argument, NULL, 'f'},
                                          {"observe", no_argument, NULL, 'o'},
                                          {"trace", no_argument, NULL, 't'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {"log", required_argument, NULL, 'l'},
                                          {PROVE_OPTION, no_argument, NULL, 'p'},
                                          {NULL, 0, NULL, 0}};
    int option;

    opterr = 0;
    while (argc > 0 && (option = getopt_long(argc, argv, "+h", known, NULL)) != -1)
        switch (option) {
        case 'c': options.check = true; break;
        case 'f': options.force = true; break;
        case 'o': options.observe = true; break;
        case 't': options.trace = true; break;
        case 'l': options.log = find_log(optarg); break;
        case 'p': exit(prove_as_child());
        case 'h': printf("%s\n%s", usage, help); exit(flush_stdout());
        case 'v': printf("noselfconn %s\n", VERSION); exit(flush_stdout());
        default:
            fail(EXIT_OWN_FAILURE, usage, "unknown or incomplete option: %s", argv[optind - 1]);
        }
}

static int check_itself(const struct launch *launch)
{
    static struct judgement judgement;
    char *const self[] = {(char *)"/proc/self/exe", NULL};

    prove(launch->is_traced);
    if (!launch->is_traced) {
        printf("library: %s\n", launch->library);
        judge(&judgement, launch, self);
    }
    if (launch->is_installed && !judgement.by_bare_name)
        printf("The loader does not find it as libnoselfconn.so. To have it do so:\n"
               "  echo '%.*s' | sudo tee /etc/ld.so.conf.d/noselfconn.conf && sudo ldconfig\n",
               (int)(strrchr(launch->library, '/') - launch->library), launch->library);
    return flush_stdout();
}

/* Returns only where the command may run. */
static void act_on(const struct judgement *judgement)
{
    if (judgement->verdict == YES && options.check)
        exit(printf("%s\n", judgement->text) < 0 ? EXIT_OWN_FAILURE : flush_stdout());
    if (judgement->verdict == NO &&
        (options.check || !options.force || judgement->status != EXIT_OWN_FAILURE))
        fail(judgement->status, judgement->what_to_do, "%s", judgement->text);
    if (judgement->verdict == CANNOT_TELL)
        say("%s", judgement->text);
    if (judgement->verdict == CANNOT_TELL && options.check)
        exit(EXIT_CANNOT_TELL);
    if (judgement->verdict == NO) {
        say("%s\n%s", judgement->text, judgement->what_to_do);
        say("warning: running it UNPROTECTED, as --force asks");
    }
}

/* The list of the variables is a new one: the caller's stays as it is. */
static void copy_environment(void)
{
    size_t count = 1;
    char **copy;

    while (environ[count - 1] != NULL)
        count++;
    copy = malloc(count * sizeof *copy);
    if (copy == NULL)
        fail(EXIT_OWN_FAILURE, NULL, "out of memory");
    memcpy(copy, environ, count * sizeof *copy);
    environ = copy;
}

int main(int argc, char **argv)
{
    static struct judgement judgement;
    static struct launch launch;
    char **arguments, **callers = environ;
    const char *list = getenv("LD_PRELOAD");
    void (*child_signal)(int);

    read_options(argc, argv);
    arguments = argv + (argc > 0 ? optind : 0);
    launch.is_traced = options.trace;
    copy_environment();
    if (options.observe)
        set_variable("NOSELFCONN_MODE", "observe");
    if (options.log != NULL)
        set_variable("NOSELFCONN_LOG", options.log);
    if (!options.trace) {
        find_library(&launch);
        preload_set(list, launch.library, "");
    }
    /* A child can only be waited for where this signal is not ignored. To set it discards a pending
     * one, too. */
    child_signal = signal(SIGCHLD, SIG_DFL);
    if (*arguments == NULL && options.check)
        return check_itself(&launch);
    if (*arguments == NULL)
        fail(EXIT_OWN_FAILURE, usage, "no command given");
    judge(&judgement, &launch, arguments);
    if (judgement.verdict == YES && options.trace) {
        judgement.what_to_do = trace_begin(judgement.text, sizeof judgement.text);
        judgement.verdict = judgement.what_to_do == NULL ? YES : NO;
    }
    act_on(&judgement);
    if (options.trace) /* the tracer has the settings, and the command the caller's environment */
        environ = callers;
    else
        preload_set(list, judgement.by_bare_name ? "libnoselfconn.so" : launch.library,
                    judgement.sanitizer);
    signal(SIGCHLD, child_signal);
    execvp(arguments[0], arguments);
    fail(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, NULL, "cannot run %s: %s",
         arguments[0], strerror(errno));
}
