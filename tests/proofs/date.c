/* SPDX-License-Identifier: MIT */
/* Not for CBMC: put_time() beside gmtime(3), for every day until 2106 and every second of a day. */
#include "kernel.h"

#include <report.c>
#include <stdio.h>
#include <string.h>

static time_t now;

long system_call(long number, void *a, void *b, void *c, void *d, void *e, void *f)
{
    (void)number, (void)a, (void)c, (void)d, (void)e, (void)f;
    ((long *)b)[0] = now;
    ((long *)b)[1] = now % 1000 * 1000000;
    return 0;
}

int main(void)
{
    for (now = 0; now <= UINT32_MAX; now += now < 86400 ? 1 : 86400 - 1) {
        struct line line = {.length = 0};
        char expected[32];
        put_time(&line);
        size_t length = strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S", gmtime(&now));
        sprintf(expected + length, ".%03dZ", (int)(now % 1000));
        if (line.length != length + 5 || memcmp(line.text, expected, length + 5) != 0)
            return 1;
    }
    return 0;
}
