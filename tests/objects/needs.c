/* SPDX-License-Identifier: MIT */
/* A library that a program is linked with, and that is then not there. */
int needed(void);

int needed(void)
{
    return 0;
}
