/* SPDX-License-Identifier: MIT */
/* Programs that run others, and do not hand on what the loader needs. Known by their names. */
#ifndef NOSELFCONN_WRAPPER_H
#define NOSELFCONN_WRAPPER_H

#include "script.h"

#include <stdbool.h>

struct wrapper {
    const char *name;
    const char *options; /* those that make it one, separated by spaces; NULL: it always is */
    const char *valued;  /* letters of options: what follows them in their word is their value */
    bool is_unclear;     /* else it is certain that the command goes without */
    const char *why, *what_to_do;
};

/* Returns what is known of the program `path` with these arguments (its name first), NULL: nothing.
 */
const struct wrapper *wrapper_find(const char *path, const char *const *arguments);

bool wrapper_is_env(const char *path);

/* A loader, as ld-linux-x86-64.so.2, which can be called with the name of a program. */
bool wrapper_is_loader(const char *path);

/* One that is many: which one, its first argument says. */
bool wrapper_is_many(const char *path);

/* Statically linked, as many systems have them, but of use for what they start. */
bool wrapper_is_static(const char *path);

/* Whether the kernel was told what to run such a file with (binfmt_misc): by its head, which is
 * filled up with null bytes where the file is shorter, or by its name. */
bool wrapper_has_binfmt(const char *path, const char head[SCRIPT_LINE]);

#endif
