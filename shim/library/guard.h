/* SPDX-License-Identifier: MIT */
#pragma once

#include "endpoint.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

enum action {
    ACTION_NONE,      /* no self-connection */
    ACTION_REFUSED,   /* a self-connection: severed */
    ACTION_ALLOWED,   /* a self-connection: let stand, in mode observe */
    ACTION_UNDECIDED, /* connected to its own endpoint, but the kernel does not say whether by TCP
                       */
};

struct verdict {
    ssize_t result; /* for the caller to return; errno is to become `error` if it is -1 */
    int error;
    enum action action;
    struct endpoint endpoint; /* the socket's own, unless the action is ACTION_NONE */
};

/* Whether a call that has returned `result`, and set errno to `error` if that is -1, made a
 * connection (0, or the count of bytes or messages sent along with it) or began one that goes on
 * without it; never in mode off. Only then has the kernel accepted the program's arguments. */
bool connection_began(ssize_t result, int error);

/* Decides about a call that may have connected `fd` to `destination`, of `length` bytes, and has
 * just returned `result`, with errno `error` if that is -1. The destination is read only if
 * the kernel has accepted it.
 *
 * A socket that is connected to itself, or is about to be, is severed in mode enforce, and is then
 * as after a refused connect(): the caller returns the verdict's result, and the refusal may still
 * be an event to wait for, as for every non-blocking connect(). Otherwise the socket is as it was,
 * and the verdict holds `result` and `error`.
 *
 * Leaves errno alone. Async-signal-safe; no allocation, no lock, no cancellation point. Takes a few
 * milliseconds at most. */
struct verdict guard(ssize_t result, int error, int fd, const struct sockaddr *destination,
                     socklen_t length);

/* Whether the connection of a TCP socket is none to itself, by the kernel's counters alone: then
 * guard() leaves it alone. False if they do not tell. */
bool hears_somebody_else(int fd);
