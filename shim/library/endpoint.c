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

static bool read_ipv4(struct endpoint *endpoint, const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_in in;
    if (length < sizeof in)
        return false;
    memcpy(&in, address, sizeof in);
    endpoint->address = v4_mapped(in.sin_addr.s_addr);
    endpoint->port = in.sin_port;
    return true;
}

static bool read_ipv6(struct endpoint *endpoint, const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_in6 in6;
    if (length < SIN6_LEAST_LENGTH)
        return false;
    memcpy(&in6, address, SIN6_LEAST_LENGTH);
    endpoint->address = in6.sin6_addr;
    endpoint->port = in6.sin6_port;
    return true;
}

bool endpoint_read(struct endpoint *endpoint, const struct sockaddr *address, socklen_t length)
{
    sa_family_t family;
    if (length < sizeof family)
        return false;
    memcpy(&family, address, sizeof family);
    switch (family) {
    case AF_INET: return read_ipv4(endpoint, address, length);
    case AF_INET6: return read_ipv6(endpoint, address, length);
    default: return false;
    }
}

/* 0.0.0.0 leads to the local address (ip_route_output_key_hash_rcu), but :: leads to the loopback
 * address, whatever the socket is bound to (tcp_v6_connect). */
void endpoint_resolve_wildcard(struct endpoint *destination, const struct endpoint *local)
{
    const struct in6_addr v4_any = v4_mapped(htonl(INADDR_ANY));
    bool local_is_v4 = IN6_IS_ADDR_V4MAPPED(&local->address);

    if (IN6_IS_ADDR_UNSPECIFIED(&destination->address))
        destination->address = local_is_v4 ? v4_mapped(htonl(INADDR_LOOPBACK))
                                           : (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
    else if (IN6_ARE_ADDR_EQUAL(&destination->address, &v4_any))
        destination->address = local->address;
}

bool endpoint_same_address(const struct endpoint *a, const struct endpoint *b)
{
    return IN6_ARE_ADDR_EQUAL(&a->address, &b->address);
}
