/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE          /* memmem */
#define _FILE_OFFSET_BITS 64 /* addresses of a 64-bit program */
#include "launcher.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

_Noreturn static void run_child(char *const *arguments, const sigset_t *mask, pid_t parent)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t own = *mask;

    sigdelset(&own, SIGTRAP);         /* by which it stops at exec */
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* until PTRACE_O_EXITKILL holds */
    for (int fd = 0; fd <= 2; fd++)
        dup2(null, fd);
    if (null < 0 || setsid() < 0 || getppid() != parent || ptrace(PTRACE_TRACEME, 0, 0L, 0L) != 0 ||
        sigprocmask(SIG_SETMASK, &own, NULL) != 0)
        _exit(UCHAR_MAX); /* no errno */
    execvp(arguments[0], arguments);
    _exit(errno == EPERM ? UCHAR_MAX : errno); /* EPERM: a security module, as it is traced */
}

static const char *path_of(pid_t child, const char *name)
{
    static char path[64];

    snprintf(path, sizeof path, "/proc/%ld/%s", (long)child, name);
    return path;
}

static char content[8 << 20]; /* execve(2) takes no more than 6 MB of arguments and environment */

/* Reads a file into `content`, with a null byte behind it. Returns its size, or -1. */
static ssize_t read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    size_t size = file != NULL ? fread(content, 1, sizeof content - 1, file) : 0;

    content[size] = '\0';
    return file == NULL || ferror(file) != 0 || fclose(file) != 0 ? -1 : (ssize_t)size;
}

/* The value in a vector (getauxval(3)) of a program of that word size; 0 if there is none. */
static uint64_t auxv_get(ssize_t size, int bits, uint64_t type)
{
    uint32_t narrow[2];
    uint64_t wide[2];

    for (ssize_t at = 0; at < size; at += bits / 4) {
        memcpy(wide, content + at, sizeof wide);
        memcpy(narrow, content + at, sizeof narrow);
        if ((bits == 64 ? wide[0] : narrow[0]) == type)
            return bits == 64 ? wide[1] : narrow[1];
    }
    return 0;
}

/* Go's linker leaves its build information in the data, or a note of type 4 and of the
 * name "Go" near the start of the file. */
static bool looks_like_go(int memory, off_t start, off_t end, bool is_data)
{
    static const struct {
        uint32_t type;
        char name[4];
    } note = {4, "Go"};
    static const char information[] = "\xff Go buildinf:";
    static char bytes[256 * 1024];
    const void *sign = is_data ? (const void *)information : &note;
    const size_t length = is_data ? sizeof information - 1 : sizeof note;
    ssize_t size;

    do {
        size = pread(memory, bytes, is_data ? sizeof bytes : 4096, start);
        if (size > 0 && memmem(bytes, (size_t)size, sign, length) != NULL)
            return true;
        start += size - (ssize_t)length;
    } while (size == (ssize_t)sizeof bytes && start < end);
    return false;
}

/* Reads /proc/PID/maps: at exec the kernel has mapped the program and its loader, if any. */
static void read_maps(struct dry_run *run, int memory)
{
    unsigned long long start, end, offset;
    char mode[5];

    for (char *line = strtok(content, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        const char *path = strchr(line, '/');

        if (path == NULL || sscanf(line, "%llx-%llx %4s %llx", &start, &end, mode, &offset) != 4)
            continue;
        if (strcmp(path, run->program) != 0)
            snprintf(run->loader, sizeof run->loader, "%s", path);
        else if (mode[1] == 'w' || offset == 0)
            run->is_go |= looks_like_go(memory, (off_t)start, (off_t)end, mode[1] == 'w');
    }
}

static bool read_process(struct dry_run *run, pid_t child, int memory)
{
    char own[16] = "";
    ssize_t size;

    /* /proc may be that of another PID namespace (unshare(1) --pid without --mount-proc). */
    errno = 0;
    if (readlink("/proc/self", own, sizeof own - 1) < 0 || atol(own) != getpid() ||
        (size = read_file(path_of(child, "auxv"))) < 0 ||
        readlink(path_of(child, "exe"), run->program, sizeof run->program - 1) < 0)
        return false;
    /* The size of a program header tells that of the words. */
    run->bits = auxv_get(size, 64, AT_PHENT) == sizeof(Elf64_Phdr) ? 64 : 32;
    run->is_secure = auxv_get(size, run->bits, AT_SECURE) != 0;
    if (pread(memory, run->command, sizeof run->command - 1,
              (off_t)auxv_get(size, run->bits, AT_EXECFN)) < 0 ||
        read_file(path_of(child, "maps")) < 0)
        return false;
    read_maps(run, memory);
    size = read_file(path_of(child, "environ"));
    for (char *entry = content; entry < content + size; entry += strlen(entry) + 1)
        if (strncmp(entry, "LD_PRELOAD=", 11) == 0) /* of two the loader takes the last */
            run->preload = strdup(entry);
        else if (strncmp(entry, "LD_LIBRARY_PATH=", 16) == 0)
            run->library_path = strdup(entry);
    return size >= 0;
}

/* The child has called execve(2), and nothing of the program has run. Returns whether it is env. */
static bool take_exec(struct dry_run *run, pid_t child)
{
    const char *name = run->program;
    int memory = open(path_of(child, "mem"), O_RDONLY | O_CLOEXEC);

    *run = (struct dry_run){.runner = run->runner};
    if (!read_process(run, child, memory)) {
        run->is_unreadable = errno == EACCES || errno == EPERM;
        run->why = run->is_unreadable ? "it cannot be read" : "/proc does not show it";
    }
    close(memory);
    read_file(path_of(child, "cmdline"));
    snprintf(run->argument, sizeof run->argument, "%s", content + strlen(content) + 1);
    if (strcmp(file_name(name), "busybox") == 0) /* argv[0] names the program, or argv[1] */
        name = strcmp(file_name(content), "busybox") == 0 ? run->argument : content;
    if (run->runner == NULL && (run->runner = runner_find(name)) == NULL)
        run->runner = runner_find(run->command);
    return run->why == NULL && (strcmp(name, "env") == 0 || fnmatch("*/bin/env", name, 0) == 0);
}

/* Returns whether the child has ended. SIGCHLD, one of `signals`, is blocked. */
static bool follow(struct dry_run *run, pid_t child, const sigset_t *signals)
{
    const struct timespec moment = {.tv_nsec = 10000000}; /* of which a second has 100 */
    bool is_traced = false;

    for (int moments = 0, status; moments < 100; moments++) {
        bool is_exec = !is_traced; /* before it is traced, it can stop at nothing else */

        if (waitpid(child, &status, WNOHANG) != child) {
            sigtimedwait(signals, NULL, &moment);
            continue;
        }
        if (WIFEXITED(status) && !is_traced && WEXITSTATUS(status) != UCHAR_MAX)
            run->error = WEXITSTATUS(status);
        else if (!WIFSTOPPED(status) && status != 0) /* or it was env without a command */
            run->why = is_traced ? "it starts no command" : "it cannot be traced here";
        if (!WIFSTOPPED(status))
            return true;
        is_exec |= status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8);
        if (is_exec && !take_exec(run, child))
            return false;
        if (!is_traced)
            ptrace(PTRACE_SETOPTIONS, child, 0L, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
        is_traced = true;
        ptrace(PTRACE_CONT, child, 0L, is_exec ? 0L : (long)WSTOPSIG(status));
    }
    run->why = "it does not start within a second";
    return false;
}

void dry_run(struct dry_run *run, char *const *arguments)
{
    pid_t parent = getpid(), child;
    sigset_t signals, mask;
    int status;

    *run = (struct dry_run){.runner = runner_find(*arguments), .why = "no process can be started"};
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, &mask);
    /* fork(2) would take as long as all the rest. NOLINTBEGIN(clang-analyzer-*) */
    child = vfork();
    if (child == 0)
        run_child(arguments, &mask, parent); /* NOLINTEND(clang-analyzer-*) */
    if (child > 0 && !follow(run, child, &signals)) {
        kill(child, SIGKILL);
        while (waitpid(child, &status, __WALL) == child && WIFSTOPPED(status))
            ;
    }
    sigprocmask(SIG_SETMASK, &mask, NULL);
}
