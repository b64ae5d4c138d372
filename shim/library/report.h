/* SPDX-License-Identifier: MIT */
#pragma once

#include "guard.h"
#include "settings.h"

#include <stdint.h>

/* A call that connected a socket to itself. */
struct event {
    uint32_t process, thread;
    int fd;
    const char *command; /* the name of the process */
    const char *call;
    const struct verdict *verdict;
};

/* Appends one line of logfmt to the log that NOSELFCONN_LOG names; settings.log must not be
 * LOG_NOWHERE:
 *
 *     time=2026-11-20T09:30:00.000Z pid=812 command="telnet" thread=812 call=connect fd=3
 *     endpoint=127.0.0.1:50000 mode=enforce action=refused
 *
 * `action` is `refused`, `allowed` in mode observe, or `undecided`. A log file is opened for this
 * line alone. For LOG_STDERR the line goes to `standard_error`, if that is still open for the file
 * `at_load`, and nowhere otherwise.
 *
 * Each line is one write, so that those of several processes never mix. It never blocks, raises no
 * signal in the program, and gives up silently if the line cannot be written. Leaves errno
 * alone. Async-signal-safe. */
void report(const struct event *event, int standard_error, const struct file_identity *at_load);
