/* SPDX-License-Identifier: MIT */
#ifndef NOSELFCONN_PRELOAD_H
#define NOSELFCONN_PRELOAD_H

/* Sets LD_PRELOAD: `library` comes before what it holds. Before both come the AddressSanitizer
 * runtimes, `sanitizer` (or "") and those that it holds: any other order ends the program. */
void preload_set(const char *library, const char *sanitizer);

/* Sets a variable. None of that name remains before it: the loader takes the last, getenv() the
 * first. */
void set_variable(const char *name, const char *value);

#endif
