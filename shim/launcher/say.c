/* SPDX-License-Identifier: MIT */
#include "say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The longest is the words of a loader. */
enum { LONGEST = 16384 };

/* A name can hold what a terminal would not show, or would obey. */
static void show(char *shown, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte == '\r')
            shown = stpcpy(shown, "\\r");
        else if ((byte < ' ' && byte != '\n' && byte != '\t') || byte == 0x7f)
            shown += sprintf(shown, "\\x%02x", byte);
        else
            *shown++ = *text;
    }
    *shown = '\0';
}

static void say_list(const char *format, va_list list)
{
    static char text[LONGEST], shown[4 * LONGEST]; /* four bytes for one, at most */

    vsnprintf(text, sizeof text, format, list);
    show(shown, text);
    fprintf(stderr, "noselfconn: %s\n", shown);
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

int printed(void)
{
    fflush(stdout);
    if (ferror(stdout) != 0)
        fail(EXIT_OWN_FAILURE, NULL, "cannot write to standard output");
    return 0;
}

void *allocate(unsigned long size)
{
    void *memory = malloc(size);

    if (memory == NULL)
        fail(EXIT_OWN_FAILURE, NULL, "out of memory");
    return memory;
}
