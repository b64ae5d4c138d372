/* SPDX-License-Identifier: MIT */
#ifndef NOSELFCONN_REPORT_H
#define NOSELFCONN_REPORT_H

#include "endpoint.h"

#include <stdint.h>

/* Whose call it was, as the log shows it. */
struct caller {
    uint32_t process, thread;
    int fd;
    const char *command;
};

/* That of the call that has just been made on `fd`: this thread's, or that of a traced one. Each
 * way to the guard defines it: interpose.c, and trace.c of the launcher. May change errno. */
struct caller report_caller(int fd);

/* Appends one line of logfmt about the self-connection that `call` made on `fd` to the log that
 * NOSELFCONN_LOG names; settings.log must not be LOG_NOWHERE:
 *
 *     time=2026-11-20T09:30:00.000Z pid=812 command="telnet" thread=812 call=connect fd=3
 *     endpoint=127.0.0.1:50000 mode=enforce action=refused
 *
 * `action` is `refused`, or `allowed` in mode observe. The log is opened for this line alone and
 * written with one write(2), so that the lines of several processes never mix. Never blocks, never
 * raises a signal in the program, and gives up silently where the line cannot be written. Changes
 * errno. Async-signal-safe. */
void report_self_connection(const char *call, int fd, const struct endpoint *endpoint);

#endif
