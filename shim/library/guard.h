/* SPDX-License-Identifier: MIT */
#ifndef NOSELFCONN_GUARD_H
#define NOSELFCONN_GUARD_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

/* Whether a call that has returned `result`, and set errno where that is -1, made a connection (0,
 * or the count of bytes or messages sent along with it) or began one that goes on without it; never
 * in mode off. The kernel has accepted what the program passed then. */
bool connection_began(ssize_t result);

/* Decides about a call that may have connected `fd` to `destination`, has just returned `result`,
 * and left errno. `destination`, of `length` bytes, is read only where the kernel has accepted it.
 * `call` is the name of the call, for the log.
 *
 * Where the call connected the socket to itself, or began to, the connection is severed and -1
 * returned with errno ECONNREFUSED: the socket is then as after a refused connect(). In every other
 * case, and in every mode but enforce, `result` is returned and errno left exactly as it was.
 *
 * Async-signal-safe; no allocation, no lock, no cancellation point. */
ssize_t guard(ssize_t result, const char *call, int fd, const struct sockaddr *destination,
              socklen_t length);

/* The same for a call that has its destination in `message`, which is read only where the kernel
 * has accepted it, too. */
ssize_t guard_message(ssize_t result, const char *call, int fd, const struct msghdr *message);

#endif
