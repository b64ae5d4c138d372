/* SPDX-License-Identifier: MIT */
/* Fails the first malloc() of more than 256 bytes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

void *malloc(size_t size)
{
    static int is_denied;
    void *(*next)(size_t);

    *(void **)&next = dlsym(RTLD_NEXT, "malloc");
    return size > 256 && !is_denied++ ? NULL : next(size);
}
