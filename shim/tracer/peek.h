/* SPDX-License-Identifier: MIT */
/* Reading another process: its memory, its descriptors, its name. */
#ifndef NOSELFCONN_PEEK_H
#define NOSELFCONN_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Through which descriptors of a thread are duplicated. All zero: nothing yet. */
struct holder {
    pid_t thread;
    int pidfd;
    pid_t process; /* before Linux 6.9, where a pidfd is that of a process; 0 since then */
};

/* Returns false, with errno, unless all of the `size` bytes can be read. */
bool peek_memory(pid_t thread, uint64_t address, void *buffer, size_t size);

/* Returns a duplicate of descriptor `fd` of the thread, or -1 with errno, which is EBADF only where
 * the thread has no such descriptor. Opens the holder where it is not open yet. */
int peek_descriptor(struct holder *holder, pid_t thread, int fd);

void holder_close(struct holder *holder);

/* A number from a line of /proc/PID/status: `name` ends with a colon. 0 where it cannot be read. */
long peek_status(pid_t process, const char *name);

/* The name of a process as PR_GET_NAME tells it; empty where it cannot be read. */
void peek_command(pid_t process, char command[16]);

#endif
