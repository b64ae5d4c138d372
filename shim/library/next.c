/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* RTLD_NEXT, up to glibc 2.34 */
#include "next.h"

#include "libc.h"
#include "system_call.h"

#include <dlfcn.h>
#include <stdint.h>

/* In libdl before glibc 2.34, which a program may not have loaded. A DT_NEEDED entry for it would
 * fail to load where no such file exists (musl). */
extern __typeof__(dlsym) dlsym __attribute__((weak));

/* As an integer: ISO C has no conversion from an object to a function pointer. */
static uintptr_t find(const char *symbol)
{
    if (dlsym == NULL) /* nor is there an errno, if there is no libc */
        return 0;
    int error = errno;
    uintptr_t found = (uintptr_t)dlsym(RTLD_NEXT, symbol);
    errno = error;
    return found;
}

/* For each function the stand-in for a missing definition, and the one before the lookup. */
#define LIST(...) __VA_ARGS__
#define STAND_INS(type, name, parameters, arguments)                                               \
    static type name##_by_system_call parameters                                                   \
    {                                                                                              \
        long result = SYSTEM_CALL(SYS_##name, LIST arguments);                                     \
        return result < 0 ? fail_with((int)-result) : (type)result;                                \
    }                                                                                              \
    static type first_##name parameters                                                            \
    {                                                                                              \
        next_resolve();                                                                            \
        return next.name arguments;                                                                \
    }
INTERPOSED_FUNCTIONS(STAND_INS)

#define FIRST(type, name, parameters, arguments) .name = first_##name,
struct next next = {INTERPOSED_FUNCTIONS(FIRST)};

void next_resolve(void)
{
    uintptr_t found;

#define RESOLVE(type, name, parameters, arguments)                                                 \
    found = find(#name);                                                                           \
    next.name = found != 0 ? (__typeof__(name##_by_system_call) *)found : name##_by_system_call;
    INTERPOSED_FUNCTIONS(RESOLVE)
}

bool next_is_another_copy(void)
{
    return find("libnoselfconn") != 0;
}
