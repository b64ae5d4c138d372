/* SPDX-License-Identifier: MIT */
#include "endpoint.h"

#include "libc.h"

#include <string.h>

/* The kernel takes an IPv6 address that ends before the scope id, which RFC 2133 did not have
 * (SIN6_LEN_RFC2133, tcp_v6_connect). */
enum { SIN6_LEAST_LENGTH = offsetof(struct sockaddr_in6, sin6_scope_id) };

static struct in6_addr v4_mapped(in_addr_t address)
{
    struct in6_addr mapped = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(&mapped.s6_addr[12], &address, sizeof address);
    return mapped;
}

bool endpoint_read(struct endpoint *endpoint, const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    if (length < sizeof in)
        return false;
    memcpy(&in, address, sizeof in);
    if (in.sin_family == AF_INET) {
        *endpoint = (struct endpoint){v4_mapped(in.sin_addr.s_addr), in.sin_port};
        return true;
    }
    if (in.sin_family != AF_INET6 || length < SIN6_LEAST_LENGTH)
        return false;
    memcpy(&in6, address, SIN6_LEAST_LENGTH);
    *endpoint = (struct endpoint){in6.sin6_addr, in6.sin6_port};
    return true;
}

/* 0.0.0.0 leads to the local address (ip_route_output_key_hash_rcu), but :: leads to the loopback
 * address, whatever the socket is bound to (tcp_v6_connect). */
bool endpoint_is_reached(const struct endpoint *local, const struct in6_addr *destination)
{
    const struct in6_addr v4_any = v4_mapped(htonl(INADDR_ANY)), loopback = IN6ADDR_LOOPBACK_INIT,
                          v4_loopback = v4_mapped(htonl(INADDR_LOOPBACK));

    if (IN6_IS_ADDR_UNSPECIFIED(destination))
        destination = IN6_IS_ADDR_V4MAPPED(&local->address) ? &v4_loopback : &loopback;
    return IN6_ARE_ADDR_EQUAL(destination, &v4_any) ||
           IN6_ARE_ADDR_EQUAL(destination, &local->address);
}
