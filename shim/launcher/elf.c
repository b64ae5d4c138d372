/* SPDX-License-Identifier: MIT */
#include "elf.h"

#include <elf.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum {
    MOST_HEADERS = 65536,   /* the kernel takes no more bytes of them (load_elf_phdrs) */
    MOST_NOTES = 65536,     /* enough for Go's, which is the first or second */
    MOST_DATA = 256 * 1024, /* Go's build information is at the start of the data */
    GO_ALIGNMENT = 16,      /* there (debug/buildinfo) */
};
static const char go_build_information[] = "\xff Go buildinf:";

/* A file, as far as this reader has to know it. */
struct file {
    int fd;
    const struct elf *elf;
};

/* What the reader needs of a program header, of either word size. */
struct segment {
    uint32_t type, flags;
    uint64_t offset, size;
};

static uint64_t number(const struct elf *elf, const unsigned char *bytes, int size)
{
    uint64_t value = 0;

    for (int i = 0; i < size; i++)
        value = value << 8 | bytes[elf->is_big_endian ? i : size - 1 - i];
    return value;
}

/* The number in a member of a header, by the offsets that it has for 32 and for 64 bits. */
#define MEMBER(elf, bytes, type, member)                                                           \
    ((elf)->bits == 64 ? number(elf, (bytes) + offsetof(Elf64_##type, member),                     \
                                sizeof((Elf64_##type *)0)->member)                                 \
                       : number(elf, (bytes) + offsetof(Elf32_##type, member),                     \
                                sizeof((Elf32_##type *)0)->member))

/* Returns how many bytes there are, of those that were asked for. */
static size_t read_at(int fd, void *buffer, uint64_t size, uint64_t offset)
{
    size_t done = 0;

    if (offset > INT64_MAX - size)
        return 0;
    while (done < size) {
        ssize_t got = pread(fd, (char *)buffer + done, size - done, (off_t)(offset + done));
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return done;
}

static size_t read_segment(const struct file *file, const struct segment *segment, void *buffer,
                           size_t most)
{
    return read_at(file->fd, buffer, segment->size < most ? segment->size : most, segment->offset);
}

static bool read_interpreter(struct elf *elf, const struct file *file,
                             const struct segment *segment)
{
    size_t size = segment->size;

    /* As the kernel wants it (load_elf_binary). */
    if (size < 2 || size > sizeof elf->interpreter ||
        read_segment(file, segment, elf->interpreter, sizeof elf->interpreter) != size ||
        elf->interpreter[size - 1] != '\0')
        return false;
    elf->has_interpreter = true;
    return true;
}

/* Type 4 of the name "Go" is the build id that the Go linker writes. */
static bool has_go_note(const struct file *file, const struct segment *segment)
{
    static unsigned char notes[MOST_NOTES];
    uint64_t size = read_segment(file, segment, notes, sizeof notes), at = 0;

    while (at + sizeof(Elf64_Nhdr) <= size) {
        uint64_t name = number(file->elf, notes + at, 4);
        uint64_t description = number(file->elf, notes + at + 4, 4);
        uint64_t type = number(file->elf, notes + at + 8, 4);

        at += sizeof(Elf64_Nhdr);
        if (type == 4 && name == 4 && at + 4 <= size && memcmp(notes + at, "Go\0", 4) == 0)
            return true;
        at += (name + 3) / 4 * 4 + (description + 3) / 4 * 4;
    }
    return false;
}

/* Go programs have this even where the note was left out. Another program can only have the same
 * bytes as a string constant, and those are in no writable segment. */
static bool has_go_build_information(const struct file *file, const struct segment *segment)
{
    static unsigned char data[MOST_DATA];
    const size_t length = sizeof go_build_information - 1;
    size_t size = read_segment(file, segment, data, sizeof data);

    for (size_t at = 0; at + length <= size; at += GO_ALIGNMENT)
        if (memcmp(data + at, go_build_information, length) == 0)
            return true;
    return false;
}

static enum elf_result read_segments(struct elf *elf, int fd, uint64_t offset, uint64_t count)
{
    static unsigned char headers[MOST_HEADERS];
    const size_t size = elf->bits == 64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    const struct file file = {.fd = fd, .elf = elf};

    if (count == 0 || count * size > sizeof headers ||
        read_at(fd, headers, count * size, offset) != count * size)
        return ELF_BROKEN;
    for (uint64_t i = 0; i < count; i++) {
        const unsigned char *header = headers + i * size;
        const struct segment segment = {
            .type = (uint32_t)MEMBER(elf, header, Phdr, p_type),
            .flags = (uint32_t)MEMBER(elf, header, Phdr, p_flags),
            .offset = MEMBER(elf, header, Phdr, p_offset),
            .size = MEMBER(elf, header, Phdr, p_filesz),
        };
        if (segment.type == PT_INTERP && !elf->has_interpreter &&
            !read_interpreter(elf, &file, &segment))
            return ELF_BROKEN;
        if (segment.type == PT_NOTE && has_go_note(&file, &segment))
            elf->is_go = true;
        if (segment.type == PT_LOAD && (segment.flags & PF_W) != 0 &&
            has_go_build_information(&file, &segment))
            elf->is_go = true;
    }
    return ELF_READ;
}

enum elf_result elf_read(struct elf *elf, int fd)
{
    unsigned char head[sizeof(Elf64_Ehdr)];
    size_t size = read_at(fd, head, sizeof head, 0);

    if (size < SELFMAG || memcmp(head, ELFMAG, SELFMAG) != 0)
        return ELF_NONE;
    *elf = (struct elf){.bits = head[EI_CLASS] == ELFCLASS64 ? 64 : 32,
                        .is_big_endian = head[EI_DATA] == ELFDATA2MSB};
    if (size < (elf->bits == 64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)) ||
        MEMBER(elf, head, Ehdr, e_phentsize) !=
            (elf->bits == 64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
        return ELF_BROKEN;
    elf->machine = (uint16_t)MEMBER(elf, head, Ehdr, e_machine);
    elf->is_shared_object = MEMBER(elf, head, Ehdr, e_type) == ET_DYN;
    return read_segments(elf, fd, MEMBER(elf, head, Ehdr, e_phoff),
                         MEMBER(elf, head, Ehdr, e_phnum));
}
