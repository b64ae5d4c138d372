/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include "libc.h"
#include "system_call.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000 /* the headers define it for _GNU_SOURCE alone */
#endif

struct settings settings;

static enum mode read_mode(const char *value)
{
    if (value != NULL && strcmp(value, "observe") == 0)
        return MODE_OBSERVE;
    if (value != NULL && strcmp(value, "off") == 0)
        return MODE_OFF;
    return MODE_ENFORCE;
}

/* /dev/stderr is no file to open by its path: that would be whatever descriptor 2 is then. */
static enum log read_log(const char *value)
{
    if (value != NULL && (strcmp(value, "stderr") == 0 || strcmp(value, "/dev/stderr") == 0))
        return LOG_STDERR;
    if (value != NULL && value[0] == '/' &&
        memccpy(settings.log_path, value, '\0', sizeof settings.log_path) != NULL)
        return LOG_FILE;
    return LOG_NOWHERE;
}

struct file_identity file_identity(int fd)
{
    struct statx status;

    if (SYSTEM_CALL(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_INO, &status) != 0)
        return (struct file_identity){.inode = 0};
    return (struct file_identity){.inode = status.stx_ino,
                                  .device_major = status.stx_dev_major,
                                  .device_minor = status.stx_dev_minor,
                                  .mode = status.stx_mode};
}

void settings_read(const char *mode, const char *log)
{
    settings.mode = read_mode(mode);
    settings.log = read_log(log);
    if (settings.log == LOG_NOWHERE)
        return;
    SYSTEM_CALL(SYS_prctl, PR_GET_NAME, settings.command);
    settings.stderr_at_load = file_identity(STDERR_FILENO);
}
