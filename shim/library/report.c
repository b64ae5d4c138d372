/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* O_LARGEFILE */
#include "report.h"

#include "libc.h"
#include "system_call.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* A line is at most as long as this one: a pipe takes it whole or not at all (PIPE_BUF, pipe(7)).
 */
#define LONGEST_LINE                                                                               \
    "time=2106-02-07T06:28:15.999Z pid=4294967295 command=\"fifteen letters\" thread=4294967295 "  \
    "call=sendmmsg fd=4294967295 endpoint=[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 "        \
    "mode=enforce action=undecided\n"
_Static_assert(sizeof LONGEST_LINE <= _POSIX_PIPE_BUF, "a pipe takes a line whole");

struct line {
    size_t length;
    char text[sizeof LONGEST_LINE];
};

static void put_char(struct line *line, char c)
{
    line->text[line->length++] = c;
}

static void put(struct line *line, const char *text)
{
    for (; *text != '\0'; text++)
        put_char(line, *text);
}

/* By a constant: not every processor can divide, and libgcc, which can, is not linked in. */
static void put_decimal(struct line *line, const char *before, uint32_t number, int least_digits)
{
    char digits[10]; /* of 2^32 - 1 */
    int count = 0;

    put(line, before);
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0 || count < least_digits);
    while (count > 0)
        put_char(line, digits[--count]);
}

static void put_hexadecimal(struct line *line, uint16_t number)
{
    int shift = 12;

    while (shift > 0 && number >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        put_char(line, "0123456789abcdef"[number >> shift & 0xf]);
}

/* Any process can choose its name: nothing in it may end the quotes or the line. */
static void put_quoted(struct line *line, const char *text)
{
    put_char(line, '"');
    for (; *text != '\0'; text++)
        if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\')
            put_char(line, '?');
        else
            put_char(line, *text);
    put_char(line, '"');
}

static uint32_t days_in_year(uint32_t year)
{
    return year % 4 == 0 && year != 2100 ? 366 : 365; /* put_time() does not go beyond 2106 */
}

static void put_date(struct line *line, uint32_t days_since_1970)
{
    uint32_t days_in_month[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint32_t year = 1970, month = 0, day = days_since_1970;

    for (; day >= days_in_year(year); year++)
        day -= days_in_year(year);
    days_in_month[1] += days_in_year(year) - 365;
    for (; day >= days_in_month[month]; month++)
        day -= days_in_month[month];
    put_decimal(line, "", year, 4);
    put_decimal(line, "-", month + 1, 2);
    put_decimal(line, "-", day + 1, 2);
}

/* RFC 3339, in UTC. libc's functions for this may take locks. */
static void put_time(struct line *line)
{
    struct {
        long seconds, nanoseconds;
    } now = {0, 0}; /* the kernel's struct timespec on 32 and on 64 bit */

    SYSTEM_CALL(SYS_clock_gettime, CLOCK_REALTIME, &now);
    /* Unsigned, the 32 bits that a 32-bit process gets last until 2106. */
    uint32_t seconds = (uint32_t)now.seconds;
    put_date(line, seconds / 86400);
    put_decimal(line, "T", seconds / 3600 % 24, 2);
    put_decimal(line, ":", seconds / 60 % 60, 2);
    put_decimal(line, ":", seconds % 60, 2);
    put_decimal(line, ".", (uint32_t)now.nanoseconds / 1000000, 3);
    put_char(line, 'Z');
}

/* RFC 5952: the first of the longest runs of two zero groups or more becomes "::". */
static void put_ipv6(struct line *line, const struct in6_addr *address)
{
    uint16_t groups[8];
    int run_start = -1, run_length = 1;

    for (int i = 0; i < 8; i++)
        groups[i] = ntohs(address->s6_addr16[i]);
    for (int start = 0; start < 8; start++) {
        int length = 0;
        while (start + length < 8 && groups[start + length] == 0)
            length++;
        if (length > run_length) {
            run_start = start;
            run_length = length;
        }
    }
    for (int i = 0; i < 8; i++) {
        if (i == run_start) {
            put(line, "::");
            i += run_length - 1;
            continue;
        }
        if (i > 0 && i != run_start + run_length)
            put_char(line, ':');
        put_hexadecimal(line, groups[i]);
    }
}

static void put_endpoint(struct line *line, const struct endpoint *endpoint)
{
    const uint8_t *bytes = endpoint->address.s6_addr;

    if (IN6_IS_ADDR_V4MAPPED(&endpoint->address)) {
        for (int i = 12; i < 16; i++)
            put_decimal(line, i == 12 ? "" : ".", bytes[i], 1);
    } else {
        put_char(line, '[');
        put_ipv6(line, &endpoint->address);
        put_char(line, ']');
    }
    put_decimal(line, ":", ntohs(endpoint->port), 1);
}

/* The kernel's signal set, which is not libc's sigset_t: 64 bits, and 128 on MIPS; both signals are
 * in the first word. */
enum { KERNEL_SIGSET_SIZE = _NSIG / 8 };
union kernel_sigset {
    unsigned long word;
    unsigned char bytes[KERNEL_SIGSET_SIZE];
};

/* A write to a pipe that others share may wait, and poll() says "room", not for how much. splice()
 * alone takes a flag against that; its source is a pipe, too. */
static long write_to_pipe(int fd, const struct line *line)
{
    int ends[2] = {-1, -1};
    long written = SYSTEM_CALL(SYS_pipe2, ends, O_CLOEXEC);

    if (written != 0)
        return written;
    SYSTEM_CALL(SYS_write, ends[1], line->text, line->length);
    written = SYSTEM_CALL(SYS_splice, ends[0], NULL, fd, NULL, line->length, SPLICE_F_NONBLOCK);
    SYSTEM_CALL(SYS_close, ends[0]);
    SYSTEM_CALL(SYS_close, ends[1]);
    return written;
}

static long write_to_socket(int fd, const struct line *line)
{
    const struct iovec data = {(void *)line->text, line->length};
    const struct msghdr message = {.msg_iov = (struct iovec *)&data, .msg_iovlen = 1};

    return SYSTEM_CALL(SYS_sendmsg, fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A write raises SIGPIPE if nobody reads, and SIGXFSZ if the file is at its size limit;
 * SIGTTOU stops a background process that writes to its terminal (stty tostop). All three are sent
 * to this thread or not at all while it blocks them, so blocking them, taking back the one
 * that the write has raised, and unblocking them leaves the program's signals as they were. */
static long write_without_signal(int fd, int kind, const struct line *line)
{
    const unsigned long ours = 1UL << (SIGPIPE - 1) | 1UL << (SIGXFSZ - 1) | 1UL << (SIGTTOU - 1);
    const long at_once[4] = {0}; /* a struct timespec of either width */
    union kernel_sigset before = {0}, pending = {0}, mask;
    long written;

    /* Sandboxes may deny the first, and SIG_BLOCK instead of the second. */
    SYSTEM_CALL(SYS_rt_sigpending, &pending, KERNEL_SIGSET_SIZE);
    if (SYSTEM_CALL(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &before, KERNEL_SIGSET_SIZE) != 0)
        return -1;
    mask = before;
    mask.word |= ours;
    if (SYSTEM_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, KERNEL_SIGSET_SIZE) != 0)
        return -1;
    switch (kind) {
    case S_IFIFO: written = write_to_pipe(fd, line); break;
    case S_IFSOCK: written = write_to_socket(fd, line); break;
    default: written = SYSTEM_CALL(SYS_write, fd, line->text, line->length); break;
    }
    if (written < 0) {
        mask = (union kernel_sigset){.word = ours & ~pending.word};
        SYSTEM_CALL(SYS_rt_sigtimedwait, &mask, NULL, at_once, KERNEL_SIGSET_SIZE);
    }
    SYSTEM_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, KERNEL_SIGSET_SIZE);
    return written;
}

/* A file that is full, or at its size limit, may take a part of a line, which would spoil the next
 * one. It is cut off again, unless another line has followed already. */
static void take_back(int fd, long written)
{
    long end = SYSTEM_CALL(SYS_lseek, fd, 0, SEEK_CUR);

    if (end >= written && SYSTEM_CALL(SYS_lseek, fd, 0, SEEK_END) == end &&
        SYSTEM_CALL(SYS_ftruncate, fd, end - written) == 0)
        SYSTEM_CALL(SYS_lseek, fd, end - written, SEEK_SET);
}

/* O_NONBLOCK: opening a FIFO without a reader would wait for one (fifo(7)), and a terminal that
 * nobody reads would block the write. */
enum { APPEND = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_LARGEFILE };

/* Some file systems have no generations, and a sandbox may deny to ask for them later. */
static bool same_file(const struct file_identity *now, const struct file_identity *at_load)
{
    return now->mode != 0 && at_load->mode != 0 && ((now->mode ^ at_load->mode) & S_IFMT) == 0 &&
           now->device == at_load->device && now->inode == at_load->inode &&
           (now->generation == 0 || now->generation == at_load->generation);
}

/* A duplicate of standard error, if that is still the file that it was at load: a program that was
 * started without descriptor 2, or has closed it, gets it for the next file that it opens. */
static int open_standard_error(int standard_error, const struct file_identity *at_load)
{
    int fd = (int)SYSTEM_CALL(SYS_fcntl, standard_error, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    const struct file_identity now = file_identity(fd);

    if (fd >= 0 && !same_file(&now, at_load)) {
        SYSTEM_CALL(SYS_close, fd);
        fd = -1;
    }
    return fd;
}

/* Opens a terminal or another device once more, non-blocking for us alone: O_NONBLOCK belongs to
 * the open file, which the program and others share. An eventfd cannot be opened again. */
static int reopen_without_blocking(int fd)
{
    struct line path = {.length = 0};
    int own;

    put_decimal(&path, "/proc/thread-self/fd/", (uint32_t)fd, 1);
    put_char(&path, '\0');
    own = (int)SYSTEM_CALL(SYS_openat, AT_FDCWD, path.text, APPEND);
    SYSTEM_CALL(SYS_close, fd);
    return own;
}

static void append(const struct line *line, int standard_error, const struct file_identity *at_load)
{
    int fd, kind = S_IFREG;
    long written;

    if (settings.log == LOG_FILE) {
        fd = (int)SYSTEM_CALL(SYS_openat, AT_FDCWD, settings.log_path, APPEND | O_CREAT, 0666);
    } else {
        fd = open_standard_error(standard_error, at_load);
        kind = (int)(at_load->mode & S_IFMT);
    }
    if (fd >= 0 && kind != S_IFREG && kind != S_IFIFO && kind != S_IFSOCK)
        fd = reopen_without_blocking(fd);
    if (fd < 0)
        return;
    written = write_without_signal(fd, kind, line);
    if (written > 0 && written < (long)line->length)
        take_back(fd, written);
    SYSTEM_CALL(SYS_close, fd);
}

void report(const struct event *event, int standard_error, const struct file_identity *at_load)
{
    const enum action action = event->verdict->action;
    struct line line = {.length = 0};

    put(&line, "time=");
    put_time(&line);
    put_decimal(&line, " pid=", event->process, 1);
    put(&line, " command=");
    put_quoted(&line, event->command);
    put_decimal(&line, " thread=", event->thread, 1);
    put(&line, " call=");
    put(&line, event->call);
    put_decimal(&line, " fd=", (uint32_t)event->fd, 1);
    put(&line, " endpoint=");
    put_endpoint(&line, &event->verdict->endpoint);
    put(&line, settings.mode == MODE_OBSERVE ? " mode=observe" : " mode=enforce");
    put(&line, " action=");
    put(&line, action == ACTION_REFUSED   ? "refused\n"
               : action == ACTION_ALLOWED ? "allowed\n"
                                          : "undecided\n");
    append(&line, standard_error, at_load);
}
