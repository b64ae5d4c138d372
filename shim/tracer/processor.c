/* SPDX-License-Identifier: MIT */
/* The differences between processors for a tracer: the numbers of the system calls, and the
 * registers of a number and a result. */
#include "tracer.h"

#include <elf.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/net.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { NONE = -1, IO_URING_SETUP = 425, IO_URING_REGISTER = 427 }; /* on all of these processors */

const struct signature signatures[TRACED_CALLS] = {
    [TRACED_CONNECT] = {"connect", 1, NONE, 0, 3, SYS_CONNECT},
    [TRACED_SENDTO] = {"sendto", 4, 3, MSG_FASTOPEN, 6, SYS_SENDTO},
    [TRACED_SENDMSG] = {"sendmsg", NONE, 2, MSG_FASTOPEN, 3, SYS_SENDMSG},    /* a struct msghdr */
    [TRACED_SENDMMSG] = {"sendmmsg", NONE, 3, MSG_FASTOPEN, 4, SYS_SENDMMSG}, /* several */
    [TRACED_SECCOMP] = {"seccomp", NONE, 1, SECCOMP_FILTER_FLAG_NEW_LISTENER, 3, 0},
};

/* The numbers by enum traced_call; and where a call's number and its result are in the registers of
 * NT_PRSTATUS, counted in words of the program. */
struct interface {
    uint32_t architecture; /* AUDIT_ARCH_... */
    int calls[TRACED_CALLS];
    int number, result;
};

#ifdef SYS_socketcall
#define OWN_SOCKETCALL SYS_socketcall
#else
#define OWN_SOCKETCALL NONE
#endif
#define OWN_NUMBERS SYS_connect, SYS_sendto, SYS_sendmsg, SYS_sendmmsg, OWN_SOCKETCALL, SYS_seccomp

/* The first is the one that this was built for; the kernel runs the others beside it. Their numbers
 * are in the kernel's arch/.../syscall*.tbl, the registers in each <asm/ptrace.h>. */
static const struct interface interfaces[] = {
#if defined __x86_64__ && defined __LP64__
    {AUDIT_ARCH_X86_64, {OWN_NUMBERS}, 15, 10},               /* orig_rax, rax */
    {AUDIT_ARCH_I386, {362, 369, 370, 345, 102, 354}, 11, 6}, /* orig_eax, eax */
#elif defined __i386__
    {AUDIT_ARCH_I386, {OWN_NUMBERS}, 11, 6}, /* orig_eax, eax */
#elif defined __aarch64__
    {AUDIT_ARCH_AARCH64, {OWN_NUMBERS}, NONE, 0},               /* x0 */
    {AUDIT_ARCH_ARM, {283, 290, 296, 374, NONE, 383}, NONE, 0}, /* r0 */
#elif defined __arm__
    {AUDIT_ARCH_ARM, {OWN_NUMBERS}, NONE, 0}, /* r0 */
#elif defined __riscv && __riscv_xlen == 64
    {AUDIT_ARCH_RISCV64, {OWN_NUMBERS}, 17, 10}, /* a7, a0 */
#elif defined __powerpc64__ && defined __LITTLE_ENDIAN__
    {AUDIT_ARCH_PPC64LE, {OWN_NUMBERS}, 0, 3}, /* r0, r3 */
#elif defined __s390x__ /* r2 for both, after the two words of the PSW (arch/s390, __poke_user) */
    {AUDIT_ARCH_S390X, {OWN_NUMBERS}, 4, 4},
    {AUDIT_ARCH_S390, {362, 369, 370, 358, 102, 348}, 4, 4},
#endif
    {.architecture = 0}, /* the end */
};
enum { X32 = 0x40000000 };

bool processor_is_known(void)
{
    return interfaces[0].architecture != 0;
}

static const struct interface *find_interface(uint32_t architecture)
{
    const struct interface *one = interfaces;

    while (one->architecture != 0 && one->architecture != architecture)
        one++;
    return one;
}

enum traced_call processor_call(uint32_t architecture, uint64_t number)
{
    const struct interface *interface = find_interface(architecture);
    enum traced_call call = 0;

    if (interface->architecture == 0)
        return TRACED_CALLS;
    while (call < TRACED_CALLS && number != (uint64_t)interface->calls[call])
        call++;
    return call;
}

/* A program for the kernel's filter machine (bpf(4) of the BSDs; seccomp(2)). A jump goes over as
 * many instructions as it says. */
struct program {
    unsigned short length;
    struct sock_filter code[128];
};
enum {
    LOAD = BPF_LD | BPF_W | BPF_ABS,
    IF_EQUAL = BPF_JMP | BPF_JEQ | BPF_K,
    IF_NOT_LESS = BPF_JMP | BPF_JGE | BPF_K,
    IF_GREATER = BPF_JMP | BPF_JGT | BPF_K,
    IF_SET = BPF_JMP | BPF_JSET | BPF_K,
    RETURN = BPF_RET | BPF_K,
};

static void add(struct program *program, uint16_t code, size_t value, int over, int over_unless)
{
    program->code[program->length++] = (struct sock_filter){
        .code = code, .jt = (uint8_t)over, .jf = (uint8_t)over_unless, .k = (uint32_t)value};
}

/* The lower half of an argument, which has all the bits of a flag or a number. */
static void load_argument(struct program *program, size_t number)
{
    size_t lower = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof(uint32_t) : 0;

    add(program, LOAD, offsetof(struct seccomp_data, args) + number * sizeof(uint64_t) + lower, 0,
        0);
}

static void stop_call(struct program *program, int number, enum traced_call call, uint32_t stop)
{
    const struct signature *signature = &signatures[call];
    const unsigned short start = program->length;

    add(program, IF_EQUAL, (size_t)number, 0, 0);
    if (call == TRACED_SOCKETCALL) { /* the filter cannot look at its flags, which are in memory */
        load_argument(program, 0);
        for (int i = 0, left = TRACED_SOCKETCALL - 1; left >= 0; i++, left--)
            add(program, IF_EQUAL, signatures[i].in_socketcall, left, left == 0);
    } else if (signature->flag != 0) {
        load_argument(program, (size_t)signature->flags);
        add(program, IF_SET, signature->flag, 0, 1);
    }
    add(program, RETURN, stop, 0, 0);
    add(program, RETURN, SECCOMP_RET_ALLOW, 0, 0);
    program->code[start].jf = (uint8_t)(program->length - start - 1);
}

static void add_interface(struct program *program, const struct interface *interface, uint32_t stop)
{
    const unsigned short start = program->length;

    add(program, IF_EQUAL, interface->architecture, 0, 0);
    add(program, LOAD, offsetof(struct seccomp_data, nr), 0, 0);
    if (interface->architecture == AUDIT_ARCH_X86_64) {
        add(program, IF_NOT_LESS, X32, 0, 1);
        add(program, RETURN, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
    }
    add(program, IF_NOT_LESS, IO_URING_SETUP, 0, 2);
    add(program, IF_GREATER, IO_URING_REGISTER, 1, 0);
    add(program, RETURN, SECCOMP_RET_ERRNO | EPERM, 0, 0);
    for (enum traced_call call = 0; call < TRACED_CALLS; call++)
        if (interface->calls[call] != NONE)
            stop_call(program, interface->calls[call], call, stop);
    add(program, RETURN, SECCOMP_RET_ALLOW, 0, 0);
    program->code[start].jf = (uint8_t)(program->length - start - 1);
}

int processor_filter_calls(uint16_t cookie)
{
    struct program program = {.length = 0};

    add(&program, LOAD, offsetof(struct seccomp_data, arch), 0, 0);
    for (const struct interface *one = interfaces; one->architecture != 0; one++)
        add_interface(&program, one, SECCOMP_RET_TRACE | cookie);
    add(&program, RETURN, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);

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
    return 0 - (uint64_t)error;
}

/* The result of a call; if `error` is 0 its number, NONE. */
static void write_register(pid_t thread, uint32_t architecture, int error)
{
    const struct interface *interface = find_interface(architecture);
    const int place = error == 0 ? interface->number : interface->result;
    union {
        uint64_t wide[128];
        uint32_t narrow[256];
    } registers;
    struct iovec set = {&registers, sizeof registers};

    if (place == NONE || syscall(SYS_ptrace, PTRACE_GETREGSET, thread, NT_PRSTATUS, &set) != 0)
        return; /* or the thread is gone */
    if ((architecture & __AUDIT_ARCH_64BIT) == 0)
        registers.narrow[place] = (uint32_t)(error == 0 ? NONE : -error);
    else
        registers.wide[place] = error == 0 ? (uint64_t)NONE : as_result(registers.wide, error);
    syscall(SYS_ptrace, PTRACE_SETREGSET, thread, NT_PRSTATUS, &set);
}

void processor_skip_call(pid_t thread, uint32_t architecture)
{
    /* ARM has the number outside of those registers. */
#ifdef __aarch64__
    int number = NONE;
    struct iovec set = {&number, sizeof number};
    syscall(SYS_ptrace, PTRACE_SETREGSET, thread, NT_ARM_SYSTEM_CALL, &set);
#elif defined __arm__ /* <asm/ptrace.h> names it PTRACE_SET_SYSCALL */
    enum { SET_SYSCALL = 23 };
    syscall(SYS_ptrace, SET_SYSCALL, thread, 0L, (long)NONE);
#endif
    write_register(thread, architecture, 0);
}

void processor_fail_call(pid_t thread, uint32_t architecture, int error)
{
    write_register(thread, architecture, error);
}
