/* SPDX-License-Identifier: MIT */
/* Exports its own connect(), which a plugin calls:
 *
 *     own-connect PLUGIN ADDRESS PORT
 */
#include "common.h"

#include <dlfcn.h>
#include <sys/syscall.h>

int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t length)
{
    return (int)syscall(SYS_connect, fd, address.__sockaddr__, length);
}

int main(int argc, char **argv)
{
    int (*plugin_connect)(int fd, const struct sockaddr *address, socklen_t length);
    struct sockaddr_storage destination;
    socklen_t length;
    void *plugin;
    int fd;

    if (argc != 4) {
        fprintf(stderr, "usage: own-connect PLUGIN ADDRESS PORT\n");
        return 2;
    }
    plugin = dlopen(argv[1], RTLD_NOW);
    if (plugin == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    *(void **)&plugin_connect = dlsym(plugin, "plugin_connect");
    fd = socket_for(argc - 1, argv + 1, &destination, &length);
    print_outcome(fd, plugin_connect(fd, (struct sockaddr *)&destination, length));
    return 0;
}
