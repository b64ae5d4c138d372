/* SPDX-License-Identifier: MIT */
/* Reads another process: its memory, its descriptors, its name. */
#define _GNU_SOURCE /* process_vm_readv */
#include "tracer.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* Linux 6.9 */
#endif
enum { PIDFD_OPEN = 434, PIDFD_GETFD = 438 }; /* on every processor */

bool peek_memory(pid_t thread, uint64_t address, void *buffer, size_t size)
{
    struct iovec here = {buffer, size}, there = {(void *)(uintptr_t)address, size};
    ssize_t length = process_vm_readv(thread, &here, 1, &there, 1, 0);

    if (length >= 0 && length < (ssize_t)size)
        errno = EFAULT;
    return length == (ssize_t)size;
}

/* The beginning of /proc/PID/NAME; empty if it cannot be read. */
static void read_proc(pid_t process, const char *name, char *text, size_t size)
{
    char path[64];
    int file;
    ssize_t length;

    snprintf(path, sizeof path, "/proc/%ld/%s", (long)process, name);
    file = open(path, O_RDONLY | O_CLOEXEC);
    length = read(file, text, size - 1);
    close(file);
    text[length > 0 ? length : 0] = '\0';
}

long peek_status(pid_t process, const char *field)
{
    char status[512]; /* has the fields that are asked for */
    const char *line;

    read_proc(process, "status", status, sizeof status);
    line = strstr(status, field);
    return line == NULL ? 0 : strtol(line + strlen(field), NULL, 10);
}

void peek_command(pid_t process, char command[16])
{
    char comm[17] = "";

    read_proc(process, "comm", comm, sizeof comm);
    memcpy(command, comm, 16);
    command[strlen(comm) > 0 ? strlen(comm) - 1 : 0] =
        '\0'; /* the last newline: names have others */
}

/* A thread that has connected is likely to do so again. */
enum { HOLDERS = 256 };
static struct holder {
    pid_t thread;  /* 0: free */
    pid_t process; /* another one before Linux 6.9, where a pidfd is that of a process */
    int pidfd;
} holders[HOLDERS]; /* by thread */

void peek_forget(pid_t thread)
{
    struct holder *holder = &holders[thread % HOLDERS];

    if (thread == 0 || holder->thread != thread)
        return;
    close(holder->pidfd);
    holder->thread = 0;
}

static struct holder *hold(pid_t thread)
{
    struct holder *holder = &holders[thread % HOLDERS];

    if (holder->thread == thread)
        return holder;
    peek_forget(holder->thread);
    holder->process = thread;
    holder->pidfd = (int)syscall(PIDFD_OPEN, thread, PIDFD_THREAD);
    if (holder->pidfd < 0 && errno == EINVAL) {
        holder->process = (pid_t)peek_status(thread, "\nTgid:");
        holder->pidfd = (int)syscall(PIDFD_OPEN, holder->process, 0);
    }
    holder->thread = holder->pidfd < 0 ? 0 : thread;
    return holder->pidfd < 0 ? NULL : holder;
}

static int duplicate(pid_t thread, int fd)
{
    const struct holder *holder = hold(thread);

    if (holder == NULL)
        return -1;
    /* Asked each time: unshare(CLONE_FILES) gives a thread a table of its own at any time. */
    if (holder->process == thread ||
        syscall(SYS_kcmp, thread, holder->process, KCMP_FILES, 0L, 0L) == 0)
        return (int)syscall(PIDFD_GETFD, holder->pidfd, fd, 0);
    errno = EPERM;
    return -1;
}

/* A pidfd is given up rather than a call that cannot be looked at. */
int peek_descriptor(pid_t thread, int fd)
{
    int copy = duplicate(thread, fd);

    for (int i = 0; i < HOLDERS && copy < 0 && errno == EMFILE; i++) {
        peek_forget(holders[i].thread);
        copy = duplicate(thread, fd);
    }
    return copy;
}
