/* SPDX-License-Identifier: MIT */
#include "next.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Weak, for glibc before 2.34: there dlsym is in libdl, which a program may not have loaded. A
 * DT_NEEDED entry for it would fail to load where no such file exists (musl). */
extern __typeof__(dlsym) dlsym __attribute__((weak));

/* By way of an integer: ISO C has no conversion from an object to a function pointer. */
static uintptr_t find(const char *symbol)
{
    return dlsym != NULL ? (uintptr_t)dlsym(RTLD_NEXT, symbol) : 0;
}

/* For each symbol what stands in for a missing definition, and what stands there until it has been
 * looked up. */
#define NEXT_DEFINITION(type, symbol, parameters, ...)                                             \
    static type symbol##_by_system_call parameters                                                 \
    {                                                                                              \
        return (type)syscall(SYS_##symbol, __VA_ARGS__);                                           \
    }                                                                                              \
    static type first_##symbol parameters                                                          \
    {                                                                                              \
        next_resolve();                                                                            \
        return next_##symbol()(__VA_ARGS__);                                                       \
    }                                                                                              \
    static void resolve_##symbol(void)                                                             \
    {                                                                                              \
        symbol##_function *found = (symbol##_function *)find(#symbol);                             \
        atomic_store_explicit(&next_definitions.symbol,                                            \
                              found != NULL ? found : symbol##_by_system_call,                     \
                              memory_order_relaxed);                                               \
    }

NEXT_DEFINITION(int, connect, (int fd, const struct sockaddr *destination, socklen_t length), fd,
                destination, length)
NEXT_DEFINITION(ssize_t, sendto,
                (int fd, const void *data, size_t size, int flags,
                 const struct sockaddr *destination, socklen_t length),
                fd, data, size, flags, destination, length)
NEXT_DEFINITION(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), fd, message,
                flags)
NEXT_DEFINITION(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned int count, int flags),
                fd, messages, count, flags)

struct next_definitions next_definitions = {first_connect, first_sendto, first_sendmsg,
                                            first_sendmmsg};

void next_resolve(void)
{
    int error = errno;
    resolve_connect();
    resolve_sendto();
    resolve_sendmsg();
    resolve_sendmmsg();
    errno = error;
}
