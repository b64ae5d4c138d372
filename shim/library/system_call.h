/* SPDX-License-Identifier: MIT */
/* System calls without libc: they leave errno alone, also on failure, are no cancellation points,
 * cannot be interposed, and work in a thread without thread-local storage. */
#pragma once

#include <sys/syscall.h>

/* For each processor (syscall(2), "Architecture calling conventions"): the instruction, the
 * registers of the number and of the arguments, that of the result, and those that the kernel
 * changes besides. */
#if defined __x86_64__ && defined __LP64__
#define TRAP "syscall"
#define REGISTERS "rax", "rdi", "rsi", "rdx", "r10", "r8", "r9"
#define RESULT number_register
#define CLOBBERED "rcx", "r11"
#elif defined __aarch64__
#define TRAP "svc 0"
#define REGISTERS "x8", "x0", "x1", "x2", "x3", "x4", "x5"
#define RESULT a_register
#define CLOBBERED "cc"
#elif defined __arm__ /* r7 is the frame pointer in Thumb code without optimisation */
#define TRAP "mov r8, r7\n\tmov r7, r12\n\tsvc 0\n\tmov r7, r8"
#define REGISTERS "r12", "r0", "r1", "r2", "r3", "r4", "r5"
#define RESULT a_register
#define CLOBBERED "r8", "cc"
#elif defined __riscv
#define TRAP "ecall"
#define REGISTERS "a7", "a0", "a1", "a2", "a3", "a4", "a5"
#define RESULT a_register
#define CLOBBERED "cc"
#elif defined __powerpc64__ /* a bit of the condition register marks an error */
#define TRAP "sc\n\tbns+ 1f\n\tneg 3, 3\n1:"
#define REGISTERS "r0", "r3", "r4", "r5", "r6", "r7", "r8"
#define RESULT a_register
#define CLOBBERED "cr0", "ctr", "r9", "r10", "r11", "r12"
#elif defined __s390x__
#define TRAP "svc 0"
#define REGISTERS "r1", "r2", "r3", "r4", "r5", "r6", "r7"
#define RESULT a_register
#define CLOBBERED "cc"
#elif defined __mips64 /* $7 marks an error */
#define TRAP "syscall\n\tbeqz $7, 1f\n\tdsubu $2, $0, $2\n1:"
#define REGISTERS "$2", "$4", "$5", "$6", "$7", "$8", "$9"
#define RESULT number_register
#define CLOBBERED "$1", "$3", "$10", "$11", "$12", "$13", "$14", "$15", "$24", "$25", "hi", "lo"
#elif !defined __i386__
#error "the registers of a system call are not known here: see syscall(2)"
#endif

/* Returns the kernel's result: a negative errno if the call fails. */
static inline long system_call(long number, long a, long b, long c, long d, long e, long f)
{
#ifdef __i386__ /* one register too few: the sixth argument goes into the frame pointer */
    __asm__ volatile("pushl %6\n\tpush %%ebp\n\tmov 4(%%esp), %%ebp\n\tint $0x80\n\t"
                     "pop %%ebp\n\tadd $4, %%esp"
                     : "+a"(number)
                     : "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), "m"(f)
                     : "memory", "cc");
    return number;
#else
#define CALL_WITH(NUMBER, A, B, C, D, E, F)                                                        \
    register long number_register __asm__(NUMBER) = number;                                        \
    register long a_register __asm__(A) = a, b_register __asm__(B) = b;                            \
    register long c_register __asm__(C) = c, d_register __asm__(D) = d;                            \
    register long e_register __asm__(E) = e, f_register __asm__(F) = f;                            \
    __asm__ volatile(TRAP                                                                          \
                     : "+r"(number_register), "+r"(a_register), "+r"(b_register),                  \
                       "+r"(c_register), "+r"(d_register), "+r"(e_register), "+r"(f_register)      \
                     :                                                                             \
                     : "memory", CLOBBERED)
#define CALL(registers) CALL_WITH(registers)
    CALL(REGISTERS);
    return RESULT;
#undef CALL
#undef CALL_WITH
#endif
}

/* With one to six arguments, pointers or integers; the kernel ignores the others. */
#define SYSTEM_CALL(number, ...) SYSTEM_CALL_OF_SIX(number, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define SYSTEM_CALL_OF_SIX(number, a, b, c, d, e, f, ...)                                          \
    system_call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
