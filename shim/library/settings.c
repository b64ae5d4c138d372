/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include "libc.h"
#include "system_call.h"

#include <asm/stat.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

struct settings settings;

static enum mode read_mode(const char *value)
{
    if (value != NULL && strcmp(value, "observe") == 0)
        return MODE_OBSERVE;
    if (value != NULL && strcmp(value, "off") == 0)
        return MODE_OFF;
    return MODE_ENFORCE;
}

/* Other names of descriptor 2 are not opened as paths: it may be another file by then. */
static enum log read_log(const char *value)
{
    static const char names[][16] = {"stderr", "/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"};

    for (size_t i = 0; value != NULL && i < sizeof names / sizeof *names; i++)
        if (strcmp(value, names[i]) == 0)
            return LOG_STDERR;
    if (value != NULL && value[0] == '/' &&
        memccpy(settings.log_path, value, '\0', sizeof settings.log_path) != NULL)
        return LOG_FILE;
    return LOG_NOWHERE;
}

/* Not by statx(2), which sandboxes deny that know no program that needs it. */
struct file_identity file_identity(int fd)
{
#ifdef SYS_fstat64 /* 32 bit */
    struct stat64 status = {0};
    long result = SYSTEM_CALL(SYS_fstat64, fd, &status);
#else
    struct stat status = {0};
    long result = SYSTEM_CALL(SYS_fstat, fd, &status);
#endif
    uint32_t generation[2] = {0}; /* as large as a long, which the request promises to take */

    if (result != 0)
        return (struct file_identity){.mode = 0};
    SYSTEM_CALL(SYS_ioctl, fd, FS_IOC_GETVERSION, generation);
    return (struct file_identity){.device = status.st_dev,
                                  .inode = status.st_ino,
                                  .mode = status.st_mode,
                                  .generation = generation[0]};
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
