/* SPDX-License-Identifier: MIT */
/* What the parts of the launcher tell each other. Nothing is freed: this process soon becomes the
 * command. */
#ifndef NOSELFCONN_LAUNCHER_H
#define NOSELFCONN_LAUNCHER_H

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

/* Of --check alone; then as env(1): our own failure, not executable, not found. */
enum { EXIT_CANNOT_TELL = 1, EXIT_OWN_FAILURE = 125, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND };

/* To standard error: "noselfconn: ", what happened and, on a line of its own, what to do. Control
 * characters but for line ends and tabulators are shown as \xNN. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
#define fail(status, ...) (say(__VA_ARGS__), exit(status))

/* As basename(3) of glibc, which musl does not declare. */
#define file_name(path) (strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : (path))

struct launch {
    const char *library;    /* by its path */
    bool is_installed;      /* so its bare name will do where the loader finds it */
    bool is_traced;         /* a tracer protects the command, not the library */
    const char *mode, *log; /* of the options, or NULL: as the environment says */
};

/* judge.c: will the library be loaded into what a command runs? Or can the command be traced? */
struct judgement {
    int status;        /* as --check exits: 0 for yes */
    char text[16384];  /* what is known of the command, and what to do */
    bool by_bare_name; /* what LD_PRELOAD has to hold */
    bool is_tox;
    char sanitizer[PATH_MAX]; /* what has to come before that, or "" */
};

/* Judges a command of execvp(3). The environment has the library in LD_PRELOAD. */
struct judgement *judge(const struct launch *launch, char *const *arguments);

/* dry_run.c: asks the kernel what a command would run. A child execs it, traced, and is killed
 * before the first instruction of the program. */
struct dry_run {
    int error;                    /* of execvp(3), where that fails; or 0 */
    const char *why;              /* where there is no answer, or NULL */
    bool is_unreadable;           /* that is why */
    const struct runner *runner;  /* the first one that was met, or NULL */
    char command[PATH_MAX];       /* what was given to execve(2): a program or a script */
    char program[PATH_MAX];       /* what the kernel runs in the end */
    char argument[PATH_MAX];      /* argv[1] of that */
    char loader[PATH_MAX];        /* empty: there is none */
    int bits;                     /* 32 or 64 */
    bool is_secure, is_go;        /* AT_SECURE (getauxval(3)): the loader ignores LD_PRELOAD */
    char *preload, *library_path; /* "LD_PRELOAD=...", "LD_LIBRARY_PATH=..." of it, or NULL */
};

/* Lets env(1) run on to what it execs. Takes a second at most. SIGCHLD has to be at its default. */
void dry_run(struct dry_run *run, char *const *arguments);

/* loader.c: has the loader of a program list what it would load with "LD_PRELOAD=...": as much as
 * fits, which begins with the preloaded libraries. Returns NULL, or why it is not asked. */
const char *loader_list(char *list, size_t size, struct dry_run *run, char *preload);

/* runners.c: programs known by their names, for what they do with the programs that they start. */
struct runner {
    const char *name;
    bool is_untraceable; /* a tracer of this program does not see its command either */
    const char *why, *what_to_do;
};
const struct runner *runner_find(const char *path); /* or NULL */
bool runner_starts_others(const char *path);        /* which may be dynamic where it is static */

void set_variable(const char *name, const char *value); /* NULL leaves it as it is */
/* environment.c: sets LD_PRELOAD: the library before what the caller's list holds, and before both
 * the AddressSanitizer runtimes: any other order ends the program. */
void set_preload(const char *list, const char *library, const char *sanitizer);
void have_tox_pass_preload(void);

/* prove.c: connects to itself twice, without the library or tracer and with it: in a child, which
 * is this program with PROVE_OPTION. Says the outcome, and returns if the second was refused. */
#define PROVE_OPTION "connect-to-itself"
void prove(const struct launch *launch);
int connect_to_itself(bool is_raw);

#endif
