/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* memrchr */
#include "launcher.h"
#include "say.h"

#include <stdlib.h>
#include <string.h>

static bool is_sanitizer(const char *entry, size_t length)
{
    static const char name[] = "libasan.so";
    const char *slash = memrchr(entry, '/', length);

    return strncmp(slash != NULL ? slash + 1 : entry, name, sizeof name - 1) == 0;
}

static void append(char *list, const char *entry, size_t length)
{
    size_t used = strlen(list);

    if (used > 0)
        list[used++] = ':';
    memcpy(list + used, entry, length);
}

void preload_set(const char *list, const char *library, const char *sanitizer)
{
    const char *entry = list != NULL ? list : "";
    size_t size = strlen(entry) + strlen(library) + strlen(sanitizer) + sizeof ":::", length;
    char *first = calloc(1, size), *rest = calloc(1, size);

    if (first == NULL || rest == NULL)
        fail(EXIT_OWN_FAILURE, NULL, "out of memory");
    append(first, sanitizer, strlen(sanitizer));
    for (; *entry != '\0'; entry += length + (entry[length] != '\0')) {
        length = strcspn(entry, " :");
        if (length > 0 && (length != strlen(library) || memcmp(entry, library, length) != 0))
            append(is_sanitizer(entry, length) ? first : rest, entry, length);
    }
    append(first, library, strlen(library));
    if (rest[0] != '\0')
        append(first, rest, strlen(rest));
    set_variable("LD_PRELOAD", first);
    free(first);
    free(rest);
}

void set_variable(const char *name, const char *value)
{
    if (unsetenv(name) != 0 || setenv(name, value, 1) != 0)
        fail(EXIT_OWN_FAILURE, NULL, "out of memory");
}
