/* SPDX-License-Identifier: MIT */
/* libc may be missing: the loader links a program without it (Go with -buildmode=pie), too, and an
 * unresolved strong reference would end that program. So each reference is weak, and no NULL is
 * called. */
#pragma once

#include <errno.h>
#include <stddef.h>

#pragma weak __errno_location

/* Every libc has these. Compilers call some of them unasked, and ignore a #pragma for those. */
__asm__(".weak strcmp, memccpy, memcpy, memset, htonl, ntohs");

/* Sets errno and returns -1. */
static inline int fail_with(int error)
{
    if (__errno_location != NULL)
        errno = error;
    return -1;
}
