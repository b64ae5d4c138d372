/* SPDX-License-Identifier: MIT */
/* For LD_PRELOAD: memory is denied, once, when the process first wants more than a little. */
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
