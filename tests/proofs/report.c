/* SPDX-License-Identifier: MIT */
/* A report of any event at any time until 2106, under a kernel that answers anything, but counts
 * less than 10^9 nanoseconds, and opens the descriptors of the enumeration. */
#include <report.c>
#include <string.h>

enum { DUPLICATE = 3, OPENED, READ_END, WRITE_END, END };
static bool may_write[END] = {[WRITE_END] = true};
static struct {
    char command[16], call[sizeof "sendmmsg"];
    struct event event;
    struct verdict verdict;
    struct file_identity at_load;
} any;

long system_call(long number, void *a, void *b, void *c, void *d, void *e, void *f)
{
    const int fd = NUMBER(number == SYS_splice ? c : a);
    long result = nondet_long();

    if (number == SYS_clock_gettime) {
        __CPROVER_havoc_slice(b, 2 * sizeof(long));
        ASSUME((unsigned long)((long *)b)[1] < 1000000000);
    } else if (number == SYS_fcntl) {
        result = result >= 0 ? DUPLICATE : -1;
    } else if (number == SYS_fstat) {
        const struct stat *now = b;
        __CPROVER_havoc_slice(b, sizeof *now);
        may_write[DUPLICATE] = result == 0 && fd == DUPLICATE && any.at_load.mode != 0 &&
                               now->st_mode != 0 && now->st_ino == any.at_load.inode &&
                               now->st_dev == any.at_load.device &&
                               ((now->st_mode ^ any.at_load.mode) & S_IFMT) == 0;
    } else if (number == SYS_ioctl) {
        *(uint32_t *)c = (uint32_t)nondet_long();
        may_write[DUPLICATE] &= *(uint32_t *)c == 0 || *(uint32_t *)c == any.at_load.generation;
    } else if (number == SYS_openat) {
        result = result >= 0 ? OPENED : -1;
        may_write[OPENED] = b == settings.log_path ||
                            (may_write[DUPLICATE] && memcmp(b, "/proc/thread-self/fd/3", 22) == 0);
    } else if (number == SYS_pipe2) {
        memcpy(a, (int[]){READ_END, WRITE_END}, 2 * sizeof(int));
    } else if (number == SYS_close) {
        may_write[fd] = false;
    } else if (number == SYS_write || number == SYS_sendmsg || number == SYS_splice ||
               number == SYS_ftruncate) {
        PROVE(fd >= DUPLICATE && fd < END && may_write[fd],
              "the log is written only to its file, or to what standard error was at load");
        PROVE(number != SYS_write || (size_t)c < sizeof LONGEST_LINE, "each line fits its buffer");
    }
    return result;
}

/* These stand for put_decimal(), of which only the last digit counts, and put_ipv6(). */
void some_decimal(struct line *line, const char *before, uint32_t number, int least)
{
    static const uint32_t end[] = {0, 100000, 100, 1000, 10000};

    put(line, before);
    put_char(line, (char)('0' + number % 10));
    line->length += number >= end[least] ? 9 : least == 1 ? 4 : (size_t)least - 1;
}

void some_ipv6(struct line *line, const struct in6_addr *address)
{
    line->length += (unsigned long)nondet_long() % 40;
}

void any_part(void)
{
    struct line decimal = {0}, some = {0}, ipv6 = {0};
    const uint32_t number = (uint32_t)nondet_long();
    const int least = 1 + (int)((unsigned long)nondet_long() % 4);

    put_decimal(&decimal, "", number, least);
    some_decimal(&some, "", number, least);
    __CPROVER_havoc_object(&any);
    put_ipv6(&ipv6, &any.verdict.endpoint.address);
    PROVE(decimal.length <= some.length && ipv6.length < 40,
          "no number or IPv6 address is longer than its stand-in");
}

void any_report(void)
{
    __CPROVER_havoc_object(&any);
    __CPROVER_havoc_object(&settings);
    any.command[15] = any.call[8] = '\0';
    any.event.command = any.command;
    any.event.call = any.call;
    any.event.verdict = &any.verdict;
    report(&any.event, (int)nondet_long(), &any.at_load);
}
