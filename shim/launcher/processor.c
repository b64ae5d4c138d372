/* SPDX-License-Identifier: MIT */
#include "processor.h"

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/net.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef PTRACE_SET_SYSCALL_INFO
#define PTRACE_SET_SYSCALL_INFO 0x4212 /* Linux 6.16 */
#endif

enum { NONE = -1, IO_URING_SETUP = 425 }; /* on all of these processors */

/* Where a call's result is in the registers of NT_PRSTATUS, counted in words of the program. */
struct interface {
    uint32_t architecture; /* AUDIT_ARCH_... */
    int connect, sendto, sendmsg, sendmmsg, socketcall;
    unsigned int result;
};

#ifdef SYS_socketcall
#define OWN_SOCKETCALL SYS_socketcall
#else
#define OWN_SOCKETCALL NONE
#endif
#define OWN_NUMBERS SYS_connect, SYS_sendto, SYS_sendmsg, SYS_sendmmsg, OWN_SOCKETCALL

/* The first is the one that this was built for; the kernel runs the others beside it. Their numbers
 * are in the kernel's arch/.../syscall*.tbl, the registers in each <asm/ptrace.h>. */
static const struct interface interfaces[] = {
#if defined __x86_64__ && defined __LP64__
    {AUDIT_ARCH_X86_64, OWN_NUMBERS, 10},          /* rax */
    {AUDIT_ARCH_I386, 362, 369, 370, 345, 102, 6}, /* eax */
#elif defined __i386__
    {AUDIT_ARCH_I386, OWN_NUMBERS, 6}, /* eax */
#elif defined __aarch64__
    {AUDIT_ARCH_AARCH64, OWN_NUMBERS, 0},          /* x0 */
    {AUDIT_ARCH_ARM, 283, 290, 296, 374, NONE, 0}, /* r0 */
#elif defined __arm__
    {AUDIT_ARCH_ARM, OWN_NUMBERS, 0}, /* r0 */
#elif defined __riscv && __riscv_xlen == 64
    {AUDIT_ARCH_RISCV64, OWN_NUMBERS, 10}, /* a0 */
#elif defined __powerpc64__ && defined __LITTLE_ENDIAN__
    {AUDIT_ARCH_PPC64LE, OWN_NUMBERS, 3}, /* r3 */
#elif defined __s390x__
    {AUDIT_ARCH_S390X, OWN_NUMBERS, 4}, /* r2, after the two words of the PSW */
    {AUDIT_ARCH_S390, 362, 369, 370, 358, 102, 4},
#endif
    {.architecture = 0}, /* the end */
};
enum { X32 = 0x40000000 };

bool processor_is_known(void)
{
    return interfaces[0].architecture != 0;
}

/* A program for the kernel's filter machine (bpf(4) of the BSDs; seccomp(2)). A jump goes over as
 * many instructions as it says. */
struct program {
    unsigned short length;
    struct sock_filter code[128];
};

static void load(struct program *program, size_t offset)
{
    program->code[program->length++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

static void jump_unless(struct program *program, int comparison, uint32_t value, int over)
{
    program->code[program->length++] =
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_K | comparison, value, 0, (uint8_t)over);
}

static void end(struct program *program, uint32_t action)
{
    program->code[program->length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
}

/* The lower half, which has all the bits of a flag or a number. */
static void load_argument(struct program *program, int number)
{
    size_t lower = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof(uint32_t) : 0;

    load(program, offsetof(struct seccomp_data, args) + (size_t)number * sizeof(uint64_t) + lower);
}

static void stop_with_fast_open(struct program *program, int call, int flags, uint32_t as)
{
    jump_unless(program, BPF_JEQ, (uint32_t)call, 4);
    load_argument(program, flags);
    jump_unless(program, BPF_JSET, MSG_FASTOPEN, 1);
    end(program, SECCOMP_RET_TRACE | as);
    end(program, SECCOMP_RET_ALLOW);
}

/* Its flags are in the program's memory, where the filter cannot look. */
static void stop_socketcall(struct program *program, int call)
{
    static const uint32_t numbers[] = {SYS_CONNECT, SYS_SENDTO, SYS_SENDMSG, SYS_SENDMMSG};
    enum { COUNT = sizeof numbers / sizeof *numbers };

    if (call == NONE)
        return;
    jump_unless(program, BPF_JEQ, (uint32_t)call, 2 + 2 * COUNT);
    load_argument(program, 0);
    for (int i = 0; i < COUNT; i++) {
        jump_unless(program, BPF_JEQ, numbers[i], 1);
        end(program, SECCOMP_RET_TRACE | TRACED_SOCKETCALL);
    }
    end(program, SECCOMP_RET_ALLOW);
}

static void fail_with(struct program *program, int comparison, uint32_t number, int error)
{
    jump_unless(program, comparison, number, 1);
    end(program, SECCOMP_RET_ERRNO | (uint32_t)error);
}

static void add_interface(struct program *program, const struct interface *interface)
{
    unsigned short start = program->length;

    jump_unless(program, BPF_JEQ, interface->architecture, 0);
    load(program, offsetof(struct seccomp_data, nr));
    if (interface->architecture == AUDIT_ARCH_X86_64)
        fail_with(program, BPF_JGE, X32, ENOSYS);
    fail_with(program, BPF_JEQ, IO_URING_SETUP, EPERM);
    jump_unless(program, BPF_JEQ, (uint32_t)interface->connect, 1);
    end(program, SECCOMP_RET_TRACE | TRACED_CONNECT);
    stop_with_fast_open(program, interface->sendto, 3, TRACED_SENDTO);
    stop_with_fast_open(program, interface->sendmsg, 2, TRACED_SENDMSG);
    stop_with_fast_open(program, interface->sendmmsg, 3, TRACED_SENDMMSG);
    stop_socketcall(program, interface->socketcall);
    end(program, SECCOMP_RET_ALLOW);
    program->code[start].jf = (uint8_t)(program->length - start - 1);
}

int processor_filter_calls(void)
{
    struct program program = {.length = 0};

    load(&program, offsetof(struct seccomp_data, arch));
    for (const struct interface *one = interfaces; one->architecture != 0; one++)
        add_interface(&program, one);
    end(&program, SECCOMP_RET_ERRNO | ENOSYS);

    const struct sock_fprog filter = {.len = program.length, .filter = program.code};
    /* SPEC_ALLOW: without it kernels before 5.16 slow the whole program down, as a protection that
     * it has not asked for (Documentation/admin-guide/hw-vuln/spectre.rst). */
    const unsigned long flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter) == 0)
        return 0;
    if (errno != EACCES)
        return -1;
    prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L); /* without it the next call fails as well */
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
}

/* On PowerPC a bit of the condition register marks an error, and the result is then a positive
 * number. Only after the newer instruction scv it is as elsewhere (syscall_set_return_value). */
/* NOLINTNEXTLINE(readability-non-const-parameter): there they are changed */
static uint64_t as_result(uint64_t *words, int error)
{
#ifdef __powerpc64__
    enum { CONDITIONS = 38, TRAP = 40, SCV = 0x3000, SUMMARY_OVERFLOW = 0x10000000 };
    if ((words[TRAP] & ~0xfULL) != SCV) {
        words[CONDITIONS] |= SUMMARY_OVERFLOW;
        return (uint64_t)error;
    }
#endif
    (void)words;
    return (uint64_t) - (int64_t)error;
}

static void write_register(pid_t thread, unsigned int result, bool is_64_bit, int error)
{
    union {
        uint64_t wide[128];
        uint32_t narrow[256];
    } registers;
    struct iovec set = {&registers, sizeof registers};

    if (syscall(SYS_ptrace, PTRACE_GETREGSET, thread, NT_PRSTATUS, &set) != 0)
        return; /* the thread is gone */
    if (is_64_bit)
        registers.wide[result] = as_result(registers.wide, error);
    else
        registers.narrow[result] = (uint32_t)-error;
    syscall(SYS_ptrace, PTRACE_SETREGSET, thread, NT_PRSTATUS, &set);
}

void processor_fail_call(pid_t thread, const struct ptrace_syscall_info *info, int error)
{
    struct ptrace_syscall_info failed = *info;

    failed.exit.rval = -error;
    failed.exit.is_error = 1;
    if (syscall(SYS_ptrace, PTRACE_SET_SYSCALL_INFO, thread, sizeof failed, &failed) == 0)
        return;
    const struct interface *its = interfaces;
    while (its->architecture != info->arch) /* by another one no call stops for the tracer */
        its++;
    write_register(thread, its->result, (info->arch & __AUDIT_ARCH_64BIT) != 0, error);
}
