/* SPDX-License-Identifier: MIT */
/* Runs a command as a sandbox would that did not expect one system call, by seccomp(2):
 *
 *     deny getsockname|getsockopt|shutdown fail|kill COMMAND [ARGUMENT]...
 *
 * The call then fails with EPERM, or ends the process by SIGSYS. */
#include "common.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static unsigned int call_number(const char *name)
{
    if (strcmp(name, "getsockname") == 0)
        return SYS_getsockname;
    if (strcmp(name, "getsockopt") == 0)
        return SYS_getsockopt;
    if (strcmp(name, "shutdown") == 0)
        return SYS_shutdown;
    fprintf(stderr, "deny: unknown call: %s\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: deny CALL fail|kill COMMAND [ARGUMENT]...\n");
        return 2;
    }
    struct sock_filter instructions[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call_number(argv[1]), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, strcmp(argv[2], "kill") == 0 ? SECCOMP_RET_KILL_PROCESS
                                                               : SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = {.len = sizeof instructions / sizeof *instructions,
                                      .filter = instructions};

    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
    must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), "PR_SET_SECCOMP");
    execvp(argv[3], argv + 3);
    die(argv[3]);
}
