/* SPDX-License-Identifier: MIT */
/* What the library takes from the C library may be missing: a program without libc (Go with
 * -buildmode=pie) is linked by the loader, too, and a strong reference that cannot be resolved
 * would end it. So each reference is weak, and nothing is called that is NULL. */
#ifndef NOSELFCONN_LIBC_H
#define NOSELFCONN_LIBC_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#pragma weak syscall
#pragma weak __errno_location

/* These are in every libc. Compilers call some of them unasked, unimpressed by a #pragma. */
__asm__(".weak strcmp, memccpy, memcpy, memset, htonl, ntohs");

/* Whether errno and syscall() may be used. One without the other is in no libc. */
static inline bool libc_is_there(void)
{
    return syscall != NULL && __errno_location != NULL;
}

#endif
