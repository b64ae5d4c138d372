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
    char argument[SCRIPT_LINE]; /* all that follows; empty where nothing does */
};

enum script_result {
    SCRIPT_READ,
    SCRIPT_NONE,   /* no script */
    SCRIPT_BROKEN, /* one whose interpreter has no name, or one that is too long */
};

/* Reads the first line from the `size` bytes at the head of a file, of which the kernel sees no
 * more than SCRIPT_LINE (load_script). */
enum script_result script_read(struct script *script, const char *head, size_t size);

enum env_result {
    ENV_RUNS,    /* a command, with the environment that env was given */
    ENV_DROPS,   /* a command, without LD_PRELOAD, or with another one */
    ENV_UNCLEAR, /* options that are not known here */
    ENV_NO_COMMAND,
};

enum { ENV_WORDS = 64 };

/* What env(1) does with its arguments (GNU coreutils, BusyBox). */
struct env {
    const char *command; /* for ENV_RUNS: its name, in words below or in the arguments; and what */
    const char **arguments; /* it is given: NULL-terminated, `command` first */
    const char *path;       /* the PATH by which it is looked for, NULL: that of env itself */
    const char *folder;     /* where env changes to before, NULL: nowhere */
    const char *words[ENV_WORDS];
    char text[4096]; /* what words of a split string point to */
};

/* `arguments` are env's without its name, NULL-terminated. Where one of them is a string to split
 * (-S), its words take that one's place, by env's rules; a string with variables is unclear. */
enum env_result env_read(struct env *env, const char *const *arguments);

#endif
