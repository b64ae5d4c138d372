/* SPDX-License-Identifier: MIT */
/* report.c, for any event, time and setting, under a kernel that answers anything, but gives no
 * descriptor that is open already. */
#include "kernel.h"

#include <linux/fs.h>
#include <report.c>
#include <string.h>

#define FILE "the log goes into its file, or into what standard error was at load"
#define BLOCK "no write can block"
#define CLOSE "every descriptor that is opened is closed, and no other"
#define SIGNAL "each write is made while its signals are blocked, and they are unblocked"
#define ELSE "nothing else is done"
#define LENGTH "no line is longer than the longest line"

enum { DUPLICATE, OPENED, READ_END, WRITE_END, COUNT };
static int fds[COUNT], kind, standard_error;
static bool is_open[COUNT], is_same, is_blocked;
static struct file_identity at_load;
static long signals;

static int find(int fd)
{
    for (int i = 0; i < COUNT; i++)
        if (is_open[i] && fds[i] == fd)
            return i;
    return COUNT;
}

static int give(int which, long fd)
{
    ASSUME(fd >= -4095 && fd <= INT_MAX && find((int)fd) == COUNT);
    is_open[which] = fd >= 0;
    return fds[which] = (int)fd;
}

long system_call(long number, void *a, void *b, void *c, void *d, void *e, void *f)
{
    const long ours = 1L << (SIGPIPE - 1) | 1L << (SIGXFSZ - 1) | 1L << (SIGTTOU - 1);
    const int found = find(NUMBER(a)), flags = NUMBER(c), to = find(flags);
    const bool is_ours = found == OPENED || (found == DUPLICATE && is_same);
    long result = nondet_long();

    if (number == SYS_clock_gettime) {
        __CPROVER_havoc_slice(b, 2 * sizeof(long));
        ASSUME((unsigned long)((long *)b)[1] < 1000000000);
    } else if (number == SYS_fcntl) {
        PROVE(NUMBER(a) == standard_error && NUMBER(b) == F_DUPFD_CLOEXEC, ELSE);
        give(DUPLICATE, result);
    } else if (number == SYS_fstat) {
        struct stat now;
        result = found == COUNT ? -EBADF : result;
        __CPROVER_havoc_object(&now);
        *(struct stat *)b = now;
        kind = (int)(now.st_mode & S_IFMT);
        is_same = result == 0 && found == DUPLICATE && at_load.mode != 0 && now.st_mode != 0 &&
                  now.st_ino == at_load.inode && now.st_dev == at_load.device &&
                  kind == (int)(at_load.mode & S_IFMT);
    } else if (number == SYS_ioctl) {
        PROVE(found == DUPLICATE && b == (void *)FS_IOC_GETVERSION, ELSE);
        if (nondet_long())
            *(uint32_t *)c = (uint32_t)nondet_long();
        is_same = is_same && (*(uint32_t *)c == 0 || *(uint32_t *)c == at_load.generation);
    } else if (number == SYS_openat) {
        PROVE(settings.log == LOG_FILE ? b == settings.log_path
                                       : is_same && memcmp(b, "/proc/thread-self/fd/#", 23) == 0,
              FILE);
        PROVE((flags & O_NONBLOCK) && (flags & O_APPEND), BLOCK);
        give(OPENED, result);
    } else if (number == SYS_pipe2 && result == 0) {
        ((int *)a)[0] = give(READ_END, nondet_long());
        ((int *)a)[1] = give(WRITE_END, nondet_long());
        ASSUME(is_open[READ_END] && is_open[WRITE_END]);
    } else if (number == SYS_write || number == SYS_sendmsg) {
        PROVE(is_ours || found == WRITE_END, FILE);
        PROVE(number == SYS_write ? found != DUPLICATE || kind == S_IFREG : flags & MSG_DONTWAIT,
              BLOCK);
        PROVE(is_blocked, SIGNAL);
    } else if (number == SYS_splice) {
        PROVE(found == READ_END && to == DUPLICATE && is_same, FILE);
        PROVE(kind == S_IFIFO && (NUMBER(f) & SPLICE_F_NONBLOCK), BLOCK);
        PROVE(is_blocked, SIGNAL);
    } else if (number == SYS_rt_sigprocmask && b == NULL) {
        *(long *)c = signals = nondet_long();
    } else if (number == SYS_rt_sigprocmask) {
        PROVE(*(long *)b == (is_blocked ? signals : signals | ours), SIGNAL);
        is_blocked = !is_blocked && result == 0;
    } else if (number == SYS_close) {
        PROVE(found != COUNT, CLOSE);
        is_open[found % COUNT] = false;
    } else if (number == SYS_ftruncate || number == SYS_lseek) {
        PROVE(is_ours, FILE);
    } else if (number == SYS_rt_sigpending) {
        *(long *)a = nondet_long();
    } else {
        PROVE(number == SYS_rt_sigtimedwait || number == SYS_pipe2, ELSE);
    }
    return result;
}

static size_t count_digits(uint32_t number, int least)
{
    int count = 1;

    for (uint64_t power = 10; number >= power; power *= 10)
        count++;
    return (size_t)(count < least ? least : count);
}

/* Two parts of a line have in LONGEST_LINE what they need. */
void any_part(void)
{
    struct line decimal = {0}, ipv6 = {0};
    const int least = 1 + (int)((unsigned long)nondet_long() % 4);
    const uint32_t number = (uint32_t)nondet_long();
    struct in6_addr address;

    __CPROVER_havoc_object(&address);
    put_decimal(&decimal, number, least);
    put_ipv6(&ipv6, &address);
    PROVE(ipv6.length <= 39 && decimal.length == count_digits(number, least),
          "no part of a line is longer than what it has in the longest line");
}

/* The same two, for the proof of the whole line. */
static void put_some(struct line *part, size_t most)
{
    const size_t count = (size_t)nondet_long();

    ASSUME(count <= most);
    PROVE(part->length + most < sizeof part->text, LENGTH);
    part->length += count;
}

void some_decimal(struct line *part, uint32_t number, int least)
{
    if (is_open[DUPLICATE]) { /* the path of a descriptor is made */
        PROVE((int)number == fds[DUPLICATE] && least == 1, FILE);
        put_char(part, '#');
    } else {
        put_some(part, count_digits(number, least));
    }
}

void some_ipv6(struct line *part, const struct in6_addr *address)
{
    put_some(part, 39);
}

void any_append(void)
{
    struct line line;

    __CPROVER_havoc_object(&at_load);
    standard_error = (int)nondet_long();
    settings.log = nondet_long() ? LOG_STDERR : LOG_FILE;
    line.length = (size_t)nondet_long();
    ASSUME(line.length > 0 && line.length < sizeof line.text);
    append(&line, standard_error, &at_load);
    PROVE(!is_open[0] && !is_open[1] && !is_open[2] && !is_open[3], CLOSE);
    PROVE(!is_blocked, SIGNAL);
}

void some_append(const struct line *whole, int fd, const struct file_identity *identity)
{
    PROVE(whole->length < sizeof LONGEST_LINE, LENGTH);
}

void any_line(void)
{
    static const char *const calls[] = {"connect", "sendto", "sendmsg", "sendmmsg"};
    struct event event;
    struct verdict verdict;
    char command[16];

    __CPROVER_havoc_object(&event);
    __CPROVER_havoc_object(command);
    command[15] = '\0';
    __CPROVER_havoc_object(&verdict);
    settings.mode = nondet_long() ? MODE_ENFORCE : MODE_OBSERVE;
    event.verdict = &verdict;
    event.command = command;
    event.call = calls[(unsigned long)nondet_long() % 4];
    report(&event, standard_error, &at_load);
}
