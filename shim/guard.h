/* SPDX-License-Identifier: MIT */
#ifndef NOSELFCONN_GUARD_H
#define NOSELFCONN_GUARD_H

#include <sys/socket.h>

/* Decides about a connect(fd, destination, length) that has just returned `result`, with errno as
 * it left it. `destination` is read only where the kernel has accepted it.
 *
 * Where the call connected the socket to itself, or began to, the connection is severed and -1
 * returned with errno ECONNREFUSED: the socket is then as after a refused connect(). In every other
 * case, and in every mode but enforce, `result` is returned and errno left exactly as it was.
 *
 * Async-signal-safe; no allocation, no lock, no cancellation point. */
int guard(int result, int fd, const struct sockaddr *destination, socklen_t length);

#endif
