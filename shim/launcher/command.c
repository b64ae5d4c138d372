/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char default_path[] = "/bin:/usr/bin"; /* execvp(3) */

/* Returns false where the result would be too long. */
static bool join(char joined[PATH_MAX], const char *folder, size_t folder_length, const char *name)
{
    int length = folder_length == 0
                     ? snprintf(joined, PATH_MAX, "%s", name)
                     : snprintf(joined, PATH_MAX, "%.*s/%s", (int)folder_length, folder, name);

    return length < PATH_MAX;
}

bool command_in_folder(char joined[PATH_MAX], const char *folder, const char *name)
{
    return name[0] == '/' || folder == NULL ? join(joined, "", 0, name)
                                            : join(joined, folder, strlen(folder), name);
}

int command_find_by_name(char found[PATH_MAX], const char *name, const char *folder)
{
    struct stat status;

    if (!command_in_folder(found, folder, name))
        return ENAMETOOLONG;
    if (stat(found, &status) != 0)
        return errno;
    return S_ISREG(status.st_mode) && access(found, X_OK) == 0 ? 0 : EACCES;
}

int command_find(char found[PATH_MAX], const char *name, const char *path, const char *folder)
{
    char candidate[PATH_MAX], in_folder[PATH_MAX];
    int error = ENOENT;

    if (strchr(name, '/') != NULL)
        return command_find_by_name(found, name, folder);
    if (name[0] == '\0')
        return ENOENT;
    if (path == NULL)
        path = default_path;
    for (;;) { /* an empty entry, at the end, too, is the current folder */
        size_t length = strcspn(path, ":");
        int outcome = join(in_folder, path, length, name)
                          ? command_find_by_name(candidate, in_folder, folder)
                          : ENAMETOOLONG;
        if (outcome == 0 || (outcome == EACCES && error == ENOENT)) {
            memcpy(found, candidate, PATH_MAX);
            error = outcome;
        }
        if (outcome == 0)
            return 0;
        if (path[length] == '\0')
            return error;
        path += length + 1;
    }
}
