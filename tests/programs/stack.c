/* SPDX-License-Identifier: MIT */
/* Measures the stack that connect() takes in a self-connection:
 *
 *     stack need      calls it on a large painted stack, by the library and by the system call
 *                     alone, and prints the difference in bytes
 *     stack least BYTES
 *                     calls it in a signal handler on an alternate stack of the least size that
 *                     the kernel takes for this processor and BYTES more, before an unmapped page
 *
 * Each prints the error of connect() too. Port 50000 has to be the source port. */
#include "common.h"

#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { LARGE = 65536, PAINT = 0xa5 };

static struct sockaddr_in own;
static int error_of_connect;

static void connect_once(int by_system_call)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    long result = by_system_call ? syscall(SYS_connect, fd, &own, sizeof own)
                                 : connect(fd, (struct sockaddr *)&own, sizeof own);

    error_of_connect = result < 0 ? errno : 0;
    close(fd);
}

static void by_library(int signal)
{
    (void)signal;
    connect_once(0);
}

static void by_system_call(int signal)
{
    (void)signal;
    connect_once(1);
}

/* The stack lies above an unmapped page. */
static char *new_stack(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (size + page - 1) / page * page;
    char *memory =
        mmap(NULL, page + whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        die("mmap");
    must(mprotect(memory, page, PROT_NONE), "mprotect");
    return memory + page;
}

static void run_on(void *stack, size_t size, void handler(int))
{
    const stack_t alternate = {.ss_sp = stack, .ss_size = size};
    const struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};

    must(sigaltstack(&alternate, NULL), "sigaltstack");
    must(sigaction(SIGUSR1, &action, NULL), "sigaction");
    must(raise(SIGUSR1), "raise");
}

static long bytes_used(void handler(int))
{
    char *stack = new_stack(LARGE);
    long untouched = 0;

    memset(stack, PAINT, LARGE);
    run_on(stack, LARGE, handler);
    while ((unsigned char)stack[untouched] == PAINT)
        untouched++;
    return LARGE - untouched;
}

int main(int argc, char **argv)
{
    own = loopback(50000);
    if (argc == 2 && strcmp(argv[1], "need") == 0) {
        long need = bytes_used(by_library);
        printf("connect: %s\n", error_name(error_of_connect));
        printf("need: %ld\n", need - bytes_used(by_system_call));
    } else if (argc == 3 && strcmp(argv[1], "least") == 0) {
        unsigned long least = getauxval(AT_MINSIGSTKSZ);
        size_t size = (least > 2048 ? least : 2048) + /* MINSIGSTKSZ, where it is a constant */
                      (size_t)atoi(argv[2]);
        run_on(new_stack(size), size, by_library);
        printf("connect: %s\n", error_name(error_of_connect));
    } else {
        fprintf(stderr, "usage: stack need|least BYTES\n");
        return 2;
    }
    return 0;
}
