/* SPDX-License-Identifier: MIT */
/* Measures the stack that connect() takes in a self-connection: calls it on a large painted stack,
 * by the library and by the system call alone, and prints the error of the first and the difference
 * in bytes. Port 50000 has to be the source port. */
#include "common.h"

#include <sys/syscall.h>

enum { LARGE = 65536, PAINT = 0xa5 };

static struct sockaddr_in own;
static bool by_library = true;
static int error_of_connect;

static void attempt(int signal)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)signal;
    if (!by_library)
        syscall(SYS_connect, fd, &own, sizeof own);
    else if (connect(fd, (struct sockaddr *)&own, sizeof own) < 0)
        error_of_connect = errno;
    close(fd);
}

static long bytes_used(void)
{
    static unsigned char stack[LARGE];
    const stack_t alternate = {.ss_sp = stack, .ss_size = LARGE};
    const struct sigaction action = {.sa_handler = attempt, .sa_flags = SA_ONSTACK};
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
    long need = bytes_used();
    by_library = false;
    printf("connect: %s\n", error_name(error_of_connect));
    printf("need: %ld\n", need - bytes_used());
    return 0;
}
