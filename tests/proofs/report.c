/* SPDX-License-Identifier: MIT */
/* report.c, for any event, time and setting, under a kernel that answers anything, but gives no
 * descriptor that is open already. /proc/thread-self/fd/N leads to the file of descriptor N. */
#include "kernel.h"

#include <linux/fs.h>
#include <report.c>

long nondet_long(void);
bool nondet_bool(void);
unsigned int nondet_unsigned(void);
struct event nondet_event(void);
struct verdict nondet_verdict(void);
struct stat nondet_stat(void);
struct file_identity nondet_identity(void);
struct name {
    char text[16];
} nondet_name(void);

enum { DUPLICATE, OPENED, READ_END, WRITE_END, COUNT };
static int fds[COUNT], kind, standard_error;
static bool is_open[COUNT], is_same, is_blocked;
static struct file_identity at_load;
static struct line any;
static long signals;

static int find(int fd)
{
    for (int i = 0; i < COUNT; i++)
        if (is_open[i] && fds[i] == fd)
            return i;
    return COUNT;
}

static void give(int which, long fd)
{
    __CPROVER_assume(fd >= -4095 && fd <= INT_MAX && find((int)fd) == COUNT);
    fds[which] = (int)fd;
    is_open[which] = fd >= 0;
}

/* In the place of put_decimal(), where the path of a descriptor is made. */
static uint32_t number_in_path;

void some_number(struct line *line, uint32_t number, int least)
{
    (void)least;
    number_in_path = number;
    put_char(line, '#');
}

static bool is_path_of_duplicate(const char *path)
{
    for (const char *expected = "/proc/thread-self/fd/#"; *expected != '\0'; expected++, path++)
        if (*path != *expected)
            return false;
    return *path == '\0' && number_in_path == (uint32_t)fds[DUPLICATE];
}

long system_call(long number, void *a, void *b, void *c, void *d, void *e, void *f)
{
    long result = nondet_long();
    const int found = find(NUMBER(a)), flags = NUMBER(c);

    if (number == SYS_fstat && found == COUNT)
        result = -EBADF;
    if (number == SYS_clock_gettime) {
        ((long *)b)[0] = nondet_long();
        ((long *)b)[1] = nondet_unsigned() % 1000000000;
    } else if (number == SYS_fcntl) {
        PROVE(NUMBER(a) == standard_error && NUMBER(b) == F_DUPFD_CLOEXEC, "nothing else is done");
        give(DUPLICATE, result);
    } else if (number == SYS_fstat) {
        const struct stat now = *(struct stat *)b = nondet_stat();
        kind = (int)(now.st_mode & S_IFMT);
        is_same = result == 0 && found == DUPLICATE && at_load.mode != 0 &&
                  now.st_ino == at_load.inode && now.st_dev == at_load.device &&
                  kind == (int)(at_load.mode & S_IFMT);
    } else if (number == SYS_ioctl) {
        PROVE(found == DUPLICATE && b == (void *)FS_IOC_GETVERSION, "nothing else is done");
        if (nondet_bool())
            *(uint32_t *)c = nondet_unsigned();
        is_same = is_same && *(uint32_t *)c == at_load.generation;
    } else if (number == SYS_openat) {
        PROVE(b == settings.log_path || (is_same && is_path_of_duplicate(b)),
              "the log goes into its file, or into what standard error was at load");
        PROVE((flags & O_NONBLOCK) && (flags & O_APPEND) && (flags & O_CLOEXEC) &&
                  (flags & O_NOCTTY) && (b != settings.log_path) == (settings.log == LOG_STDERR),
              "no write can block");
        give(OPENED, result);
    } else if (number == SYS_pipe2) {
        if (result == 0) {
            give(READ_END, ((int *)a)[0] = (int)nondet_unsigned());
            give(WRITE_END, ((int *)a)[1] = (int)nondet_unsigned());
            __CPROVER_assume(is_open[READ_END] && is_open[WRITE_END]);
        }
    } else if (number == SYS_write || number == SYS_sendmsg || number == SYS_splice) {
        const int to = number == SYS_splice ? find(flags) : found;
        PROVE(to == OPENED || to == WRITE_END || (to == DUPLICATE && is_same),
              "the log goes into its file, or into what standard error was at load");
        PROVE(number == SYS_write ? to != DUPLICATE || kind == S_IFREG
              : number == SYS_splice
                  ? kind == S_IFIFO && found == READ_END && (NUMBER(f) & SPLICE_F_NONBLOCK)
                  : kind == S_IFSOCK && (flags & MSG_DONTWAIT),
              "no write can block");
        PROVE(is_blocked,
              "each write is made while its signals are blocked, and they are unblocked");
        PROVE(number != SYS_write || (b == any.text && (size_t)NUMBER(c) == any.length),
              "a line is written whole");
    } else if (number == SYS_rt_sigprocmask && b == NULL) {
        *(long *)c = signals = nondet_long();
    } else if (number == SYS_rt_sigprocmask) {
        const long ours = 1L << (SIGPIPE - 1) | 1L << (SIGXFSZ - 1) | 1L << (SIGTTOU - 1);
        PROVE(NUMBER(a) == SIG_SETMASK && *(long *)b == (is_blocked ? signals : signals | ours),
              "each write is made while its signals are blocked, and they are unblocked");
        is_blocked = !is_blocked && result == 0;
    } else if (number == SYS_close) {
        PROVE(found != COUNT, "every descriptor that is opened is closed, and no other");
        is_open[found % COUNT] = false;
    } else if (number == SYS_ftruncate || number == SYS_lseek) {
        PROVE(found == OPENED || (found == DUPLICATE && is_same),
              "the log goes into its file, or into what standard error was at load");
    } else if (number == SYS_rt_sigpending) {
        *(long *)a = nondet_long();
    } else {
        PROVE(number == SYS_rt_sigtimedwait, "nothing else is done");
    }
    return result;
}

static void begin(void)
{
    settings.mode = nondet_bool() ? MODE_ENFORCE : MODE_OBSERVE;
    settings.log = nondet_bool() ? LOG_STDERR : LOG_FILE;
    at_load = nondet_identity();
    standard_error = (int)nondet_long();
}

void any_append(void)
{
    begin();
    any.length = nondet_unsigned();
    __CPROVER_assume(any.length > 0 && any.length < sizeof any.text);
    append(&any, standard_error, &at_load);
    PROVE(!is_open[0] && !is_open[1] && !is_open[2] && !is_open[3],
          "every descriptor that is opened is closed, and no other");
    PROVE(!is_blocked, "each write is made while its signals are blocked, and they are unblocked");
}

/* A line in parts: no part is longer than what it has in LONGEST_LINE. */
void any_part(void)
{
    struct line decimal = {0}, ipv6 = {0}, command = {0};
    struct name name = nondet_name();
    const struct verdict verdict = nondet_verdict();
    const uint32_t number = nondet_unsigned();
    const size_t least = 1 + nondet_unsigned() % 4, digits = 1 + nondet_unsigned() % 9;
    uint32_t power = 1;

    name.text[15] = '\0';
    for (size_t i = 0; i < digits; i++)
        power *= 10;
    put_decimal(&decimal, number, (int)least);
    put_ipv6(&ipv6, &verdict.endpoint.address);
    put_quoted(&command, name.text);
    PROVE(decimal.length <= 10 && decimal.length >= least &&
              (number >= power || decimal.length <= (digits > least ? digits : least)) &&
              ipv6.length <= 39 && command.length <= 17,
          "no part of a line is longer than what it has in the longest line");
}

/* What the parts have been proved to be, in their places. */
static void put_some(struct line *line, size_t least, size_t most)
{
    const size_t count = nondet_unsigned();
    __CPROVER_assume(count >= least && count <= most);
    PROVE(line->length + most < sizeof line->text, "no line is longer than the longest line");
    line->length += count;
}

void some_date(struct line *line, uint32_t days)
{
    PROVE(days <= UINT32_MAX / 86400, "no date is later than those of tests/proofs/date.c");
    put_some(line, 10, 10);
}

void some_decimal(struct line *line, uint32_t number, int least)
{
    size_t most = 1;
    for (uint32_t power = 10; most < 10 && number >= power; power = most < 9 ? power * 10 : 0)
        most++;
    put_some(line, (size_t)least, most < (size_t)least ? (size_t)least : most);
}

void some_ipv6(struct line *line, const struct in6_addr *address)
{
    (void)address;
    put_some(line, 2, 39);
}

void some_command(struct line *line, const char *text)
{
    (void)text;
    put_some(line, 2, 17);
}

void some_append(const struct line *line, int fd, const struct file_identity *identity)
{
    (void)fd, (void)identity;
    PROVE(line->length < sizeof LONGEST_LINE, "no line is longer than the longest line");
}

void any_line(void)
{
    static const char *const calls[] = {"connect", "sendto", "sendmsg", "sendmmsg"};
    struct event event = nondet_event();
    const struct verdict verdict = nondet_verdict();

    begin();
    event.verdict = &verdict;
    event.call = calls[nondet_unsigned() % 4];
    report(&event, standard_error, &at_load);
}
