/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE          /* memmem */
#define _FILE_OFFSET_BITS 64 /* addresses of a 64-bit program */
#include "launcher.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void run_child(char *const *arguments, const sigset_t *mask, pid_t parent)
{
    int null = open("/dev/null", O_RDWR);

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* until PTRACE_O_EXITKILL holds */
    if (null < 0 || setsid() < 0 || getppid() != parent || ptrace(PTRACE_TRACEME, 0, 0L, 0L) != 0)
        return;
    for (int fd = 0; fd <= 2; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
    if (raise(SIGSTOP) == 0 && sigprocmask(SIG_SETMASK, mask, NULL) == 0)
        execvp(arguments[0], arguments);
}

/* Waits for the child to stop or to end; SIGCHLD is blocked. Returns false when no moments, of a
 * hundredth of a second each, are left. */
static bool wait_for(pid_t child, int *status, const sigset_t *signals, int *moments)
{
    const struct timespec moment = {.tv_nsec = 10000000};

    while (waitpid(child, status, WNOHANG) != child && --*moments > 0)
        sigtimedwait(signals, NULL, &moment);
    return --*moments > 0;
}

static char content[8 << 20]; /* execve(2) takes no more than 6 MB of arguments and environment */

/* Reads a file of /proc/PID into `content`, with a null byte behind it. Returns its size, or -1. */
static ssize_t read_file(pid_t child, const char *name)
{
    char path[64];
    FILE *file;
    size_t size;

    snprintf(path, sizeof path, "/proc/%ld/%s", (long)child, name);
    file = fopen(path, "re");
    size = file != NULL ? fread(content, 1, sizeof content - 1, file) : 0;
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

/* Go's linker leaves its build information at the start of the data, or a note of type 4 and of the
 * name "Go" near the start of the file. */
static bool looks_like_go(int memory, uint64_t start, uint64_t end, bool is_writable)
{
    static const struct {
        uint32_t type;
        char name[4];
    } note = {4, "Go"};
    static const char information[] = "\xff Go buildinf:";
    static char data[256 * 1024];
    size_t most = is_writable ? sizeof data : 4096;
    ssize_t size = pread(memory, data, end - start < most ? end - start : most, (off_t)start);

    return size > 0 &&
           (is_writable ? memmem(data, (size_t)size, information, sizeof information - 1)
                        : memmem(data, (size_t)size, &note, sizeof note)) != NULL;
}

/* Of /proc/PID/maps: what the kernel has mapped, the program, and its loader if it has one. */
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
        else if ((mode[1] == 'w' || offset == 0) &&
                 looks_like_go(memory, start, end, mode[1] == 'w'))
            run->is_go = true;
    }
}

/* Returns false where something cannot be read. */
static bool read_process(struct dry_run *run, pid_t child, int memory)
{
    char path[64];
    ssize_t size = read_file(child, "auxv");

    snprintf(path, sizeof path, "/proc/%ld/exe", (long)child);
    if (size < 0 || readlink(path, run->program, sizeof run->program - 1) < 0)
        return false;
    /* The size of a program header tells that of the words. */
    run->bits = auxv_get(size, 64, AT_PHENT) == sizeof(Elf64_Phdr) ? 64 : 32;
    run->is_secure = auxv_get(size, run->bits, AT_SECURE) != 0;
    if (pread(memory, run->command, sizeof run->command - 1,
              (off_t)auxv_get(size, run->bits, AT_EXECFN)) < 0 ||
        read_file(child, "maps") < 0)
        return false;
    read_maps(run, memory);
    size = read_file(child, "environ");
    for (char *entry = content; entry < content + size; entry += strlen(entry) + 1)
        if (strncmp(entry, "LD_PRELOAD=", 11) == 0) /* of two the loader takes the last */
            run->preload = strdup(entry + 11);
        else if (strncmp(entry, "LD_LIBRARY_PATH=", 16) == 0)
            run->library_path = strdup(entry + 16);
    return size >= 0;
}

/* The child has called execve(2), and nothing of the program has run. Returns whether it is env. */
static bool take_exec(struct dry_run *run, pid_t child)
{
    char path[64];
    const char *name = content;
    int memory;

    snprintf(path, sizeof path, "/proc/%ld/mem", (long)child);
    memory = open(path, O_RDONLY | O_CLOEXEC);
    *run = (struct dry_run){.result = DRY_RUN_DONE, .runner = run->runner};
    if (!read_process(run, child, memory)) {
        bool is_forbidden = errno == EACCES || errno == EPERM;

        run->result = is_forbidden ? DRY_RUN_UNREADABLE : DRY_RUN_UNKNOWN;
        run->why = is_forbidden ? "it cannot be read" : "/proc cannot be read";
    }
    close(memory);
    read_file(child, "cmdline");
    snprintf(run->argument, sizeof run->argument, "%s", content + strlen(content) + 1);
    if (strcmp(base_name(run->program), "busybox") != 0)
        name = run->program;
    else if (strcmp(base_name(name), "busybox") ==
             0) /* argv[0] tells what it would be, or argv[1] */
        name = run->argument;
    if (run->runner == NULL)
        run->runner = runner_find(base_name(name));
    if (run->runner == NULL)
        run->runner = runner_find(base_name(run->command));
    return run->result == DRY_RUN_DONE && strcmp(base_name(name), "env") == 0;
}

static void give_up(struct dry_run *run, const char *why)
{
    run->result = DRY_RUN_UNKNOWN;
    run->why = why;
}

/* Returns whether the child has ended. */
static bool follow(struct dry_run *run, pid_t child, const sigset_t *signals)
{
    int moments = 100, status;
    bool is_traced = false;

    while (wait_for(child, &status, signals, &moments)) {
        long signal = WSTOPSIG(status);

        if (!WIFSTOPPED(status) && is_traced && run->result != DRY_RUN_DONE && WIFEXITED(status))
            *run = (struct dry_run){.result = DRY_RUN_FAILED, .error = WEXITSTATUS(status)};
        else if (!WIFSTOPPED(status) && status != 0) /* or it was env without a command */
            give_up(run, is_traced ? "it starts no command" : "it cannot be traced here");
        if (!WIFSTOPPED(status))
            return true;
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8) && !take_exec(run, child))
            return false;
        if (!is_traced)
            ptrace(PTRACE_SETOPTIONS, child, 0L, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
        if (!is_traced || signal == SIGTRAP)
            signal = 0;
        is_traced = true;
        ptrace(PTRACE_CONT, child, 0L, signal);
    }
    give_up(run, "it does not start within a second");
    return false;
}

void dry_run(struct dry_run *run, char *const *arguments)
{
    pid_t parent = getpid(), child;
    sigset_t signals, mask;
    int status;

    *run = (struct dry_run){.result = DRY_RUN_UNKNOWN, .why = "no process can be started"};
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, &mask);
    child = fork();
    if (child == 0) {
        run_child(arguments, &mask, parent);
        _exit(errno);
    }
    if (child > 0 && !follow(run, child, &signals)) {
        kill(child, SIGKILL);
        while (waitpid(child, &status, __WALL) == child && WIFSTOPPED(status))
            ;
    }
    sigprocmask(SIG_SETMASK, &mask, NULL);
}
