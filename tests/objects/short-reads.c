/* SPDX-License-Identifier: MIT */
/* For LD_PRELOAD: each pread() gets one byte, as some file systems give less than one wants. */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t pread(int fd, void *buffer, size_t size, off_t offset)
{
    return syscall(SYS_pread64, fd, buffer, size > 0, offset);
}
