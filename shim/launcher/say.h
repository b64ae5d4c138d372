/* SPDX-License-Identifier: MIT */
#ifndef NOSELFCONN_SAY_H
#define NOSELFCONN_SAY_H

/* As env(1): our own failure, not executable, not found. */
enum { EXIT_OWN_FAILURE = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

/* To standard error: "noselfconn: ", what happened, a line's end. Control characters but for line
 * ends and tabulators are shown as \r or \xNN. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* The same, then what to do (a line or more), then the end of the process with `status`. */
__attribute__((noreturn, format(printf, 3, 4))) void fail(int status, const char *what_to_do,
                                                          const char *format, ...);

/* To be called once all is printed: ends the process with EXIT_OWN_FAILURE where that was lost.
 * Returns 0. */
int printed(void);

/* Never NULL: ends the process where there is no memory. */
void *allocate(unsigned long size);

#endif
