/* SPDX-License-Identifier: MIT */
/* What the parts of the launcher tell each other. Nothing is freed: this process soon becomes the
 * command. */
#ifndef NOSELFCONN_LAUNCHER_H
#define NOSELFCONN_LAUNCHER_H

#include <limits.h>
#include <stdbool.h>

/* judge.c: will the library be loaded into what a command runs? Or can the command be traced? */
struct launch {
    const char *library; /* by its path */
    bool is_installed;   /* so its bare name will do where the loader finds it */
    bool is_traced;      /* a tracer protects the command, not the library */
};

struct judgement {
    enum { YES, NO, CANNOT_TELL } verdict;
    char text[24576];         /* what is known of the command */
    const char *what_to_do;   /* where it is NO */
    int status;               /* to exit with where it is NO; 126 and 127: it cannot run at all */
    bool by_bare_name;        /* what LD_PRELOAD has to hold */
    char sanitizer[PATH_MAX]; /* what has to come before that, or "" */
};

/* Judges a command, as execvp(3) takes it, in this process's environment, which has the library in
 * LD_PRELOAD. */
void judge(struct judgement *judgement, const struct launch *launch, char *const *arguments);

/* dry_run.c: asks the kernel what a command would run. A child execs it, traced, and is killed
 * before the first instruction of the program. */
struct dry_run {
    enum { DRY_RUN_DONE, DRY_RUN_FAILED, DRY_RUN_UNREADABLE, DRY_RUN_UNKNOWN } result;
    int error;                    /* of execvp(3), where it FAILED */
    const char *why;              /* where there is no answer */
    const struct runner *runner;  /* the first one that was met, or NULL */
    char command[PATH_MAX];       /* what was given to execve(2): a program or a script */
    char program[PATH_MAX];       /* what the kernel runs in the end */
    char argument[PATH_MAX];      /* argv[1] of that */
    char loader[PATH_MAX];        /* empty: there is none */
    int bits;                     /* 32 or 64 */
    bool is_secure, is_go;        /* AT_SECURE (getauxval(3)): the loader ignores LD_PRELOAD */
    char *preload, *library_path; /* LD_PRELOAD and LD_LIBRARY_PATH of the program, or NULL */
};

/* Lets env(1) run on to what it execs. Takes a second at most. SIGCHLD has to be at its default. */
void dry_run(struct dry_run *run, char *const *arguments);

/* loader.c: asks a loader what it would load for `program` with these LD_PRELOAD and
 * LD_LIBRARY_PATH (or NULL). Returns NULL, or why it is not asked. */
struct loader_answer {
    bool takes_bare_name, takes_path, lacks_library; /* lacks one that the program is linked with */
    char sanitizer[PATH_MAX]; /* AddressSanitizer, where the program is linked with it; or "" */
    char text[8192];          /* what the loader has said, as much as fits */
};
const char *loader_ask(struct loader_answer *answer, const char *loader, const char *program,
                       const char *preload, const char *library_path);

/* runners.c: programs known by their names, for what they do with the programs that they start. */
struct runner {
    const char *name;
    bool is_untraceable; /* a tracer of this program does not see its command either */
    const char *why, *what_to_do;
};
const struct runner *runner_find(const char *name); /* or NULL */
const char *base_name(const char *path);
bool runner_starts_others(const char *name); /* which may be dynamic where it is static */

/* preload.c: sets LD_PRELOAD. `library` comes before what `list` (or NULL) holds; before both come
 * the AddressSanitizer runtimes, `sanitizer` (or "") and those that it holds: any other order ends
 * the program. */
void preload_set(const char *list, const char *library, const char *sanitizer);

/* Sets a variable, and leaves no other of that name: getenv() takes the first, the loader the last.
 */
void set_variable(const char *name, const char *value);

/* prove.c: connects to itself twice, without the library or tracer and with it, and leaves nothing
 * behind. Says what came of it and returns if the second was refused. The child that has the
 * library in LD_PRELOAD is this program with PROVE_OPTION, which returns its exit status. */
#define PROVE_OPTION "connect-to-itself"
void prove(bool is_traced);
int prove_as_child(void);

#endif
