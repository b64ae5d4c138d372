/* SPDX-License-Identifier: MIT */
/* A plugin that connects. */
#include <errno.h>
#include <sys/socket.h>

int plugin_connect(int fd, const struct sockaddr *destination, socklen_t length);

/* Returns 0 or the error: in another link namespace the plugin has its own errno. */
int plugin_connect(int fd, const struct sockaddr *destination, socklen_t length)
{
    return connect(fd, destination, length) == 0 ? 0 : errno;
}
