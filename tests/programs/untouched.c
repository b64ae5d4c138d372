/* SPDX-License-Identifier: MIT */
/* Calls connect() in ways that make no self-connection, one for each argument. Prints the result,
 * or errno. */
#include "common.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/un.h>

static const struct sockaddr_in somewhere = {
    .sin_family = AF_INET, .sin_port = 0x1111, .sin_addr.s_addr = 0x11111111};
static const struct sockaddr *const to_somewhere = (const struct sockaddr *)&somewhere;

static int tcp_socket(void)
{
    return must(socket(AF_INET, SOCK_STREAM, 0), "socket");
}

static void report(const char *what, int result)
{
    printf("%s: %d %s\n", what, result, error_name(result < 0 ? errno : 0));
}

static int listener(struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    int fd = tcp_socket();

    must(listen(fd, 8), "listen");
    must(getsockname(fd, (struct sockaddr *)address, &length), "getsockname");
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return fd;
}

static void bad_descriptor(void)
{
    report("connect", connect(-1, to_somewhere, sizeof somewhere));
}

static void not_a_socket(void)
{
    int fd = must(open("/dev/null", O_RDWR), "/dev/null");
    report("connect", connect(fd, to_somewhere, sizeof somewhere));
}

static void null_address(void)
{
    report("connect", connect(tcp_socket(), NULL, sizeof somewhere));
}

static void wild_address(void)
{
    void *unmapped = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (unmapped == MAP_FAILED)
        die("mmap");
    report("connect", connect(tcp_socket(), unmapped, sizeof somewhere));
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
static int errno_at_start;

static void errno_of_main(void)
{
    printf("errno at the start of main(): %d\n", errno_at_start);
}

static void short_length(void)
{
    char *end = end_of_the_mapped();
    const sa_family_t v6 = AF_INET6;
    /* The kernel accepts addresses without the scope id, but no shorter ones. */
    const socklen_t short_v6 = offsetof(struct sockaddr_in6, sin6_scope_id) - 1;

    memcpy(end - short_v6, &v6, sizeof v6);
    report("IPv6, and no more mapped",
           connect(tcp_socket(), (struct sockaddr *)(end - short_v6), short_v6));
    report("no bytes, and none mapped", connect(tcp_socket(), (struct sockaddr *)end, 0));
    report("1 byte, and no more mapped", connect(tcp_socket(), (struct sockaddr *)(end - 1), 1));
    report("no bytes", connect(tcp_socket(), to_somewhere, 0));
    report("1 byte", connect(tcp_socket(), to_somewhere, 1));
    report("one byte too few", connect(tcp_socket(), to_somewhere, sizeof somewhere - 1));
    report("negative", connect(tcp_socket(), to_somewhere, (socklen_t)-1));
}

static void wrong_family(void)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr strange = {.sa_family = 200};

    report("IPv6 address, IPv4 socket", connect(tcp_socket(), (struct sockaddr *)&v6, sizeof v6));
    report("unknown family", connect(tcp_socket(), &strange, sizeof strange));
}

static void already_connected(void)
{
    struct sockaddr_in server;
    int fd = tcp_socket();

    listener(&server);
    report("first", connect(fd, (struct sockaddr *)&server, sizeof server));
    report("again", connect(fd, (struct sockaddr *)&server, sizeof server));
}

static void ignore(int signal)
{
    (void)signal;
}

/* While a connection is pending, the kernel reads only the family of the next connect()'s address;
 * the rest is not mapped. Nothing may answer on port 50000. */
static void short_again(void)
{
    const struct sigaction action = {.sa_handler = ignore}; /* no SA_RESTART */
    const struct sockaddr_in silent = loopback(50000);
    int fd = tcp_socket();
    char *family = end_of_the_mapped() - sizeof silent.sin_family;

    memcpy(family, &silent.sin_family, sizeof silent.sin_family);
    must(sigaction(SIGALRM, &action, NULL), "sigaction");
    ualarm(50000, 50000);
    report("connect", connect(fd, (const struct sockaddr *)&silent, sizeof silent));
    report("again", connect(fd, (struct sockaddr *)family, sizeof silent.sin_family));
}

static void disconnect(void)
{
    const struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
    struct sockaddr_in server;
    int fd = tcp_socket();

    listener(&server);
    report("connect", connect(fd, (struct sockaddr *)&server, sizeof server));
    report("disconnect", connect(fd, &unspecified, sizeof unspecified));
    printf("peer: %s\n", endpoint_text(fd, getpeername));
    report("disconnect, nothing but the family", connect(fd, &unspecified, sizeof(sa_family_t)));
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
    report("nobody", connect(client, (struct sockaddr *)&nowhere, sizeof nowhere));
    report("connect", connect(client, (struct sockaddr *)&address, length));
    report("send", (int)send(client, "x", 1, 0));
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
    report("connect", connect(fd, (const struct sockaddr *)&kernel, sizeof kernel));
}

/* The next connection stays in SYN_SENT. */
static void full_accept_queue(void)
{
    struct sockaddr_in server;
    int listening = listener(&server);

    must(listen(listening, 0), "listen");
    for (int i = 0; i < 3; i++) {
        int fd = tcp_socket();
        must(fcntl(fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
        report("connect", connect(fd, (struct sockaddr *)&server, sizeof server));
        usleep(50000);
        printf("state: %s\n", tcp_state_text(fd));
    }
}

static void shared_local_port(void)
{
    const int on = 1;
    struct sockaddr_in local = loopback(0);
    struct sockaddr_in server;
    socklen_t length = sizeof local;

    for (int i = 0; i < 2; i++) {
        int fd = tcp_socket(), listening = listener(&server), accepted;
        char heard = '-';

        must(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), "SO_REUSEPORT");
        must(bind(fd, (struct sockaddr *)&local, sizeof local), "bind");
        must(getsockname(fd, (struct sockaddr *)&local, &length), "getsockname");
        report("connect", connect(fd, (struct sockaddr *)&server, sizeof server));
        accepted = must(accept(listening, NULL, NULL), "accept");
        must((int)send(fd, "x", 1, 0), "send");
        must((int)recv(accepted, &heard, 1, 0), "recv");
        printf("server %d heard: %c\n", i, heard);
    }
}

/* A thousand sends of each kind without Fast Open. */
static void sends(void)
{
    struct sockaddr_in self = loopback(0);
    socklen_t length = sizeof self;
    struct iovec data = {.iov_base = "x", .iov_len = 1};
    struct mmsghdr message = {
        .msg_hdr = {.msg_name = &self, .msg_namelen = length, .msg_iov = &data, .msg_iovlen = 1}};
    int fd = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");

    must(bind(fd, (struct sockaddr *)&self, length), "bind");
    must(getsockname(fd, (struct sockaddr *)&self, &length), "getsockname");
    for (int i = 0; i < 1000; i++) {
        must((int)sendto(fd, "x", 1, 0, (struct sockaddr *)&self, length), "sendto");
        must((int)sendmsg(fd, &message.msg_hdr, 0), "sendmsg");
        must(sendmmsg(fd, &message, 1, 0), "sendmmsg");
    }
}

int main(int argc, char **argv)
{
    errno_at_start = errno;
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {{"bad-descriptor", bad_descriptor},
                 {"not-a-socket", not_a_socket},
                 {"null-address", null_address},
                 {"wild-address", wild_address},
                 {"short-length", short_length},
                 {"errno-of-main", errno_of_main},
                 {"wrong-family", wrong_family},
                 {"already-connected", already_connected},
                 {"short-again", short_again},
                 {"disconnect", disconnect},
                 {"unix-stream", unix_stream},
                 {"unix-datagram", unix_datagram},
                 {"netlink", netlink},
                 {"full-accept-queue", full_accept_queue},
                 {"shared-local-port", shared_local_port},
                 {"sends", sends}};

    for (size_t i = 0; argc == 2 && i < sizeof cases / sizeof *cases; i++)
        if (strcmp(cases[i].name, argv[1]) == 0) {
            cases[i].run();
            return 0;
        }
    fprintf(stderr, "usage: untouched CASE, one of those in untouched.c\n");
    return 2;
}
