/* SPDX-License-Identifier: MIT */
/* Loads a plugin, lets it connect, and prints the result:
 *
 *     plugins HOW PLUGIN ADDRESS PORT      HOW: plain, deepbind or dlmopen
 *
 * Built with OWN_CONNECT, as own-connect, the program exports a connect() of its own. */
#include "common.h"

#include <dlfcn.h>
#include <sys/syscall.h>

#ifdef OWN_CONNECT
int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t length)
{
    return (int)syscall(SYS_connect, fd, address.__sockaddr__, length);
}
#endif

typedef int plugin_connect_function(int fd, const struct sockaddr *address, socklen_t length);

static void *load(const char *how, const char *plugin)
{
    if (strcmp(how, "plain") == 0)
        return dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
    if (strcmp(how, "deepbind") == 0)
        return dlopen(plugin, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    if (strcmp(how, "dlmopen") == 0)
        return dlmopen(LM_ID_NEWLM, plugin, RTLD_NOW | RTLD_LOCAL);
    fprintf(stderr, "unknown way: %s\n", how);
    exit(2);
}

int main(int argc, char **argv)
{
    struct sockaddr_storage destination;
    plugin_connect_function *plugin_connect;
    socklen_t length;
    void *plugin;
    int fd;

    if (argc != 5) {
        fprintf(stderr, "usage: plugins HOW PLUGIN ADDRESS PORT\n");
        return 2;
    }
    plugin = load(argv[1], argv[2]);
    if (plugin == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    *(void **)&plugin_connect = dlsym(plugin, "plugin_connect");
    fd = socket_for(argc - 2, argv + 2, &destination, &length);
    print_outcome(fd, plugin_connect(fd, (struct sockaddr *)&destination, length));
    return 0;
}
