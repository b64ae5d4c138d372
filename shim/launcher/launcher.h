/* SPDX-License-Identifier: MIT */
/* Shared by the files of the launcher. Nothing is freed: this process soon becomes the command. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

/* The first is for --check; the others are env(1)'s: own failure, not executable, not found. */
enum { EXIT_CANNOT_TELL = 1, EXIT_OWN_FAILURE = 125, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND };

/* Prints "noselfconn: " and a message to standard error: the failure, then a line with the remedy.
 * Control characters but for line ends and tabulators are shown as \xNN. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
#define fail(status, ...) (say(__VA_ARGS__), exit(status))

/* As basename(3) of glibc, which musl does not declare. */
#define file_name(path) (strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : (path))

struct launch {
    const char *library;    /* by its path */
    bool is_installed;      /* LD_PRELOAD can have the bare name if the loader finds it */
    bool is_traced;         /* a tracer protects the command, not the library */
    const char *mode, *log; /* of the options; NULL: the environment's */
};

/* judge.c: does the program of a command load the library? Or can it be traced? */
struct judgement {
    int status;        /* the exit status of --check: 0 for yes */
    char text[16384];  /* the answer, and the remedy */
    bool by_bare_name; /* for LD_PRELOAD */
    bool is_tox;
    char sanitizer[PATH_MAX]; /* AddressSanitizer's runtime, to come first, or "" */
};

/* Judges a command of execvp(3). The environment has the library in LD_PRELOAD. */
struct judgement *judge(const struct launch *launch, char *const *arguments);

/* dry_run.c: asks the kernel which program a command runs. A traced child execs it, and is killed
 * before the first instruction of the program. */
struct dry_run {
    int error;                    /* of execvp(3), or 0 */
    const char *why;              /* there is no answer, or NULL */
    bool is_unreadable;           /* that is why */
    const struct runner *runner;  /* the first one, or NULL */
    char command[PATH_MAX];       /* a program or a script, as given to execve(2) */
    char program[PATH_MAX];       /* that the kernel runs in the end */
    char argument[PATH_MAX];      /* argv[1] of that */
    char loader[PATH_MAX];        /* empty: there is none */
    int bits;                     /* 32 or 64 */
    bool is_secure, is_go;        /* AT_SECURE (getauxval(3)): the loader ignores LD_PRELOAD */
    char *preload, *library_path; /* "LD_PRELOAD=...", "LD_LIBRARY_PATH=..." of it, or NULL */
};

/* Lets env(1) run until it execs its command. Takes a second at most. Needs SIGCHLD's default. */
void dry_run(struct dry_run *run, char *const *arguments);

/* loader.c: has the program's loader list the libraries that it loads with "LD_PRELOAD=...",
 * preloads first; the list is cut to `size`. Returns NULL, or why the loader is not asked. */
const char *loader_list(char *list, size_t size, struct dry_run *run, char *preload);

/* runners.c: programs, known by name, that start their command without the library. */
struct runner {
    const char *name;
    bool is_untraceable; /* a tracer of this program does not see its command either */
    const char *why, *what_to_do;
};
const struct runner *runner_find(const char *path); /* or NULL */
bool runner_starts_others(const char *path);        /* a static program that starts dynamic ones */

void set_variable(const char *name, const char *value); /* NULL leaves it as it is */
/* environment.c: sets LD_PRELOAD to AddressSanitizer's runtimes, which end the program unless they
 * come first, the library, and the other entries of the caller's list. */
void set_preload(const char *list, const char *library, const char *sanitizer);
void have_tox_pass_preload(void);

/* prove.c: connects to itself twice, without the library or tracer and with it; with the library in
 * a child, this program with PROVE_OPTION. Says so, and returns if the second was refused. */
#define PROVE_OPTION "connect-to-itself"
void prove(const struct launch *launch);
int connect_to_itself(bool is_raw);
