/* SPDX-License-Identifier: MIT */
/* Programs known by their names, for what they do with the programs that they start. */
#ifndef NOSELFCONN_RUNNERS_H
#define NOSELFCONN_RUNNERS_H

#include <stdbool.h>

/* A program that starts commands without LD_PRELOAD, or where the library is not. */
struct runner {
    const char *name;
    bool is_untraceable; /* a tracer of this program does not see them either */
    const char *why, *what_to_do;
};

const struct runner *runner_find(const char *name); /* or NULL */
const char *base_name(const char *path);
bool runner_is_multicall(const char *name);  /* argv[0] or argv[1] selects the program */
bool runner_starts_others(const char *name); /* which may be dynamic where it is static */

#endif
