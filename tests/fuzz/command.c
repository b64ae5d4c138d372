/* SPDX-License-Identifier: MIT */
/* What the launcher reads of files that anybody may have written: programs, the first lines of
 * scripts, and the command lines of env in these. */
#define _GNU_SOURCE
#include "../../shim/launcher/elf.h"
#include "../../shim/launcher/script.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

static void read_as_program(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static struct elf elf;

    if (fd < 0)
        fd = memfd_create("program", 0);
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    if (elf_read(&elf, fd) != ELF_READ)
        return;
    require(elf.bits == 32 || elf.bits == 64, "a word size");
    if (elf.has_interpreter)
        require(memchr(elf.interpreter, '\0', sizeof elf.interpreter) != NULL,
                "the interpreter's name ends");
}

static void read_as_env(const char *argument)
{
    const char *const arguments[] = {argument, "script", NULL};
    static struct env env;
    enum env_result result = env_read(&env, arguments);

    if (result == ENV_RUNS) {
        size_t count = 0;
        require(env.unset_count + env.setting_count < ENV_WORDS, "each is of a word");
        require(env.settings + env.setting_count == env.arguments, "the command comes last");
        while (env.arguments[count] != NULL)
            count += strlen(env.arguments[count]) < sizeof env.text;
        require(count <= ENV_WORDS, "the words end");
    }
}

static void read_as_script(const uint8_t *data, size_t size)
{
    struct script script;
    char line[SCRIPT_LINE] = "";

    memcpy(line, data, size < sizeof line ? size : sizeof line);
    if (script_read(&script, line) != SCRIPT_READ)
        return;
    require(script.interpreter[0] != '\0', "an interpreter has a name");
    require(strlen(script.interpreter) + strlen(script.argument) < SCRIPT_LINE, "on one line");
    read_as_env(script.argument);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t program[] = {0x7f, 'E', 'L', 'F', 2, 1}, script[] = {'#', '!'};
    uint8_t likely[4096] = {0};
    char text[512];

    read_as_program(data, size);
    read_as_script(data, size);
    /* What chance would rarely find. */
    if (size > sizeof likely - sizeof program)
        size = sizeof likely - sizeof program;
    memcpy(likely, program, sizeof program);
    memcpy(likely + sizeof program, data, size);
    read_as_program(likely, sizeof program + size);
    memcpy(likely, script, sizeof script);
    memcpy(likely + sizeof script, data, size);
    read_as_script(likely, sizeof script + size);
    snprintf(text, sizeof text, "-S%.*s", (int)size, (const char *)data);
    read_as_env(text);
    return 0;
}
