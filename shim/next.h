/* SPDX-License-Identifier: MIT */
/* The next definition of each interposed symbol in the loader's search order: the C library's, or
 * that of another preload behind this one. */
#ifndef NOSELFCONN_NEXT_H
#define NOSELFCONN_NEXT_H

#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/types.h>

struct mmsghdr; /* the headers define it for _GNU_SOURCE alone */

typedef int connect_function(int fd, const struct sockaddr *destination, socklen_t length);
typedef ssize_t sendto_function(int fd, const void *data, size_t size, int flags,
                                const struct sockaddr *destination, socklen_t length);
typedef ssize_t sendmsg_function(int fd, const struct msghdr *message, int flags);
typedef int sendmmsg_function(int fd, struct mmsghdr *messages, unsigned int count, int flags);

/* Written by next_resolve() alone; read through the functions below. */
extern struct next_definitions {
    _Atomic(connect_function *) connect;
    _Atomic(sendto_function *) sendto;
    _Atomic(sendmsg_function *) sendmsg;
    _Atomic(sendmmsg_function *) sendmmsg;
} next_definitions;

/* Looks the symbols up. Called once at load, so that no later call has to (dlsym may allocate).
 * Leaves errno as it was. */
void next_resolve(void);

/* The next definition, never NULL. Where the loader knows none, or the process has no dlsym, it is
 * one that makes the system call itself and sets errno as that does. Before next_resolve() has run
 * it is one that runs it first.
 *
 * One load and no condition, since it stands in the way of every send. Relaxed order is enough:
 * nothing is published but the pointer itself. */
static inline connect_function *next_connect(void)
{
    return atomic_load_explicit(&next_definitions.connect, memory_order_relaxed);
}

static inline sendto_function *next_sendto(void)
{
    return atomic_load_explicit(&next_definitions.sendto, memory_order_relaxed);
}

static inline sendmsg_function *next_sendmsg(void)
{
    return atomic_load_explicit(&next_definitions.sendmsg, memory_order_relaxed);
}

static inline sendmmsg_function *next_sendmmsg(void)
{
    return atomic_load_explicit(&next_definitions.sendmmsg, memory_order_relaxed);
}

#endif
