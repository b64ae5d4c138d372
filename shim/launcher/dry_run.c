/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE          /* memmem */
#define _FILE_OFFSET_BITS 64 /* addresses of a 64-bit program */
#include "dry_run.h"

#include "runners.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
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

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Waits for the child to stop or to end; SIGCHLD is blocked. Returns false after the deadline. */
static bool wait_for(pid_t child, int *status, const sigset_t *signals, double deadline)
{
    const struct timespec moment = {.tv_nsec = 50000000};

    while (waitpid(child, status, WNOHANG) != child) {
        if (now() >= deadline)
            return false;
        sigtimedwait(signals, NULL, &moment);
    }
    return true;
}

static int open_of(pid_t child, const char *name)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%ld/%s", (long)child, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* The value in a vector (getauxval(3)) of a program of that word size, 0 if there is none. */
static uint64_t auxv_get(const unsigned char *auxv, ssize_t size, int bits, uint64_t type)
{
    uint32_t narrow[2];
    uint64_t wide[2];

    for (const unsigned char *at = auxv; at < auxv + size; at += bits / 4) {
        memcpy(wide, at, sizeof wide);
        memcpy(narrow, at, sizeof narrow);
        if ((bits == 64 ? wide[0] : narrow[0]) == type)
            return bits == 64 ? wide[1] : narrow[1];
    }
    return 0;
}

static bool read_auxv(struct dry_run *run, pid_t child, int memory)
{
    unsigned char auxv[4096] = {0};
    int fd = open_of(child, "auxv");
    ssize_t size = read(fd, auxv, sizeof auxv - 2 * sizeof(uint64_t));

    close(fd);
    /* The size of a program header tells that of the words. */
    run->bits = auxv_get(auxv, size, 64, AT_PHENT) == sizeof(Elf64_Phdr) ? 64 : 32;
    run->is_secure = auxv_get(auxv, size, run->bits, AT_SECURE) != 0;
    return pread(memory, run->command, sizeof run->command - 1,
                 (off_t)auxv_get(auxv, size, run->bits, AT_EXECFN)) > 0;
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

/* What the kernel has mapped: the program, and its loader if it has one. */
static bool read_maps(struct dry_run *run, pid_t child, int memory)
{
    FILE *maps = fdopen(open_of(child, "maps"), "r");
    char line[PATH_MAX + 128], mode[5];
    unsigned long long start, end;

    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        const char *path = strchr(line, '/');

        line[strcspn(line, "\n")] = '\0';
        if (path == NULL || sscanf(line, "%llx-%llx %4s", &start, &end, mode) != 3)
            continue;
        if (strcmp(path, run->program) != 0)
            snprintf(run->loader, sizeof run->loader, "%s", path);
        else if (looks_like_go(memory, start, end, mode[1] == 'w'))
            run->is_go = true;
    }
    return maps != NULL && fclose(maps) == 0;
}

static bool read_environment(struct dry_run *run, pid_t child)
{
    FILE *environment = fdopen(open_of(child, "environ"), "r");
    char *entry = NULL;
    size_t size = 0;

    while (environment != NULL && getdelim(&entry, &size, '\0', environment) > 0) {
        if (strncmp(entry, "LD_PRELOAD=", 11) == 0) /* of two the loader takes the last */
            run->preload = strdup(entry + 11);
        else if (strncmp(entry, "LD_LIBRARY_PATH=", 16) == 0)
            run->library_path = strdup(entry + 16);
    }
    free(entry);
    return environment != NULL && fclose(environment) == 0;
}

/* What the program would be: of a multi-call binary, argv[0] or argv[1] selects it. */
static const char *name_of(const struct dry_run *run, const char *arguments)
{
    const char *name = base_name(run->program);

    for (int i = 0; i < 2 && runner_is_multicall(name) && arguments[0] != '\0'; i++) {
        name = base_name(arguments);
        arguments += strlen(arguments) + 1;
    }
    return name;
}

/* The child has called execve(2), and nothing of the program has run. Returns whether it is env. */
static bool read_state(struct dry_run *run, pid_t child)
{
    char path[64], arguments[2 * PATH_MAX + 2] = "";
    int memory = open_of(child, "mem"), cmdline = open_of(child, "cmdline");
    const char *name;

    *run = (struct dry_run){.result = DRY_RUN_DONE, .runner = run->runner};
    snprintf(path, sizeof path, "/proc/%ld/exe", (long)child);
    if (readlink(path, run->program, sizeof run->program - 1) <= 0 ||
        read(cmdline, arguments, sizeof arguments - 2) < 0 || !read_auxv(run, child, memory) ||
        !read_maps(run, child, memory) || !read_environment(run, child)) {
        run->result = cmdline < 0 ? DRY_RUN_UNKNOWN : DRY_RUN_UNREADABLE;
        run->why = cmdline < 0 ? "/proc is not mounted" : "the program cannot be read";
    }
    close(memory);
    close(cmdline);
    name = name_of(run, arguments);
    if (run->runner == NULL)
        run->runner = runner_find(name);
    if (run->runner == NULL)
        run->runner = runner_find(base_name(run->command));
    return run->result == DRY_RUN_DONE && strcmp(name, "env") == 0;
}

static void take_end(struct dry_run *run, int status, bool was_traced)
{
    if (was_traced && run->result != DRY_RUN_DONE && WIFEXITED(status))
        *run = (struct dry_run){.result = DRY_RUN_FAILED, .error = WEXITSTATUS(status)};
    else if (!was_traced || status != 0) { /* else it was env without a command */
        run->result = DRY_RUN_UNKNOWN;
        run->why = was_traced ? "env starts no command" : "it cannot be traced here";
    }
}

/* Returns whether the child has ended. */
static bool follow(struct dry_run *run, pid_t child, const sigset_t *signals)
{
    const double deadline = now() + 1;
    bool is_traced = false;
    int status;

    while (wait_for(child, &status, signals, deadline)) {
        long signal = WSTOPSIG(status);

        if (!WIFSTOPPED(status)) {
            take_end(run, status, is_traced);
            return true;
        }
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8) && !read_state(run, child))
            return false;
        if (!is_traced)
            ptrace(PTRACE_SETOPTIONS, child, 0L, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
        if (!is_traced || signal == SIGTRAP)
            signal = 0;
        is_traced = true;
        ptrace(PTRACE_CONT, child, 0L, signal);
    }
    run->result = DRY_RUN_UNKNOWN;
    run->why = "the dry run took more than a second";
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
