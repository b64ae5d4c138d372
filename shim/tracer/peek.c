/* SPDX-License-Identifier: MIT */
/* Reads another process. */
#define _GNU_SOURCE /* process_vm_readv */
#include "peek.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* Linux 6.9 */
#endif
/* The same number on every processor. */
enum { PIDFD_OPEN = 434, PIDFD_GETFD = 438 };

bool peek_memory(pid_t thread, uint64_t address, void *buffer, size_t size)
{
    struct iovec here = {buffer, size}, there = {(void *)(uintptr_t)address, size};
    ssize_t length = process_vm_readv(thread, &here, 1, &there, 1, 0);

    if (length >= 0 && length < (ssize_t)size)
        errno = EFAULT;
    return length == (ssize_t)size;
}

long peek_status(pid_t process, const char *name)
{
    char path[64], line[256];
    long number = 0;
    size_t length = strlen(name);

    snprintf(path, sizeof path, "/proc/%ld/status", (long)process);
    FILE *status = fopen(path, "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, name, length) == 0)
            number = strtol(line + length, NULL, 10);
    if (status != NULL)
        fclose(status);
    return number;
}

void peek_command(pid_t process, char command[16])
{
    char path[64];
    int comm;
    ssize_t length;

    snprintf(path, sizeof path, "/proc/%ld/comm", (long)process);
    comm = open(path, O_RDONLY | O_CLOEXEC);
    length = read(comm, command, 16);
    close(comm);
    command[length > 0 ? length - 1 : 0] =
        '\0'; /* instead of the last newline: a name may have others */
}

static void holder_open(struct holder *holder, pid_t thread)
{
    *holder =
        (struct holder){.thread = thread, .pidfd = (int)syscall(PIDFD_OPEN, thread, PIDFD_THREAD)};
    if (holder->pidfd < 0 && errno == EINVAL) {
        holder->process = (pid_t)peek_status(thread, "Tgid:");
        holder->pidfd = (int)syscall(PIDFD_OPEN, holder->process, 0);
    }
    if (holder->pidfd < 0)
        holder->thread = 0;
}

void holder_close(struct holder *holder)
{
    if (holder->thread != 0)
        close(holder->pidfd);
    holder->thread = 0;
}

/* Asked each time: unshare(CLONE_FILES) gives a thread a table of its own at any time. */
static bool holds_descriptors_of(const struct holder *holder, pid_t thread)
{
    return holder->process == 0 || holder->process == thread ||
           syscall(SYS_kcmp, thread, holder->process, KCMP_FILES, 0L, 0L) == 0;
}

int peek_descriptor(struct holder *holder, pid_t thread, int fd)
{
    if (holder->thread == 0)
        holder_open(holder, thread);
    if (holder->thread == 0)
        return -1;
    if (!holds_descriptors_of(holder, thread)) {
        errno = EPERM;
        return -1;
    }
    return (int)syscall(PIDFD_GETFD, holder->pidfd, fd, 0);
}
