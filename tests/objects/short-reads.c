/* SPDX-License-Identifier: MIT */
/* For LD_PRELOAD: each pread() gets one byte, as some file systems give less than one wants. Who
 * then asks for the rest asks up to the same end: there is no room for more. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t pread(int fd, void *buffer, size_t size, off_t offset)
{
    static void *next;
    static size_t rest;

    if (buffer == next && rest > 0 && size != rest)
        abort();
    next = (char *)buffer + 1;
    rest = size - (size > 0);
    return syscall(SYS_pread64, fd, buffer, size > 0, offset);
}
