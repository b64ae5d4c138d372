/* SPDX-License-Identifier: MIT */
/* Prints what it is: its file, and LD_PRELOAD. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
    char path[PATH_MAX];
    const char *preload = getenv("LD_PRELOAD");
    ssize_t length = readlink("/proc/self/exe", path, sizeof path);

    if (length < 0)
        return EXIT_FAILURE;
    printf("%.*s, preload '%s'\n", (int)length, path, preload != NULL ? preload : "");
    return EXIT_SUCCESS;
}
