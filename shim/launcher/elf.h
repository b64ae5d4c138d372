/* SPDX-License-Identifier: MIT */
/* What the head of an executable file says that the kernel and the loader go by (elf(5)). */
#ifndef NOSELFCONN_ELF_H
#define NOSELFCONN_ELF_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct elf {
    int bits; /* 32 or 64 */
    bool is_big_endian;
    uint16_t machine;           /* EM_X86_64, ... */
    bool is_go;                 /* has what the Go linker leaves behind */
    bool has_interpreter;       /* otherwise it is static, or a loader itself */
    bool is_shared_object;      /* ET_DYN */
    char interpreter[PATH_MAX]; /* where it has one */
};

enum elf_result {
    ELF_READ,
    ELF_NONE,   /* another kind of file */
    ELF_BROKEN, /* the kernel would not run it either, or it cannot be read */
};

/* Reads it from the file that fd is open for, wherever its offset is. No more than some hundred kB
 * are read, whatever the file says of itself. Changes errno. */
enum elf_result elf_read(struct elf *elf, int fd);

#endif
