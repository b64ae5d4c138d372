/* SPDX-License-Identifier: MIT */
/* The environment of the command: the caller's, byte for byte and in its order, but for what is set
 * here. */
#ifndef NOSELFCONN_ENVIRONMENT_H
#define NOSELFCONN_ENVIRONMENT_H

/* Returns the value of NAME in `environment`, or NULL. */
const char *environment_get(char *const *environment, const char *name);

/* Returns a new environment in which NAME has that value: in the place of its first entry, and
 * without others of that name, since getenv() takes the first and the loader the last; or at the
 * end. NAME and VALUE are copied, the other entries are not. */
char **environment_with(char *const *environment, const char *name, const char *value);

/* The same with an entry NAME=VALUE, which is not copied. */
char **environment_with_entry(char *const *environment, const char *entry);

/* Returns a new environment without NAME. */
char **environment_without(char *const *environment, const char *name);

#endif
