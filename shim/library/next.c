/* SPDX-License-Identifier: MIT */
#include "next.h"

#include "libc.h"

#include <dlfcn.h>
#include <stdint.h>

/* In libdl before glibc 2.34, which a program may not have loaded. A DT_NEEDED entry for it would
 * fail to load where no such file exists (musl). */
extern __typeof__(dlsym) dlsym __attribute__((weak));

/* As an integer: ISO C has no conversion from an object to a function pointer. */
static uintptr_t find(const char *symbol)
{
    if (dlsym == NULL) /* nor is there an errno, where there is no libc */
        return 0;
    int error = errno;
    uintptr_t found = (uintptr_t)dlsym(RTLD_NEXT, symbol);
    errno = error;
    return found;
}

/* For each symbol what stands in for a missing definition, and what stands there until it has been
 * looked up. */
#define NEXT_DEFINITION(type, symbol, parameters, ...)                                             \
    static type symbol##_by_system_call parameters                                                 \
    {                                                                                              \
        return libc_is_there() ? (type)syscall(SYS_##symbol, __VA_ARGS__) : -1;                    \
    }                                                                                              \
    static type first_##symbol parameters                                                          \
    {                                                                                              \
        next_resolve();                                                                            \
        return next.symbol(__VA_ARGS__);                                                           \
    }                                                                                              \
    static void resolve_##symbol(void)                                                             \
    {                                                                                              \
        symbol##_function *found = (symbol##_function *)find(#symbol);                             \
        next.symbol = found != NULL ? found : symbol##_by_system_call;                             \
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

struct next next = {first_connect, first_sendto, first_sendmsg, first_sendmmsg};

void next_resolve(void)
{
    resolve_connect();
    resolve_sendto();
    resolve_sendmsg();
    resolve_sendmmsg();
}

bool next_is_another_copy(void)
{
    return find("libnoselfconn") != 0;
}
