/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void say_list(const char *format, va_list list)
{
    fputs("noselfconn: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
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

void *allocate(unsigned long size)
{
    void *memory = malloc(size);

    if (memory == NULL)
        fail(EXIT_OWN_FAILURE, NULL, "out of memory");
    return memory;
}
