/* SPDX-License-Identifier: MIT */
/* Linked into what `make coverage` measures: a process that ends by _exit(2), or becomes another
 * program, writes down its counters, too, which the compiler's run-time does at exit(3) alone. */
#include <unistd.h>

void __gcov_dump(void);
void __gcov_reset(void);
int __real_execvp(const char *file, char *const *arguments);
_Noreturn void __real__exit(int status);
int __wrap_execvp(const char *file, char *const *arguments);
_Noreturn void __wrap__exit(int status);

int __wrap_execvp(const char *file, char *const *arguments)
{
    __gcov_dump();
    int result = __real_execvp(file, arguments);
    __gcov_reset(); /* what was written once is not written again */
    return result;
}

_Noreturn void __wrap__exit(int status)
{
    __gcov_dump();
    __real__exit(status);
}
