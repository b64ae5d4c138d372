/* SPDX-License-Identifier: MIT */
/* A shared object with nothing in it, linked with the compiler's defaults: what loading any library
 * costs. */
typedef int nothing;
