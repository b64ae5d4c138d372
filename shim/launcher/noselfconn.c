/* SPDX-License-Identifier: MIT */
/* Runs a command with libnoselfconn, or says why not. Start with main(), then judge.c. */
#define _GNU_SOURCE /* memrchr, strdupa */
#include "../tracer/trace.h"
#include "launcher.h"

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "usage: noselfconn [--trace] [--observe] [--log FILE] [--force] [--] COMMAND [ARGUMENT ...]\n"
    "       noselfconn --check [--trace] [COMMAND [ARGUMENT ...]]\n"
    "       noselfconn --help | --version";

static const char help[] =
    "\nRuns COMMAND with a library that refuses self-connections, or says why it cannot.\n\n"
    "  --trace     trace COMMAND and its descendants instead: for static programs and Go\n"
    "  --observe   let self-connections stand; of use with --log\n"
    "  --log FILE  append a line for each self-connection to FILE, or to stderr\n"
    "  --force     run COMMAND even if it cannot be protected, with a warning\n"
    "  --check     only say whether COMMAND can be protected; without COMMAND, see a\n"
    "              real self-connection refused\n";

static struct launch launch;
static bool is_check, is_forced;

/* In a checkout the library is beside this program, else at its configured path. */
static void find_library(void)
{
    static const char name[] = "libnoselfconn.so";
    static char path[PATH_MAX + sizeof name];
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
    char *slash = length > 0 ? memrchr(path, '/', (size_t)length) : NULL;

    memcpy(slash != NULL ? slash + 1 : path, name, sizeof name);
    launch.is_installed = slash == NULL || access(path, R_OK) != 0;
    launch.library = launch.is_installed ? INSTALLED_LIBRARY : path;
    if (access(launch.library, R_OK) != 0)
        fail(EXIT_OWN_FAILURE,
             "the library is missing: %s, %s\n"
             "Build it with 'make' in a checkout, or 'make install' it again.\nIs /proc mounted?",
             path, launch.library);
}

/* Returns the log by an absolute path. The library says nothing if it cannot write. */
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
        fail(EXIT_OWN_FAILURE, "the log cannot be written: %s\nName a file that you may write.",
             log);
    return path;
}

static int flush_stdout(void)
{
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        fail(EXIT_OWN_FAILURE, "cannot write to standard output");
    return 0;
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
        case 'c': is_check = true; break;
        case 'f': is_forced = true; break;
        case 'o': launch.mode = "observe"; break;
        case 't': launch.is_traced = true; break;
        case 'l': launch.log = find_log(optarg); break;
        case 'p': exit(connect_to_itself(false));
        case 'h': printf("%s\n%s", usage, help); exit(flush_stdout());
        case 'v': printf("noselfconn %s\n", VERSION); exit(flush_stdout());
        default:
            fail(EXIT_OWN_FAILURE, "unknown or incomplete option: %s\n%s", argv[optind - 1], usage);
        }
}

static void check_itself(void)
{
    char *const self[] = {(char *)"/proc/self/exe", NULL};

    prove(&launch);
    if (launch.is_traced)
        return;
    printf("library: %s\n", launch.library);
    if (!judge(&launch, self)->by_bare_name && launch.is_installed)
        printf("The loader does not find it as libnoselfconn.so. To have it do so:\n"
               "  echo '%.*s' | sudo tee /etc/ld.so.conf.d/noselfconn.conf && sudo ldconfig\n",
               (int)(strrchr(launch.library, '/') - launch.library), launch.library);
}

/* Returns only if the command may run. */
static void act_on(const struct judgement *judgement)
{
    if (is_check && judgement->status == 0) {
        puts(judgement->text);
        exit(flush_stdout());
    }
    if (is_check || judgement->status > EXIT_OWN_FAILURE ||
        (judgement->status == EXIT_OWN_FAILURE && !is_forced))
        fail(judgement->status, "%s", judgement->text);
    if (judgement->status != 0)
        say("%s", judgement->text);
    if (judgement->status == EXIT_OWN_FAILURE)
        say("warning: running it UNPROTECTED, as --force asks");
}

int main(int argc, char **argv)
{
    struct judgement *judgement;
    char **arguments, why[512];
    const char *list = getenv("LD_PRELOAD"), *what_to_do;
    void (*child_signal)(int);

    read_options(argc, argv);
    arguments = argv + (argc > 0 ? optind : 0);
    if (!launch.is_traced) { /* the tracer keeps the settings for itself */
        set_variable("NOSELFCONN_MODE", launch.mode);
        set_variable("NOSELFCONN_LOG", launch.log);
        find_library();
        set_preload(list, launch.library, "");
    }
    /* waitpid() fails if this signal is ignored (wait(2), NOTES). */
    child_signal = signal(SIGCHLD, SIG_DFL);
    if (*arguments == NULL && is_check) {
        check_itself();
        return flush_stdout();
    }
    if (*arguments == NULL)
        fail(EXIT_OWN_FAILURE, "no command given\n%s", usage);
    judgement = judge(&launch, arguments);
    if (judgement->status == 0 && launch.is_traced &&
        (what_to_do = trace_begin(launch.mode, launch.log, why, sizeof why)) != NULL) {
        judgement->status = EXIT_OWN_FAILURE;
        snprintf(judgement->text, sizeof judgement->text, "%s\n%s", why, what_to_do);
    }
    act_on(judgement);
    if (launch.library != NULL)
        set_preload(list, judgement->by_bare_name ? "libnoselfconn.so" : launch.library,
                    judgement->sanitizer);
    if (launch.library != NULL && judgement->is_tox)
        have_tox_pass_preload();
    signal(SIGCHLD, child_signal);
    execvp(arguments[0], arguments);
    fail(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, "cannot run %s: %s", arguments[0],
         strerror(errno));
}
