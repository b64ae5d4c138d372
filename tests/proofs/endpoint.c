/* SPDX-License-Identifier: MIT */
/* endpoint_read() beside a slow reference of single bytes, for every address, length and family.
 * What is compared and resolved is proven with guard.c. */
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
