/* SPDX-License-Identifier: MIT */
/* A dlsym() that finds nothing and prints the names. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

void *dlsym(void *handle, const char *name)
{
    (void)handle;
    fprintf(stderr, "dlsym: %s\n", name);
    errno = ENOENT;
    return NULL;
}
