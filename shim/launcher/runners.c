/* SPDX-License-Identifier: MIT */
#include "launcher.h"

#include <string.h>

#define EMPTIES "it starts its command with another environment"
#define ROOT "it changes the root, where the library may be missing"
#define MANAGER "it has the service manager start its command"
#define CONTAINER "it runs its command in a container"
#define REMOTE "it runs its command on another host"
#define SERVER "it has its server start commands"
#define AFTER "Put noselfconn after it: "
#define INSIDE "Install noselfconn there, and put it after: "

/* Only programs that certainly drop the library; those that keep the environment are not here. */
static const struct runner runners[] = {
    {"sudo", false, EMPTIES, AFTER "sudo noselfconn COMMAND"},
    {"doas", false, EMPTIES, AFTER "doas noselfconn COMMAND"},
    {"pkexec", false, EMPTIES, AFTER "pkexec noselfconn COMMAND"},
    {"su", false, EMPTIES, AFTER "su - USER -c 'noselfconn COMMAND'"},
    {"mptcpize", false, "it replaces LD_PRELOAD", AFTER "mptcpize run noselfconn COMMAND"},
    {"chroot", false, ROOT, INSIDE "chroot FOLDER noselfconn COMMAND"},
    {"schroot", false, ROOT, INSIDE "schroot -c NAME -- noselfconn COMMAND"},
    {"bwrap", false, ROOT, INSIDE "bwrap ... noselfconn COMMAND"},
    {"flatpak", false, ROOT, INSIDE "flatpak run --command=noselfconn APP COMMAND"},
    {"systemd-nspawn", false, ROOT, INSIDE "systemd-nspawn -D FOLDER noselfconn COMMAND"},
    {"proot", true, ROOT, INSIDE "proot -r FOLDER noselfconn COMMAND"}, /* and traces it */
    {"systemd-run", true, MANAGER, AFTER "systemd-run noselfconn COMMAND"},
    {"run0", true, MANAGER, AFTER "run0 noselfconn COMMAND"},
    {"machinectl", true, MANAGER, INSIDE "machinectl shell NAME noselfconn COMMAND"},
    {"docker", true, CONTAINER, INSIDE "docker run IMAGE noselfconn COMMAND"},
    {"podman", true, CONTAINER, INSIDE "podman run IMAGE noselfconn COMMAND"},
    {"lxc", true, CONTAINER, INSIDE "lxc exec NAME -- noselfconn COMMAND"},
    {"kubectl", true, REMOTE, INSIDE "kubectl exec POD -- noselfconn COMMAND"},
    {"ssh", true, REMOTE, INSIDE "ssh HOST noselfconn COMMAND"},
    {"tmux", true, SERVER, AFTER "tmux new-window noselfconn COMMAND"},
    {"screen", true, SERVER, AFTER "screen noselfconn COMMAND"},
};

const struct runner *runner_find(const char *path)
{
    for (size_t i = 0; i < sizeof runners / sizeof *runners; i++)
        if (strcmp(file_name(path), runners[i].name) == 0)
            return &runners[i];
    return NULL;
}

bool runner_starts_others(const char *path)
{
    static const char *const names[] = {"busybox", "gosu",        "su-exec",
                                        "tini",    "tini-static", "dumb-init"};
    const char *name = file_name(path);

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return strncmp(name, "ld", 2) == 0 && strstr(name, ".so") != NULL; /* a loader, by hand */
}
