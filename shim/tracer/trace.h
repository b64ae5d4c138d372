/* SPDX-License-Identifier: MIT */
/* The second way to the guard, for programs without a loader: a tracer looks at their system calls.
 * interpose.c is the first. */
#pragma once

#include <stddef.h>

/* Starts a tracer that from now on guards this process, the program that it execs, and their
 * descendants, with these values of NOSELFCONN_MODE and NOSELFCONN_LOG (NULL: those of its
 * environment). The tracer is an orphan, or a child that wait(2) does not see (trace.c,
 * adopts_orphans); it ends with the last of those that it guards. Once it has ended otherwise, the
 * calls that it would have looked at fail with ENOSYS.
 *
 * Returns NULL. If that is impossible, returns the remedy, with the reason in `why` of `size`
 * bytes: no call of this process is looked at then. Ends the process if its calls already stop
 * for the tracer, but their results cannot be changed. */
const char *trace_begin(const char *mode, const char *log, char *why, size_t size);
