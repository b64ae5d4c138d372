/* SPDX-License-Identifier: MIT */
/* The interposed functions, and the next definition of each in the loader's search order: the C
 * library's, or that of another preload behind this one. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

struct mmsghdr; /* the headers define it for _GNU_SOURCE alone */

/* X(type, name, parameters, arguments). A new function takes a line here and its definition in
 * interpose.c. */
#define INTERPOSED_FUNCTIONS(X)                                                                    \
    X(int, connect, (int fd, const struct sockaddr *destination, socklen_t length),                \
      (fd, destination, length))                                                                   \
    X(ssize_t, sendto,                                                                             \
      (int fd, const void *data, size_t size, int flags, const struct sockaddr *destination,       \
       socklen_t length),                                                                          \
      (fd, data, size, flags, destination, length))                                                \
    X(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))   \
    X(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned int count, int flags),            \
      (fd, messages, count, flags))

/* To be called as next.connect(...). Never NULL: if the loader knows no next definition, or the
 * process has no dlsym, it is one that makes the system call itself and sets errno as that does.
 * Before next_resolve() has run it is one that runs it first. Written by that alone. */
#define NEXT_MEMBER(type, name, parameters, arguments) type(*_Atomic name) parameters;
extern struct next {
    INTERPOSED_FUNCTIONS(NEXT_MEMBER)
} next;

/* Looks the symbols up. Called once at load, so that no later call has to (dlsym may allocate).
 * Leaves errno as it was. */
void next_resolve(void);

/* Whether another copy of this library is behind this one: preloaded by another path, say.
 * Leaves errno as it was. */
bool next_is_another_copy(void);
