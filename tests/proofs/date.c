/* SPDX-License-Identifier: MIT */
/* Without CBMC: put_time() beside gmtime(3), for every day until 2106 and every second of a day. */
#include "kernel.h"

#include <report.c>
#include <stdio.h>
#include <string.h>

static time_t now;

long system_call(long number, void *a, void *b, void *c, void *d, void *e, void *f)
{
    memcpy(b, (long[]){now, now % 1000 * 1000000}, 2 * sizeof(long));
    return 0;
}

int main(void)
{
    bool is_right = true;

    for (now = 0; now <= UINT32_MAX; now += now < 86400 ? 1 : 86400 - 1) {
        struct line line = {.length = 0};
        char expected[32];
        put_time(&line);
        size_t length = strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S", gmtime(&now));
        length += (size_t)sprintf(expected + length, ".%03dZ", (int)(now % 1000));
        is_right &= line.length == length && memcmp(line.text, expected, length) == 0;
    }
    printf(
        "[main.assertion.1] line 0 every time until 2106-02-07 is written as gmtime(3) has it: %s\n"
        "VERIFICATION\n",
        is_right ? "SUCCESS" : "FAILURE");
    return 0;
}
