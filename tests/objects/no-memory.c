/* SPDX-License-Identifier: MIT */
/* For LD_PRELOAD: a process that gets no more than a little memory at a time. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

void *malloc(size_t size)
{
    void *(*next)(size_t);

    *(void **)&next = dlsym(RTLD_NEXT, "malloc");
    return size <= 256 ? next(size) : NULL;
}
