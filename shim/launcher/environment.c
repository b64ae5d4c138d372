/* SPDX-License-Identifier: MIT */
#include "environment.h"

#include "say.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* `name` ends with its end, or with '='. */
static bool is_entry_of(const char *entry, const char *name)
{
    size_t length = strcspn(name, "=");

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
    size_t size = strlen(name) + strlen(value) + sizeof "=";
    char *entry = allocate(size);

    snprintf(entry, size, "%s=%s", name, value);
    return entry;
}

/* In the place of the first entry of that name, or at the end; NULL only leaves out those that
 * there are. */
static char **replace(char *const *environment, const char *name, char *entry)
{
    size_t count = 0, used = 0;
    char **changed;

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

char **environment_with(char *const *environment, const char *name, const char *value)
{
    return replace(environment, name, new_entry(name, value));
}

char **environment_with_entry(char *const *environment, const char *entry)
{
    return replace(environment, entry, (char *)entry);
}

char **environment_without(char *const *environment, const char *name)
{
    return replace(environment, name, NULL);
}
