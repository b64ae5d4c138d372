/* SPDX-License-Identifier: MIT */
/* An empty shared object: the cost of loading any library. */
typedef int nothing;
