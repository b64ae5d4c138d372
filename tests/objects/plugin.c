/* SPDX-License-Identifier: MIT */
/* A plugin that connects, for tests/programs/plugins.c to load. */
#include <errno.h>
#include <sys/socket.h>

int plugin_connect(int fd, const struct sockaddr *destination, socklen_t length);

/* Returns 0, or the error of connect(). In a link namespace of its own the plugin has an errno of
 * its own. */
int plugin_connect(int fd, const struct sockaddr *destination, socklen_t length)
{
    return connect(fd, destination, length) == 0 ? 0 : errno;
}
