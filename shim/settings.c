/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* secure_getenv */
#include "settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Weak: glibc has it since 2.17. Without it the defaults stand. */
extern __typeof__(secure_getenv) secure_getenv __attribute__((weak));

struct settings settings;

static const char *environment(const char *name)
{
    return secure_getenv != NULL ? secure_getenv(name) : NULL;
}

static bool equal(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static bool copy(char *to, size_t size, const char *from)
{
    for (size_t i = 0; i < size; i++) {
        to[i] = from[i];
        if (from[i] == '\0')
            return true;
    }
    return false;
}

static enum mode read_mode(const char *value)
{
    if (value != NULL && equal(value, "observe"))
        return MODE_OBSERVE;
    if (value != NULL && equal(value, "off"))
        return MODE_OFF;
    return MODE_ENFORCE;
}

static enum log read_log(const char *value)
{
    if (value != NULL && equal(value, "stderr"))
        return LOG_STDERR;
    if (value != NULL && value[0] == '/' &&
        copy(settings.log_path, sizeof settings.log_path, value))
        return LOG_FILE;
    return LOG_NOWHERE;
}

void settings_read(void)
{
    settings.mode = read_mode(environment("NOSELFCONN_MODE"));
    settings.log = read_log(environment("NOSELFCONN_LOG"));
    if (settings.log != LOG_NOWHERE)
        syscall(SYS_prctl, PR_GET_NAME, settings.command);
}
