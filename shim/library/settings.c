/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* secure_getenv */
#include "settings.h"

#include "libc.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

struct settings settings;

/* glibc has it since 2.17. Without it the defaults stand. */
extern __typeof__(secure_getenv) secure_getenv __attribute__((weak));

static const char *environment(const char *name)
{
    return secure_getenv != NULL ? secure_getenv(name) : NULL;
}

static enum mode read_mode(const char *value)
{
    if (value != NULL && strcmp(value, "observe") == 0)
        return MODE_OBSERVE;
    if (value != NULL && strcmp(value, "off") == 0)
        return MODE_OFF;
    return MODE_ENFORCE;
}

static enum log read_log(const char *value)
{
    if (value != NULL && strcmp(value, "stderr") == 0)
        return LOG_STDERR;
    if (value != NULL && value[0] == '/' &&
        memccpy(settings.log_path, value, '\0', sizeof settings.log_path) != NULL)
        return LOG_FILE;
    return LOG_NOWHERE;
}

struct file_identity file_identity(int fd)
{
    struct statx status;

    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_INO, &status) != 0)
        return (struct file_identity){.inode = 0};
    return (struct file_identity){.inode = status.stx_ino,
                                  .device_major = status.stx_dev_major,
                                  .device_minor = status.stx_dev_minor};
}

void settings_read(void)
{
    settings.mode = read_mode(environment("NOSELFCONN_MODE"));
    settings.log = read_log(environment("NOSELFCONN_LOG"));
    if (settings.log == LOG_NOWHERE)
        return;
    syscall(SYS_prctl, PR_GET_NAME, settings.command);
    settings.stderr_at_load = file_identity(STDERR_FILENO);
}
