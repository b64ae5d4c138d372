/* SPDX-License-Identifier: MIT */
/* Counts the user-mode instructions of a process by single steps until it ends:
 *
 *     steps PROCESS
 *
 * prints "attached", then their number. */
#include "common.h"

#include <sys/ptrace.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
    pid_t process = argc == 2 ? (pid_t)atoi(argv[1]) : 0;
    long steps = 0;
    int status;

    must((int)ptrace(PTRACE_SEIZE, process, NULL, NULL), "PTRACE_SEIZE");
    must((int)ptrace(PTRACE_INTERRUPT, process, NULL, NULL), "PTRACE_INTERRUPT");
    printf("attached\n");
    fflush(stdout);
    while (waitpid(process, &status, __WALL) == process && WIFSTOPPED(status)) {
        steps++;
        ptrace(PTRACE_SINGLESTEP, process, NULL, NULL);
    }
    printf("%ld\n", steps);
    return 0;
}
