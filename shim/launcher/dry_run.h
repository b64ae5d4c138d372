/* SPDX-License-Identifier: MIT */
/* Asks the kernel what a command would run: a child execs it, traced, and is killed before the
 * first instruction of the program. */
#ifndef NOSELFCONN_DRY_RUN_H
#define NOSELFCONN_DRY_RUN_H

#include <limits.h>
#include <stdbool.h>

struct dry_run {
    enum { DRY_RUN_DONE, DRY_RUN_FAILED, DRY_RUN_UNREADABLE, DRY_RUN_UNKNOWN } result;
    int error;                   /* of execvp(3), where it FAILED */
    const char *why;             /* where there is no answer */
    const struct runner *runner; /* the first one that was met, or NULL */
    char command[PATH_MAX];      /* what was given to execve(2): a program or a script */
    char program[PATH_MAX];      /* what the kernel runs in the end */
    char loader[PATH_MAX];       /* empty: there is none */
    int bits;                    /* 32 or 64 */
    bool is_secure;              /* AT_SECURE (getauxval(3)): the loader ignores LD_PRELOAD */
    bool is_go;
    char *preload, *library_path; /* LD_PRELOAD and LD_LIBRARY_PATH of the program, or NULL */
};

/* Does that with this process's environment. env(1) is let run on to what it execs. Takes a second
 * at most. SIGCHLD has to be at its default. */
void dry_run(struct dry_run *run, char *const *arguments);

#endif
