/* SPDX-License-Identifier: MIT */
#ifndef NOSELFCONN_LOADER_H
#define NOSELFCONN_LOADER_H

#include <limits.h>
#include <stdbool.h>

struct loader_answer {
    bool takes_bare_name, takes_path, lacks_library; /* lacks one that the program is linked with */
    char sanitizer[PATH_MAX]; /* AddressSanitizer, where the program is linked with it; or "" */
    char text[8192];          /* what the loader has said, as much as fits */
};

/* Asks a loader what it would load for `program` with these LD_PRELOAD and LD_LIBRARY_PATH (or
 * NULL). Runs nothing of the program. Returns NULL, or why the loader is not asked. */
const char *loader_ask(struct loader_answer *answer, const char *loader, const char *program,
                       const char *preload, const char *library_path);

#endif
