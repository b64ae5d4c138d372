/* SPDX-License-Identifier: MIT */
#ifndef NOSELFCONN_COMMAND_H
#define NOSELFCONN_COMMAND_H

#include <limits.h>
#include <stdbool.h>

/* Finds what execvp(3) would run for `name`: itself where it has a slash, else the first executable
 * file of that name in the folders of `path` (NULL: execvp's default). Relative names begin at
 * `folder`, where that is not NULL.
 *
 * Returns 0; ENOENT; EACCES where there is such a file, but not one that can be executed, with the
 * first of those in `found`; or, for a name with a slash, what else stat(2) says. */
int command_find(char found[PATH_MAX], const char *name, const char *path, const char *folder);

/* The same for a name that is not looked for in a path, as execve(2) takes it. */
int command_find_by_name(char found[PATH_MAX], const char *name, const char *folder);

/* A name that is meant in `folder` (NULL: here), as it is from here. Returns false where that is
 * too long. */
bool command_in_folder(char joined[PATH_MAX], const char *folder, const char *name);

#endif
