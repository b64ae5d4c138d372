/* SPDX-License-Identifier: MIT */
/* An endpoint: an IP address and a TCP port, normalised so that two of them can be compared.
 * Pure: no system call, no errno, no memory but what is passed in. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

struct endpoint {
    struct in6_addr address; /* IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2) */
    in_port_t port;          /* network byte order */
};

/* Reads an AF_INET or AF_INET6 socket address of `length` bytes, at any alignment, and no byte
 * beyond them. Returns false, with *endpoint unspecified, for every other family and for an address
 * too short to hold a port and an IP address.
 *
 * sin6_flowinfo and sin6_scope_id are no part of an endpoint. Two link-local addresses of different
 * scopes are different addresses, but never those of one socket: connect() binds it to the
 * interface of the destination's scope (tcp_v6_connect), so that the local address has the same. */
bool endpoint_read(struct endpoint *endpoint, const struct sockaddr *address, socklen_t length);

/* Whether a connect() to that address, wildcards included, arrives at the local address of its own
 * socket. The ports are not looked at: comparing two integers needs no function. */
bool endpoint_is_reached(const struct endpoint *local, const struct in6_addr *destination);
