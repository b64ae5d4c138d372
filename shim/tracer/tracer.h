/* SPDX-License-Identifier: MIT */
/* The tracer's life. */
#ifndef NOSELFCONN_TRACER_H
#define NOSELFCONN_TRACER_H

#include <sys/types.h>

/* What the tracer tells the launcher, once it has attached: the step that failed, and its errno; or
 * NULL. Both are the same program. */
struct report_of_start {
    const char *step;
    int error;
};

/* Becomes the tracer of `process`: sends its own number over `channel`, waits for a byte, attaches,
 * and sends a struct report_of_start. Ends with the last thread that it traces: at once where it
 * could not attach, or where the process is gone. `any_fd` is a descriptor of the process. */
__attribute__((noreturn)) void tracer_run(pid_t process, int channel, int any_fd);

#endif
