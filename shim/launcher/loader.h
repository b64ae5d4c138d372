/* SPDX-License-Identifier: MIT */
#ifndef NOSELFCONN_LOADER_H
#define NOSELFCONN_LOADER_H

#include <limits.h>
#include <stdbool.h>

struct loader_answer {
    bool ran;                 /* it could be executed */
    bool takes_bare_name;     /* it finds the library by its bare name */
    bool takes_path;          /* it takes it by its path */
    char sanitizer[PATH_MAX]; /* AddressSanitizer's, where the program is linked with that */
    char text[8192];          /* what it has said, as much as fits */
};

/* Asks a loader (ld.so(8), option --list; musl's knows it, too) what it would load for `program`
 * with LD_PRELOAD set to `preload`, which names the library by its path, or by its bare name and by
 * its path. It runs nothing of the program. */
void loader_ask(struct loader_answer *answer, const char *loader, const char *program,
                const char *preload, char *const *environment);

/* Whether a loader may be asked: it belongs to root, and nobody else can write it. Another could be
 * anything, and would run. */
bool loader_is_trusted(const char *loader);

#endif
