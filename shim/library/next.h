/* SPDX-License-Identifier: MIT */
/* The next definition of each interposed symbol in the loader's search order: the C library's, or
 * that of another preload behind this one. */
#ifndef NOSELFCONN_NEXT_H
#define NOSELFCONN_NEXT_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

struct mmsghdr; /* the headers define it for _GNU_SOURCE alone */

typedef int connect_function(int fd, const struct sockaddr *destination, socklen_t length);
typedef ssize_t sendto_function(int fd, const void *data, size_t size, int flags,
                                const struct sockaddr *destination, socklen_t length);
typedef ssize_t sendmsg_function(int fd, const struct msghdr *message, int flags);
typedef int sendmmsg_function(int fd, struct mmsghdr *messages, unsigned int count, int flags);

/* To be called as next.connect(...). Never NULL: where the loader knows no next definition, or the
 * process has no dlsym, it is one that makes the system call itself and sets errno as that does.
 * Before next_resolve() has run it is one that runs it first. Written by that alone. */
extern struct next {
    _Atomic(connect_function *) connect;
    _Atomic(sendto_function *) sendto;
    _Atomic(sendmsg_function *) sendmsg;
    _Atomic(sendmmsg_function *) sendmmsg;
} next;

/* Looks the symbols up. Called once at load, so that no later call has to (dlsym may allocate).
 * Leaves errno as it was. */
void next_resolve(void);

/* Whether another copy of this library is behind this one: preloaded by another path, say.
 * Leaves errno as it was. */
bool next_is_another_copy(void);

#endif
