/* SPDX-License-Identifier: MIT */
/* For libFuzzer: two socket addresses of any family, length and bytes are read and compared, and
 * the answers are held against a reference that compares what inet_ntop() makes of them.
 *
 * An input is the length of the first address, the length of the second or MUTATE, and bytes. With
 * MUTATE the second is the first with one byte changed, since chance makes no two equal addresses.
 */
#include "../../shim/library/endpoint.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MUTATE = 0xff, LONGEST = sizeof(struct sockaddr_storage) };

static void require(bool condition, const char *property)
{
    if (condition)
        return;
    fprintf(stderr, "broken: %s\n", property);
    abort();
}

/* The reference: what an address says, as text: "ADDRESS PORT", IPv4 as ::ffff:a.b.c.d, or "" for
 * an address that names no endpoint. */
struct text {
    char address[INET6_ADDRSTRLEN + 8];
    unsigned int port;
};

static struct text text_of(const unsigned char *bytes, size_t length)
{
    struct text text = {"", 0};
    struct sockaddr_storage whole = {0};
    const struct sockaddr_in *in = (const struct sockaddr_in *)&whole;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&whole;

    if (length < 2)
        return text;
    memcpy(&whole, bytes, length < sizeof whole ? length : sizeof whole);
    if (whole.ss_family == AF_INET && length >= 16) {
        char v4[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &in->sin_addr, v4, sizeof v4);
        snprintf(text.address, sizeof text.address, "::ffff:%s", v4);
        text.port = ntohs(in->sin_port);
    } else if (whole.ss_family == AF_INET6 && length >= 24) {
        inet_ntop(AF_INET6, &in6->sin6_addr, text.address, sizeof text.address);
        text.port = ntohs(in6->sin6_port);
    }
    return text;
}

/* A copy that ends where its allocation ends: AddressSanitizer sees one byte too many. `offset`
 * makes it misaligned. */
static unsigned char *exact_copy(const unsigned char *bytes, size_t length, size_t offset)
{
    unsigned char *copy = malloc(length + offset + (length + offset == 0));

    require(copy != NULL, "memory");
    memcpy(copy + offset, bytes, length);
    return copy;
}

static bool read_copy(struct endpoint *endpoint, const unsigned char *bytes, size_t length,
                      size_t offset)
{
    unsigned char *copy = exact_copy(bytes, length, offset);
    bool result = endpoint_read(endpoint, (const struct sockaddr *)(const void *)(copy + offset),
                                (socklen_t)length);

    require(memcmp(copy + offset, bytes, length) == 0, "the address is only read");
    free(copy);
    return result;
}

static void check_read(struct endpoint *endpoint, const struct text *text, bool was_read)
{
    char address[INET6_ADDRSTRLEN];

    require(was_read == (text->address[0] != '\0'), "only a whole IP address is read");
    if (!was_read)
        return;
    inet_ntop(AF_INET6, &endpoint->address, address, sizeof address);
    require(strcmp(address, text->address) == 0, "the address is the same");
    require(ntohs(endpoint->port) == text->port, "the port is the same");
    require(endpoint_same_address(endpoint, endpoint), "reflexive");
}

/* Where a connection to `destination` leads, by the text of a local address. */
static const char *resolved(const char *destination, const char *local)
{
    if (strcmp(destination, "::ffff:0.0.0.0") == 0)
        return local;
    if (strcmp(destination, "::") == 0)
        return strncmp(local, "::ffff:", 7) == 0 && strchr(local, '.') != NULL ? "::ffff:127.0.0.1"
                                                                               : "::1";
    return destination;
}

static void check_wildcard(struct endpoint destination, const struct endpoint *local,
                           const struct text *destination_text, const struct text *local_text)
{
    char address[INET6_ADDRSTRLEN];

    endpoint_resolve_wildcard(&destination, local);
    inet_ntop(AF_INET6, &destination.address, address, sizeof address);
    require(strcmp(address, resolved(destination_text->address, local_text->address)) == 0,
            "a wildcard leads to the local or to the loopback address");
    require(ntohs(destination.port) == destination_text->port, "the port of a wildcard stays");
}

static void check_pair(const unsigned char *a, size_t a_length, const unsigned char *b,
                       size_t b_length)
{
    struct endpoint first, second;
    const struct text first_text = text_of(a, a_length), second_text = text_of(b, b_length);
    bool first_read = read_copy(&first, a, a_length, a_length % 8);
    bool second_read = read_copy(&second, b, b_length, 1);

    check_read(&first, &first_text, first_read);
    check_read(&second, &second_text, second_read);
    if (!first_read || !second_read)
        return;
    bool same = endpoint_same_address(&first, &second);
    require(same == endpoint_same_address(&second, &first), "symmetric");
    require(same == (strcmp(first_text.address, second_text.address) == 0),
            "agrees with the reference");
    check_wildcard(first, &second, &first_text, &second_text);
}

/* What chance would rarely find: a family that is known, a wildcard, a v4-mapped address. */
static void make_likely(unsigned char address[LONGEST], unsigned char choice)
{
    const sa_family_t family = choice & 1 ? AF_INET : AF_INET6;
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)address;

    if (choice & 2)
        memcpy(address, &family, sizeof family);
    if (choice & 4)
        memset(family == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr, 0,
               family == AF_INET ? 4 : 16);
    if (choice & 8 && family == AF_INET6)
        memcpy(&in6->sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _Alignas(struct sockaddr_storage) unsigned char a[LONGEST] = {0}, b[LONGEST] = {0};
    size_t a_length, b_length;

    if (size < 6)
        return 0;
    a_length = data[0] % (LONGEST + 1);
    memcpy(a, data + 6, size - 6 < LONGEST ? size - 6 : LONGEST);
    make_likely(a, data[2]);
    if (data[1] == MUTATE) {
        memcpy(b, a, LONGEST);
        b_length = a_length;
        b[data[3] % LONGEST] ^= data[4];
    } else {
        b_length = data[1] % (LONGEST + 1);
        if (size > 6 + LONGEST)
            memcpy(b, data + 6 + LONGEST,
                   size - 6 - LONGEST < LONGEST ? size - 6 - LONGEST : LONGEST);
        make_likely(b, data[5]);
    }
    check_pair(a, a_length, b, b_length);
    return 0;
}
