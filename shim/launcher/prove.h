/* SPDX-License-Identifier: MIT */
#ifndef NOSELFCONN_PROVE_H
#define NOSELFCONN_PROVE_H

#include <stdbool.h>

/* The option by which this program, with the library preloaded, is told to connect to itself. */
#define PROVE_OPTION "--connect-to-itself"

/* Connects to itself twice: by a system call of its own, which no library sees; then in a child
 * with this environment, which has the library in LD_PRELOAD, or in this process with a tracer.
 * Leaves nothing behind. Says what came of it and returns the exit status: 0 where the second was
 * refused. */
int prove(bool is_traced);

/* What the child does. Returns its exit status. */
int prove_as_child(void);

#endif
