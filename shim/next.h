/* SPDX-License-Identifier: MIT */
/* The next definition of each interposed symbol in the loader's search order: the C library's, or
 * that of another preload behind this one. */
#ifndef NOSELFCONN_NEXT_H
#define NOSELFCONN_NEXT_H

#include <sys/socket.h>

typedef int connect_function(int fd, const struct sockaddr *destination, socklen_t length);

/* Looks the symbols up. Called once at load, so that no later call has to (dlsym may allocate).
 * Leaves errno as it was. */
void next_resolve(void);

/* The next connect(). Never NULL: where the loader knows no other definition, or the process has no
 * dlsym, it is one that makes the system call itself and sets errno as connect(2) does.
 * Async-signal-safe once next_resolve() has run; leaves errno as it was. */
connect_function *next_connect(void);

#endif
