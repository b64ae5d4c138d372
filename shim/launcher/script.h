/* SPDX-License-Identifier: MIT */
/* The first line of a script, as the kernel reads it, and the command lines of env(1), as that
 * reads them. */
#ifndef NOSELFCONN_SCRIPT_H
#define NOSELFCONN_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

enum { SCRIPT_LINE = 256 }; /* the kernel looks at this many bytes of a script (BINPRM_BUF_SIZE) */

struct script {
    char interpreter[SCRIPT_LINE];
    bool has_argument;
    char argument[SCRIPT_LINE]; /* all that follows, as one; it may be empty */
};

enum script_result {
    SCRIPT_READ,
    SCRIPT_NONE,   /* no script */
    SCRIPT_BROKEN, /* one whose interpreter has no name, or one that is too long */
};

/* Reads the first line from the head of a file as the kernel has it: filled up with null bytes
 * where the file is shorter. */
enum script_result script_read(struct script *script, const char line[SCRIPT_LINE]);

enum env_result {
    ENV_RUNS,    /* a command */
    ENV_UNCLEAR, /* options that are not known here */
    ENV_NO_COMMAND,
};

enum { ENV_WORDS = 64 };

/* What env(1) does with its arguments (GNU coreutils, BusyBox). */
struct env {
    const char **arguments; /* for ENV_RUNS: the command, NULL-terminated, its name first */
    const char *folder;     /* where env changes to before, NULL: nowhere */
    /* The environment of the command: that of env, or an empty one, without these names, and with
     * these settings (NAME=VALUE). */
    bool begins_empty;
    size_t unset_count, setting_count;
    const char *unset[ENV_WORDS];
    const char **settings;
    const char *words[ENV_WORDS]; /* what the pointers above lead to */
    char text[4096];              /* what words of a split string point to */
};

/* `arguments` are env's without its name, NULL-terminated. Where one of them is a string to split
 * (-S), its words take that one's place, by env's rules; a string with variables is unclear. */
enum env_result env_read(struct env *env, const char *const *arguments);

#endif
