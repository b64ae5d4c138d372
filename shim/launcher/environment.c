/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* asprintf */
#include "launcher.h"

#include <stdio.h>
#include <string.h>

/* Leaves no other variable of that name: getenv() takes the first, the loader the last. */
void set_variable(const char *name, const char *value)
{
    if (value != NULL && (unsetenv(name) != 0 || setenv(name, value, 1) != 0))
        fail(EXIT_OWN_FAILURE, "out of memory");
}

static char *join(const char *list, const char *separator, const char *entry)
{
    const bool is_first = list == NULL || *list == '\0' || *entry == '\0';
    char *joined;

    if (asprintf(&joined, "%s%s%s", list != NULL ? list : "", is_first ? "" : separator, entry) < 0)
        fail(EXIT_OWN_FAILURE, "out of memory");
    return joined;
}

void set_preload(const char *list, const char *library, const char *sanitizer)
{
    char *first = join(sanitizer, "", ""), *rest = join("", "", ""), *entries = join(list, "", "");

    for (char *entry = strtok(entries, " :"); entry != NULL; entry = strtok(NULL, " :"))
        if (strncmp(file_name(entry), "libasan.so", strlen("libasan.so")) == 0 ||
            strncmp(file_name(entry), "libclang_rt.asan", strlen("libclang_rt.asan")) == 0)
            first = join(first, ":", entry);
        else if (strcmp(entry, library) != 0)
            rest = join(rest, ":", entry);
    set_variable("LD_PRELOAD", join(join(first, ":", library), ":", rest));
}

void have_tox_pass_preload(void)
{
    set_variable("TOX_TESTENV_PASSENV", /* of tox 3 */
                 join(getenv("TOX_TESTENV_PASSENV"), " ", "LD_PRELOAD NOSELFCONN_*"));
    set_variable("TOX_OVERRIDE", /* of tox 4.11.1 and later */
                 join(getenv("TOX_OVERRIDE"), ";",
                      "testenv.pass_env+=LD_PRELOAD;testenv.pass_env+=NOSELFCONN_*"));
}
