/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void say_list(const char *format, va_list list)
{
    static char text[16384], buffer[4 * sizeof text]; /* the longest is the words of a loader */

    vsnprintf(text, sizeof text, format, list);
    setvbuf(stderr, buffer, _IOFBF, sizeof buffer);
    fputs("noselfconn: ", stderr);
    for (const char *at = text; *at != '\0'; at++) { /* a name can hold what a terminal obeys */
        if (*at == '\r')
            fputs("\\r", stderr);
        else if (((unsigned char)*at < ' ' && *at != '\n' && *at != '\t') || *at == 0x7f)
            fprintf(stderr, "\\x%02x", *at);
        else
            putc(*at, stderr);
    }
    putc('\n', stderr);
    fflush(stderr);
}

void say(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    say_list(format, list);
    va_end(list);
}

void fail(int status, const char *what_to_do, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    say_list(format, list);
    va_end(list);
    if (what_to_do != NULL)
        fprintf(stderr, "%s\n", what_to_do);
    exit(status);
}

int flush_stdout(void)
{
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        fail(EXIT_OWN_FAILURE, NULL, "cannot write to standard output");
    return 0;
}
