/* SPDX-License-Identifier: MIT */
/* endpoint.c beside a slow reference of single bytes, for every address, length and family. */
#include <endpoint.h>

#include "kernel.h"

#include <stdlib.h>

socklen_t nondet_length(void);
struct endpoint nondet_endpoint(void);

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

void read_any(void)
{
    socklen_t length = nondet_length();
    unsigned char *bytes = malloc(length); /* of any contents, and not one byte more */
    struct endpoint read = nondet_endpoint();

    __CPROVER_assume(bytes != NULL);
    bool was_read = endpoint_read(&read, (const struct sockaddr *)bytes, length);
    unsigned int family = length < 2 ? 0 : bytes[0] | bytes[1] << 8;
    bool v4 = family == AF_INET && length >= 16, v6 = family == AF_INET6 && length >= 24;
    PROVE(was_read == (v4 || v6), "every whole IP address is read, and nothing else");
    if (!was_read)
        return;
    for (int i = 0; i < 16; i++)
        PROVE(read.address.s6_addr[i] == (v6       ? bytes[8 + i]
                                          : i < 12 ? mapped[i]
                                                   : bytes[4 + i - 12]),
              "the address that is read is the one in the bytes");
    PROVE(((unsigned char *)&read.port)[0] == bytes[2] &&
              ((unsigned char *)&read.port)[1] == bytes[3],
          "the port that is read is the one in the bytes");
}

static bool begins_with(const struct endpoint *endpoint, const unsigned char *bytes, int count)
{
    for (int i = 0; i < count; i++)
        if (endpoint->address.s6_addr[i] != bytes[i])
            return false;
    return true;
}

void compare_any(void)
{
    struct endpoint a = nondet_endpoint(), b = nondet_endpoint();

    PROVE(endpoint_same_address(&a, &b) == begins_with(&a, b.address.s6_addr, 16),
          "two addresses are the same if all sixteen bytes are");
}

void resolve_any(void)
{
    static const unsigned char v6_any[16],
        v6_loopback[16] = {[15] = 1}, v4_any[16] = {[10] = 0xff, [11] = 0xff},
        v4_loopback[16] = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1};
    struct endpoint local = nondet_endpoint(), destination = nondet_endpoint(),
                    before = destination;
    const unsigned char *expected = before.address.s6_addr;

    endpoint_resolve_wildcard(&destination, &local);
    if (begins_with(&before, v6_any, 16))
        expected = begins_with(&local, mapped, 12) ? v4_loopback : v6_loopback;
    else if (begins_with(&before, v4_any, 16))
        expected = local.address.s6_addr;
    PROVE(begins_with(&destination, expected, 16) && destination.port == before.port,
          "a wildcard becomes the loopback or the local address, and nothing else changes");
}
