/* SPDX-License-Identifier: MIT */
#ifndef NOSELFCONN_SAY_H
#define NOSELFCONN_SAY_H

#include <stdlib.h>

/* Of --check alone; then as env(1): our own failure, not executable, not found. */
enum { EXIT_CANNOT_TELL = 1, EXIT_OWN_FAILURE = 125, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND };

/* To standard error: "noselfconn: ", what happened and, on a line of its own, what to do. Control
 * characters but for line ends and tabulators are shown as \xNN. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* The same, then the end of the process. */
#define fail(status, ...) (say(__VA_ARGS__), exit(status))

#endif
