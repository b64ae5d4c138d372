/* SPDX-License-Identifier: MIT */
/* Runs a command with one system call denied by seccomp(2), as in a sandbox or on an older kernel:
 *
 *     deny CALL fail|unknown|kill|trace=DATA|supervise COMMAND [ARGUMENT]...
 *
 * The call fails with EPERM (fail) or ENOSYS (unknown), kills the process by SIGSYS, goes to a
 * missing tracer, which the kernel answers with ENOSYS, or to a supervisor that continues it. Some
 * names stand for one use of a call; a newer kernel's fail with the error of an older one. */
#include "common.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

struct denied {
    const char *name;
    unsigned int number;
    int argument; /* the index of the argument to compare, or -1 */
    unsigned int value;
    int error; /* instead of EPERM */
};

static const struct denied calls[] = {
    {"connect", SYS_connect, -1, 0, EPERM},
    {"umask", SYS_umask, -1, 0, EPERM},
    {"ptrace", SYS_ptrace, -1, 0, EPERM},
    {"close_range", 436, -1, 0, EPERM},
    {"seccomp", SYS_seccomp, -1, 0, EPERM},
    {"setsid", SYS_setsid, -1, 0, EPERM},
    {"clone", SYS_clone, -1, 0, EPERM},
    {"pidfd_open", 434, -1, 0, EPERM},
    {"pidfd_getfd", 438, -1, 0, EPERM},
    {"process_vm_readv", SYS_process_vm_readv, -1, 0, EPERM},
    {"write-3", SYS_write, 0, 3, ENOBUFS},            /* the tracer's report */
    {"get-syscall-info", SYS_ptrace, 0, 0x420e, EIO}, /* PTRACE_GET_SYSCALL_INFO, 5.3 */
    {"pidfd-thread", 434, 1, O_EXCL, EINVAL},         /* pidfd_open(), PIDFD_THREAD, 6.9 */
};

static const struct denied *find(const char *name)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(name, calls[i].name) == 0)
            return &calls[i];
    fprintf(stderr, "deny: unknown call: %s\n", name);
    exit(2);
}

/* The supervisor has the filter itself, so that it can wait until the command has ended. */
static void supervise(int listener)
{
    struct seccomp_notif call = {.id = 0};

    must(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "PR_SET_PDEATHSIG");
    while (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0) {
        struct seccomp_notif_resp answer = {.id = call.id,
                                            .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
        memset(&call, 0, sizeof call);
    }
    _exit(0);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr,
                "usage: deny CALL fail|unknown|kill|trace=DATA|supervise COMMAND [ARGUMENT]...\n");
        return 2;
    }
    const struct denied *call = find(argv[1]);
    const unsigned int lower = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0;
    const unsigned int argument = call->argument < 0 ? 0 : (unsigned int)call->argument;
    unsigned int action = SECCOMP_RET_ERRNO | (unsigned int)call->error;

    if (strcmp(argv[2], "kill") == 0)
        action = SECCOMP_RET_KILL_PROCESS;
    else if (strcmp(argv[2], "unknown") == 0)
        action = SECCOMP_RET_ERRNO | ENOSYS;
    else if (strncmp(argv[2], "trace=", 6) == 0)
        action = SECCOMP_RET_TRACE | ((unsigned int)atoi(argv[2] + 6) & SECCOMP_RET_DATA);
    else if (strcmp(argv[2], "supervise") == 0)
        action = SECCOMP_RET_USER_NOTIF;
    struct sock_filter instructions[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call->number, 0, 4),
        BPF_JUMP(BPF_JMP | BPF_JA, call->argument < 0 ? 2 : 0, 0, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 (unsigned int)offsetof(struct seccomp_data, args) + argument * 8 + lower),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call->value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = {.len = sizeof instructions / sizeof *instructions,
                                      .filter = instructions};

    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
    const unsigned int flags =
        action == SECCOMP_RET_USER_NOTIF ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
    int listener =
        must((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter), "seccomp");
    if (flags != 0 && must(fork(), "fork") == 0)
        supervise(listener);
    if (flags != 0)
        close(listener);
    execvp(argv[3], argv + 3);
    die(argv[3]);
}
