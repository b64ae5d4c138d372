/* SPDX-License-Identifier: MIT */
/* Without CBMC: put_date() for every day until 2106. */
#include <report.c>
#include <stdio.h>
#include <string.h>

int main(void)
{
    bool is_right = true;

    for (time_t now = 0; now <= UINT32_MAX; now += 86400) {
        struct line line = {.length = 0};
        char expected[16];
        put_date(&line, (uint32_t)(now / 86400));
        strftime(expected, sizeof expected, "%Y-%m-%d", gmtime(&now));
        is_right &= line.length == 10 && memcmp(line.text, expected, 10) == 0;
    }
    printf("[date] sentence: every date until 2106 is as gmtime(3) has it: %s\nVERIFICATION\n",
           is_right ? "SUCCESS" : "FAILURE");
}
