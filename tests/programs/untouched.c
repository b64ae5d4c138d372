/* SPDX-License-Identifier: MIT */
/* Calls that make no self-connection: runs the cases that its arguments name, in that order, and
 * prints each result. */
#include "common.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/un.h>

static const struct sockaddr_in somewhere = {
    .sin_family = AF_INET, .sin_port = 0x1111, .sin_addr.s_addr = 0x11111111};
static void *const wild = (void *)1;
static int errno_at_start;

static int tcp_socket(void)
{
    return must(socket(AF_INET, SOCK_STREAM, 0), "socket");
}

static void report(const char *what, ssize_t result)
{
    printf("%s: %zd %s\n", what, result, error_name(result < 0 ? errno : 0));
}

static void report_connect(const char *what, int fd, const void *address, size_t length)
{
    report(what, connect(fd, (const struct sockaddr *)address, (socklen_t)length));
}

/* The address behind the last mapped byte. */
static char *end_of_the_mapped(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED)
        die("mmap");
    must(mprotect(pages + page, page, PROT_NONE), "mprotect");
    return pages + page;
}

/* C11, 7.5: zero. */
static void errno_of_main(void)
{
    printf("errno at the start of main(): %d\n", errno_at_start);
}

/* The kernel rejects these; to read the wild ones would crash the program. */
static void failing(void)
{
    const int flags = MSG_FASTOPEN | MSG_NOSIGNAL;
    const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const struct sockaddr strange = {.sa_family = 200};
    int fd = tcp_socket(), null = must(open("/dev/null", O_RDWR), "/dev/null");

    report_connect("bad descriptor", -1, &somewhere, sizeof somewhere);
    report_connect("not a socket", null, &somewhere, sizeof somewhere);
    report_connect("null address", fd, NULL, sizeof somewhere);
    report_connect("wild address", fd, wild, sizeof somewhere);
    report_connect("no bytes", fd, &somewhere, 0);
    report_connect("one byte", fd, &somewhere, 1);
    report_connect("one byte too few", fd, &somewhere, sizeof somewhere - 1);
    report_connect("negative length", fd, &somewhere, (socklen_t)-1);
    report_connect("IPv6 address, IPv4 socket", fd, &v6, sizeof v6);
    report_connect("unknown family", fd, &strange, sizeof strange);
    report("sendto, wild address", sendto(fd, "x", 1, flags, wild, sizeof somewhere));
    report("sendmsg, null", sendmsg(fd, NULL, flags));
    report("sendmsg, wild", sendmsg(fd, wild, flags));
    report("sendmsg, bad descriptor", sendmsg(-1, wild, flags));
    report("sendmmsg, null", sendmmsg(fd, NULL, 1, flags));
    report("sendmmsg, wild", sendmmsg(fd, wild, 1, flags));
    report("sendmmsg, bad descriptor", sendmmsg(-1, wild, 1, flags));
}

static void short_length(void)
{
    char *end = end_of_the_mapped();
    const sa_family_t v6 = AF_INET6;
    /* The kernel accepts addresses without the scope id, but no shorter ones. */
    const socklen_t short_v6 = offsetof(struct sockaddr_in6, sin6_scope_id) - 1;
    int fd = tcp_socket();

    memcpy(end - short_v6, &v6, sizeof v6);
    report_connect("IPv6, and no more mapped", fd, end - short_v6, short_v6);
    report_connect("no bytes, and none mapped", fd, end, 0);
    report_connect("one byte, and no more mapped", fd, end - 1, 1);
}

/* While a connection is pending, the kernel reads only the family of the next connect()'s address;
 * the rest is not mapped. Nothing may answer on port 50000. */
static void short_again(void)
{
    const struct sockaddr_in silent = loopback(50000);
    int fd = tcp_socket();
    char *family = end_of_the_mapped() - sizeof silent.sin_family;

    memcpy(family, &silent.sin_family, sizeof silent.sin_family);
    interrupt_after(50);
    report_connect("pending", fd, &silent, sizeof silent);
    interrupt_after(50);
    report_connect("again", fd, family, sizeof silent.sin_family);
}

static void connected(void)
{
    const struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
    struct sockaddr_in server;
    socklen_t length = sizeof server;
    int fd = tcp_socket(), listener = tcp_socket();

    must(listen(listener, 8), "listen");
    must(getsockname(listener, (struct sockaddr *)&server, &length), "getsockname");
    report_connect("server", fd, &server, length);
    report_connect("again", fd, &server, length);
    report_connect("disconnect", fd, &unspecified, sizeof unspecified);
    printf("peer: %s\n", endpoint_text(fd, getpeername));
    report_connect("disconnect, nothing but the family", fd, &unspecified, sizeof(sa_family_t));
}

static void unix_sockets(int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0noselfconn test"};
    struct sockaddr_un nowhere = {.sun_family = AF_UNIX, .sun_path = "/nonexistent"};
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + 16;
    int server = must(socket(AF_UNIX, type, 0), "socket");
    int client = must(socket(AF_UNIX, type, 0), "socket");

    must(bind(server, (struct sockaddr *)&address, length), "bind");
    if (type == SOCK_STREAM)
        must(listen(server, 1), "listen");
    report_connect("nobody", client, &nowhere, sizeof nowhere);
    report_connect("connect", client, &address, length);
    close(server);
}

static void unix_stream(void)
{
    unix_sockets(SOCK_STREAM);
}

static void unix_datagram(void)
{
    unix_sockets(SOCK_DGRAM);
}

static void netlink(void)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    int fd = must(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), "socket");
    report_connect("netlink", fd, &kernel, sizeof kernel);
}

static int udp_socket(struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    int fd = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");

    *address = loopback(0);
    must(bind(fd, (struct sockaddr *)address, length), "bind");
    must(getsockname(fd, (struct sockaddr *)address, &length), "getsockname");
    return fd;
}

/* With MSG_FASTOPEN, which UDP ignores. An address without a length must not be read, nor has the
 * length of a null address a meaning. */
static void no_destination(void)
{
    char text[] = "x";
    struct sockaddr_in self;
    int fd = udp_socket(&self);

    report_connect("udp", fd, &self, sizeof self);
    report("sendto", open_by("sendto", fd, NULL, sizeof self, text));
    report("sendmsg", open_by("sendmsg", fd, NULL, sizeof self, text));
    report("sendmsg, no length", open_by("sendmsg", fd, wild, 0, text));
    report("sendmmsg", open_by("sendmmsg", fd, NULL, sizeof self, text));
    report("sendmmsg, no length", open_by("sendmmsg", fd, wild, 0, text));
    report("no messages", sendmmsg(fd, NULL, 0, MSG_FASTOPEN));
}

/* A thousand sends of each kind without Fast Open. */
static void sends(void)
{
    struct sockaddr_in self;
    struct iovec data = {.iov_base = "x", .iov_len = 1};
    struct mmsghdr message = {
        .msg_hdr = {
            .msg_name = &self, .msg_namelen = sizeof self, .msg_iov = &data, .msg_iovlen = 1}};
    int fd = udp_socket(&self);

    for (int i = 0; i < 1000; i++) {
        must((int)sendto(fd, "x", 1, 0, (struct sockaddr *)&self, sizeof self), "sendto");
        must((int)sendmsg(fd, &message.msg_hdr, 0), "sendmsg");
        must(sendmmsg(fd, &message, 1, 0), "sendmmsg");
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {{"errno-of-main", errno_of_main},   {"failing", failing},
                 {"short-length", short_length},     {"short-again", short_again},
                 {"connected", connected},           {"unix-stream", unix_stream},
                 {"unix-datagram", unix_datagram},   {"netlink", netlink},
                 {"no-destination", no_destination}, {"sends", sends}};

    errno_at_start = errno;
    for (int argument = 1; argument < argc; argument++) {
        size_t i = 0;
        while (i < sizeof cases / sizeof *cases && strcmp(cases[i].name, argv[argument]) != 0)
            i++;
        if (i == sizeof cases / sizeof *cases) {
            fprintf(stderr, "usage: untouched CASE..., of those in untouched.c\n");
            return 2;
        }
        cases[i].run();
        fflush(stdout);
    }
    return 0;
}
