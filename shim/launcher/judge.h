/* SPDX-License-Identifier: MIT */
/* Will the library be loaded into what a command runs? Or can the command be traced? The kernel and
 * the program's loader are asked. */
#ifndef NOSELFCONN_JUDGE_H
#define NOSELFCONN_JUDGE_H

#include <limits.h>
#include <stdbool.h>

struct launch {
    const char *library; /* by its path */
    bool is_installed;   /* so its bare name will do where the loader finds it */
    bool is_traced;      /* a tracer protects the command, not the library */
};

struct judgement {
    enum { YES, NO, CANNOT_TELL } verdict;
    char text[16384];         /* what is known of the command */
    const char *what_to_do;   /* where it is NO */
    int status;               /* to exit with where it is NO; 126 and 127: it cannot run at all */
    bool by_bare_name;        /* what LD_PRELOAD has to hold */
    char sanitizer[PATH_MAX]; /* what has to come before that, or "" */
};

/* Judges a command, as execvp(3) takes it, in this process's environment, which has the library in
 * LD_PRELOAD. */
void judge(struct judgement *judgement, const struct launch *launch, char *const *arguments);

#endif
