/* SPDX-License-Identifier: MIT */
/* Will the library be loaded when a command is started, and does the command keep it for what it
 * starts itself? Or can the command be traced? The answer is one of three, and none is guessed. */
#ifndef NOSELFCONN_JUDGE_H
#define NOSELFCONN_JUDGE_H

#include <limits.h>
#include <stdbool.h>

enum verdict { PROTECTED, NOT_PROTECTED, CANNOT_TELL };

struct judgement {
    enum verdict verdict;
    /* Where it is PROTECTED: */
    char program[PATH_MAX];   /* what the library is loaded into */
    bool by_bare_name;        /* what LD_PRELOAD has to hold for that */
    char sanitizer[PATH_MAX]; /* the runtime of AddressSanitizer, which has to come first; or empty
                               */
    /* Where it is not: */
    char why[16384];
    const char *what_to_do;
    int status; /* to exit with */
    /* In any case: */
    bool is_text; /* the kernel cannot run it: /bin/sh does, as by execvp(3) */
};

struct launch {
    const char *library;      /* by its path */
    bool may_use_bare_name;   /* the library is installed */
    bool is_traced;           /* a tracer protects it, not the library */
    char *const *environment; /* of the command, but for LD_PRELOAD */
};

/* Judges the file `path` that is to be run as a command with `arguments` (NULL-terminated, its name
 * first). Starts the program's loader, and nothing else. */
void judge(struct judgement *judgement, const struct launch *launch, const char *path,
           const char *const *arguments);

#endif
