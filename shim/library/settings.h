/* SPDX-License-Identifier: MIT */
/* The settings of the environment, read once at load. */
#pragma once

#include <limits.h>
#include <stdint.h>

enum mode {
    MODE_ENFORCE, /* refuse self-connections: the default, and every value not named below */
    MODE_OBSERVE, /* NOSELFCONN_MODE=observe: report them, let them stand */
    MODE_OFF,     /* NOSELFCONN_MODE=off: do not look */
};

enum log { LOG_NOWHERE, LOG_STDERR, LOG_FILE };

/* The file that a descriptor is open for. */
struct file_identity {
    uint64_t device, inode;
    uint32_t mode;       /* stat(2), st_mode; 0 if fd is closed */
    uint32_t generation; /* of the inode, whose number a later file can have (ioctl_iflags(2)) */
};

struct settings {
    enum mode mode;
    enum log log;            /* NOSELFCONN_LOG: unset, `stderr`, or an absolute path */
    char log_path[PATH_MAX]; /* for LOG_FILE; a copy, since programs overwrite their environment */
    char command[16]; /* for a log: the name of the process at load (prctl(2), PR_GET_NAME) */
    struct file_identity stderr_at_load; /* for LOG_STDERR */
};

/* Written by settings_read() alone, before the program's own code runs. */
extern struct settings settings;

/* Takes over the values of NOSELFCONN_MODE and NOSELFCONN_LOG, NULL if they are unset. A value
 * that is misspelt or too long leaves the default. Makes no system call unless a log is asked for.
 * Leaves errno alone. */
void settings_read(const char *mode, const char *log);

/* Leaves errno alone. */
struct file_identity file_identity(int fd);
