/* SPDX-License-Identifier: MIT */
/* A program with a loader but without libc, like Go's with -buildmode=pie. Exits with 42 after a
 * failing connect(), or with 43 if no preload defines connect(). */
typedef int connect_function(int fd, const void *destination, unsigned int length);

extern connect_function connect __attribute__((weak));

__attribute__((noreturn)) static void exit_with(int status)
{
#if defined(__x86_64__)
    __asm__ volatile("syscall" : : "a"(60), "D"(status));
#elif defined(__i386__)
    __asm__ volatile("int $0x80" : : "a"(1), "b"(status));
#elif defined(__aarch64__)
    register long number __asm__("x8") = 93;
    register long argument __asm__("x0") = status;
    __asm__ volatile("svc 0" : : "r"(number), "r"(argument));
#else
#error "how does this processor make a system call?"
#endif
    __builtin_unreachable();
}

#ifdef __x86_64__
__attribute__((force_align_arg_pointer))
#endif
void _start(void);

void _start(void)
{
    const unsigned char destination[16] = {2, 0, 0xc3, 0x50, 127, 0, 0, 1};

    if (connect == 0)
        exit_with(43);
    exit_with(connect(0, destination, sizeof destination) == -1 ? 42 : 1);
}
