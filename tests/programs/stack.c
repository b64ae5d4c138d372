/* SPDX-License-Identifier: MIT */
/* Measures the stack that connect() takes in a self-connection: calls it on a large painted stack,
 * by the library and by the system call alone, and prints the error of the first and the difference
 * in bytes. Port 50000 has to be the source port. */
#include "common.h"

#include <signal.h>
#include <sys/syscall.h>

enum { LARGE = 65536, PAINT = 0xa5 };

static struct sockaddr_in own;
static int error_of_connect;

static void by_library(int signal)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)signal;
    error_of_connect = connect(fd, (struct sockaddr *)&own, sizeof own) < 0 ? errno : 0;
    close(fd);
}

static void by_system_call(int signal)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)signal;
    syscall(SYS_connect, fd, &own, sizeof own);
    close(fd);
}

static long bytes_used(void handler(int))
{
    static unsigned char stack[LARGE];
    const stack_t alternate = {.ss_sp = stack, .ss_size = LARGE};
    const struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    long untouched = 0;

    memset(stack, PAINT, LARGE);
    must(sigaltstack(&alternate, NULL), "sigaltstack");
    must(sigaction(SIGUSR1, &action, NULL), "sigaction");
    must(raise(SIGUSR1), "raise");
    while (stack[untouched] == PAINT)
        untouched++;
    return LARGE - untouched;
}

int main(void)
{
    own = loopback(50000);
    long need = bytes_used(by_library);
    printf("connect: %s\n", error_name(error_of_connect));
    printf("need: %ld\n", need - bytes_used(by_system_call));
    return 0;
}
