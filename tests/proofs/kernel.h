/* SPDX-License-Identifier: MIT */
/* In place of system_call.h: each proof has a kernel of its own. CBMC follows pointers as such. */
#define NOSELFCONN_SYSTEM_CALL_H
#include <sys/syscall.h>

#define SYSTEM_CALL(number, ...) SYSTEM_CALL_OF_SIX(number, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define SYSTEM_CALL_OF_SIX(number, a, b, c, d, e, f, ...)                                          \
    system_call(number, (void *)(long)(a), (void *)(long)(b), (void *)(long)(c),                   \
                (void *)(long)(d), (void *)(long)(e), (void *)(long)(f))
#define NUMBER(argument) ((int)(long)(argument)) /* the checker extends an int by zeros */
#define ASSUME(condition) __CPROVER_assume(condition)
#define PROVE(condition, sentence) __CPROVER_assert(condition, "sentence: " sentence)

long nondet_long(void);
long system_call(long number, void *a, void *b, void *c, void *d, void *e, void *f);
