/* SPDX-License-Identifier: MIT */
#include "launcher.h"

#include <stdarg.h>
#include <stdio.h>

void say(const char *format, ...)
{
    static char text[16384], buffer[4 * sizeof text]; /* the longest is the words of a loader */
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    setvbuf(stderr, buffer, _IOFBF, sizeof buffer);
    fputs("noselfconn: ", stderr);
    for (const char *at = text; *at != '\0'; at++) { /* a name can hold control sequences */
        if (((unsigned char)*at < ' ' && *at != '\n' && *at != '\t') || *at == 0x7f)
            fprintf(stderr, "\\x%02x", *at);
        else
            putc(*at, stderr);
    }
    putc('\n', stderr);
    fflush(stderr);
}
