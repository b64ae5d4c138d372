/* SPDX-License-Identifier: MIT */
/* Connects by syscall(2):
 *
 *     raw [--socketcall] [CALL] ADDRESS PORT      CALL: connect, sendto, sendmsg or sendmmsg
 *
 * With the option it calls as 32-bit programs did before Linux 4.3 (socketcall(2)). Each argument
 * ends where mapped memory ends. With UNDUMPABLE in the environment only root may read its memory.
 */
#include "common.h"

#include <linux/net.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum { FLAGS = MSG_FASTOPEN | MSG_NOSIGNAL };

static void *at_the_end(const void *data, size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED || munmap(pages + page, page) != 0)
        die("mmap");
    return memcpy(pages + page - size, data, size);
}

static long call_by(bool socketcall, const char *name, int fd, void *destination, socklen_t length)
{
    struct iovec data = {.iov_base = at_the_end("x", 1), .iov_len = 1};
    const struct mmsghdr message = {
        .msg_hdr = {
            .msg_name = destination, .msg_namelen = length, .msg_iov = &data, .msg_iovlen = 1}};
    void *place = at_the_end(&message, sizeof message);
    const struct {
        const char *name;
        long number;
        int in_socketcall;
        size_t count;
        long arguments[6];
    } calls[] = {
        {"connect", SYS_connect, SYS_CONNECT, 3, {fd, (long)destination, (long)length}},
        {"sendto",
         SYS_sendto,
         SYS_SENDTO,
         6,
         {fd, (long)data.iov_base, 1, FLAGS, (long)destination, (long)length}},
        {"sendmsg", SYS_sendmsg, SYS_SENDMSG, 3, {fd, (long)place, FLAGS}},
        {"sendmmsg", SYS_sendmmsg, SYS_SENDMMSG, 4, {fd, (long)place, 1, FLAGS}},
    };
    size_t i = 0;

    while (strcmp(calls[i].name, name) != 0)
        if (++i == sizeof calls / sizeof *calls) {
            fprintf(stderr, "unknown call: %s\n", name);
            exit(2);
        }
#ifdef SYS_socketcall
    if (socketcall)
        return syscall(SYS_socketcall, calls[i].in_socketcall,
                       at_the_end(calls[i].arguments, calls[i].count * sizeof(long)));
#else
    if (socketcall) {
        errno = ENOSYS;
        return -1;
    }
#endif
    return syscall(calls[i].number, calls[i].arguments[0], calls[i].arguments[1],
                   calls[i].arguments[2], calls[i].arguments[3], calls[i].arguments[4],
                   calls[i].arguments[5]);
}

int main(int argc, char **argv)
{
    struct sockaddr_storage destination;
    socklen_t length;
    bool socketcall = argc > 1 && strcmp(argv[1], "--socketcall") == 0;
    const char *name = "connect";
    long result;
    int fd;

    if (getenv("UNDUMPABLE") != NULL)
        must(prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L), "prctl");
    argc -= socketcall;
    argv += socketcall;
    if (argc == 4) {
        name = argv[1];
        argc--;
        argv++;
    }
    fd = socket_for(argc, argv, &destination, &length);
    result = call_by(socketcall, name, fd, at_the_end(&destination, length), length);
    print_outcome(fd, result < 0 ? errno : 0);
    /* The descriptor gets the number of connect() within socketcall(), which must not confuse. */
    must(dup2(fd, SYS_CONNECT), "dup2");
    must(close(SYS_CONNECT), "close");
    return 0;
}
