/* SPDX-License-Identifier: MIT */
#include "environment.h"

#include "say.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static bool is_entry_of(const char *entry, const char *name)
{
    size_t length = strlen(name);

    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

const char *environment_get(char *const *environment, const char *name)
{
    for (; *environment != NULL; environment++)
        if (is_entry_of(*environment, name))
            return *environment + strlen(name) + 1;
    return NULL;
}

static char *new_entry(const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + 2;
    char *entry = allocate(size);

    snprintf(entry, size, "%s=%s", name, value);
    return entry;
}

char **environment_with(char *const *environment, const char *name, const char *value)
{
    size_t count = 0, used = 0;
    char **changed, *entry = new_entry(name, value);

    while (environment[count] != NULL)
        count++;
    changed = allocate((count + 2) * sizeof *changed);
    for (size_t i = 0; i < count; i++) {
        if (!is_entry_of(environment[i], name)) {
            changed[used++] = environment[i];
        } else if (entry != NULL) {
            changed[used++] = entry;
            entry = NULL;
        }
    }
    if (entry != NULL)
        changed[used++] = entry;
    changed[used] = NULL;
    return changed;
}
