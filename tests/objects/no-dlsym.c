/* SPDX-License-Identifier: MIT */
/* A loader that knows of no next definition of anything, and says what it was asked for. */
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
