/* SPDX-License-Identifier: MIT */
#ifndef NOSELFCONN_PROVE_H
#define NOSELFCONN_PROVE_H

/* The option by which this program, with the library preloaded, is told to connect to itself. */
#define PROVE_OPTION "--connect-to-itself"

/* Connects to itself twice: by a system call of its own, which no library sees, and then in a child
 * with `environment`, which has the library in LD_PRELOAD. Neither leaves anything behind. Says
 * what came of it and returns the exit status: 0 where the second was refused. */
int prove(const char *library, char *const *environment);

/* The same for this process itself, with a tracer. */
int prove_traced(char *const *environment);

/* What the child does. Returns its exit status. */
int prove_as_child(void);

#endif
