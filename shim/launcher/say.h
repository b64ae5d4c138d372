/* SPDX-License-Identifier: MIT */
#ifndef NOSELFCONN_SAY_H
#define NOSELFCONN_SAY_H

/* Of --check alone; then as env(1): our own failure, not executable, not found. */
enum { EXIT_CANNOT_TELL = 1, EXIT_OWN_FAILURE = 125, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND };

/* To standard error: "noselfconn: ", what happened, a line's end. Control characters but for line
 * ends and tabulators are shown as \r or \xNN. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* The same, then what to do (a line or more, or NULL), then the end of the process. */
__attribute__((noreturn, format(printf, 3, 4))) void fail(int status, const char *what_to_do,
                                                          const char *format, ...);

/* Returns 0; ends the process where standard output cannot be written. */
int flush_stdout(void);

#endif
