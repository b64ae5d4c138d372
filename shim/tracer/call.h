/* SPDX-License-Identifier: MIT */
/* Noting a call that may connect, and settling it:
 *
 *     program -> system call -> the filter (processor.c) stops it if it may connect
 *         takes a duplicate of the descriptor, and the destination
 *     kernel -> result -> the call stops once more
 *         guard() on the duplicate; the call returns what the verdict says
 *     program <- result
 *
 * A call that cannot be looked at never begins: it fails as a refused connect(). */
#ifndef NOSELFCONN_CALL_H
#define NOSELFCONN_CALL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The ret_data of the filter's stops. Another filter of the command may stop calls, too. */
extern uint16_t call_cookie;

/* A filter of the command has a supervisor (SECCOMP_RET_USER_NOTIF), which outranks a tracer and
 * can let a call go on that has not stopped. So from now on every call of every thread has to stop.
 */
extern bool call_may_be_supervised;

/* The thread is stopped in a system call: by the filter, before it, or where it returns. Returns
 * whether it has to stop where it returns. */
bool call_stops(pid_t thread);

/* What changes in the table of threads. The first one also for those that are gone. */
void thread_ends(pid_t thread);
void thread_starts(pid_t thread, pid_t creator);
void thread_execs(pid_t thread, pid_t former);

#endif
