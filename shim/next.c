/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "next.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Weak, for glibc before 2.34: there dlsym is in libdl, which a program may not have loaded. A
 * DT_NEEDED entry for it would fail to load where no such file exists (musl). */
#pragma weak dlsym

/* NULL until resolved. Relaxed order is enough: nothing is published but the pointer itself, and
 * everybody who resolves it finds the same. */
static _Atomic(connect_function *) connect_definition;

static int connect_by_system_call(int fd, const struct sockaddr *destination, socklen_t length)
{
    return (int)syscall(SYS_connect, fd, destination, length);
}

void next_resolve(void)
{
    int error = errno;
    void *found = dlsym != NULL ? dlsym(RTLD_NEXT, "connect") : NULL;
    errno = error;
    /* By way of an integer: ISO C has no conversion from an object to a function pointer. */
    atomic_store_explicit(&connect_definition,
                          found != NULL ? (connect_function *)(uintptr_t)found
                                        : connect_by_system_call,
                          memory_order_relaxed);
}

connect_function *next_connect(void)
{
    connect_function *definition = atomic_load_explicit(&connect_definition, memory_order_relaxed);
    if (definition != NULL)
        return definition;
    next_resolve();
    return atomic_load_explicit(&connect_definition, memory_order_relaxed);
}
