/* SPDX-License-Identifier: MIT */
#include "report.h"

#include "settings.h"

#include "libc.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>

/* No part of a line can be longer than here. A pipe takes this many bytes whole (PIPE_BUF,
 * pipe(7)). */
#define LONGEST_LINE                                                                               \
    "time=2106-02-07T06:28:15.999Z pid=4294967295 command=\"fifteen letters\" thread=4294967295 "  \
    "call=sendmmsg fd=4294967295 endpoint=[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 "        \
    "mode=observe action=allowed\n"

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
static void put_decimal(struct line *line, uint32_t number, int least_digits)
{
    char digits[10]; /* of 2^32 - 1 */
    int count = 0;

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
static bool is_harmless(char c)
{
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

static void put_quoted(struct line *line, const char *text)
{
    put(line, "\"");
    for (; *text != '\0'; text++) {
        if (is_harmless(*text))
            put_char(line, *text);
        else
            put_char(line, '?');
    }
    put(line, "\"");
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
    put_decimal(line, year, 4);
    put_char(line, '-');
    put_decimal(line, month + 1, 2);
    put_char(line, '-');
    put_decimal(line, day + 1, 2);
}

/* RFC 3339, in UTC. libc's functions for this may take locks. */
static void put_time(struct line *line)
{
    struct {
        long seconds, nanoseconds;
    } now = {0, 0}; /* what this system call fills on 32 and on 64 bit */

    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    /* Unsigned, the 32 bits that a 32-bit process gets last until 2106. */
    uint32_t seconds = (uint32_t)now.seconds;
    put_date(line, seconds / 86400);
    put_char(line, 'T');
    put_decimal(line, seconds / 3600 % 24, 2);
    put_char(line, ':');
    put_decimal(line, seconds / 60 % 60, 2);
    put_char(line, ':');
    put_decimal(line, seconds % 60, 2);
    put_char(line, '.');
    put_decimal(line, (uint32_t)now.nanoseconds / 1000000, 3);
    put_char(line, 'Z');
}

static void put_ipv4(struct line *line, const uint8_t address[4])
{
    for (int i = 0; i < 4; i++) {
        if (i > 0)
            put_char(line, '.');
        put_decimal(line, address[i], 1);
    }
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
    if (IN6_IS_ADDR_V4MAPPED(&endpoint->address)) {
        put_ipv4(line, &endpoint->address.s6_addr[12]);
    } else {
        put_char(line, '[');
        put_ipv6(line, &endpoint->address);
        put_char(line, ']');
    }
    put_char(line, ':');
    put_decimal(line, ntohs(endpoint->port), 1);
}

/* The kernel's signal set, which is not libc's sigset_t: 64 bits, and 128 on MIPS; both signals are
 * in the first word. */
enum { KERNEL_SIGSET_SIZE = _NSIG / 8 };
union kernel_sigset {
    unsigned long word;
    unsigned char bytes[KERNEL_SIGSET_SIZE];
};

/* write(2) raises SIGPIPE where nobody reads, SIGXFSZ where the file is at its size limit. Both are
 * sent to this thread, so blocking them, taking back what the write has raised, and unblocking them
 * leaves the program's signals as they were. */
static void write_without_signal(int fd, const struct line *line)
{
    const union kernel_sigset blocked = {.word = 1UL << (SIGPIPE - 1) | 1UL << (SIGXFSZ - 1)};
    const long at_once[4] = {0}; /* a struct timespec of either width */
    union kernel_sigset before, pending, raised;

    if (syscall(SYS_rt_sigpending, &pending, KERNEL_SIGSET_SIZE) != 0 ||
        syscall(SYS_rt_sigprocmask, SIG_BLOCK, &blocked, &before, KERNEL_SIGSET_SIZE) != 0)
        return;
    if (syscall(SYS_write, fd, line->text, line->length) < 0) {
        raised = blocked;
        raised.word &= ~pending.word;
        syscall(SYS_rt_sigtimedwait, &raised, NULL, at_once, KERNEL_SIGSET_SIZE);
    }
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, KERNEL_SIGSET_SIZE);
}

/* A full pipe or a stopped terminal would block the program: then the line is lost instead. Where
 * the write can only fail, it may. */
static bool takes_a_line(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    const long at_once[4] = {0};

    return syscall(SYS_ppoll, &poll_fd, 1, at_once, NULL, KERNEL_SIGSET_SIZE) == 1;
}

/* A program that was started without descriptor 2, or has closed it, gets it for the next file that
 * it opens: a database, say. So descriptor 2 is standard error only if it is what it was at load,
 * or was opened to append, or has no contents that a line could overwrite: a pipe, a terminal. */
static bool is_standard_error(void)
{
    struct file_identity then = settings.stderr_at_load, now = file_identity(STDERR_FILENO);
    long flags = syscall(SYS_fcntl, STDERR_FILENO, F_GETFL);

    return (now.inode != 0 && now.inode == then.inode &&
            ((now.device_major ^ then.device_major) | (now.device_minor ^ then.device_minor)) ==
                0) ||
           (flags >= 0 && (flags & O_APPEND) != 0) ||
           (syscall(SYS_lseek, STDERR_FILENO, 0L, SEEK_CUR) < 0 && errno == ESPIPE);
}

static void append(const struct line *line)
{
    int fd = STDERR_FILENO;

    /* O_NONBLOCK: opening a FIFO without a reader would wait for one (fifo(7)). */
    if (settings.log == LOG_FILE)
        fd = (int)syscall(SYS_openat, AT_FDCWD, settings.log_path,
                          O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
    else if (!is_standard_error())
        return;
    if (takes_a_line(fd))
        write_without_signal(fd, line);
    if (settings.log == LOG_FILE)
        syscall(SYS_close, fd);
}

void report_self_connection(const char *call, int fd, const struct endpoint *endpoint)
{
    const struct caller caller = report_caller(fd);
    struct line line;

    line.length = 0;
    put(&line, "time=");
    put_time(&line);
    put(&line, " pid=");
    put_decimal(&line, caller.process, 1);
    put(&line, " command=");
    put_quoted(&line, caller.command);
    put(&line, " thread=");
    put_decimal(&line, caller.thread, 1);
    put(&line, " call=");
    put(&line, call);
    put(&line, " fd=");
    put_decimal(&line, (uint32_t)caller.fd, 1);
    put(&line, " endpoint=");
    put_endpoint(&line, endpoint);
    put(&line, settings.mode == MODE_OBSERVE ? " mode=observe action=allowed"
                                             : " mode=enforce action=refused");
    put_char(&line, '\n');
    append(&line);
}
