/* SPDX-License-Identifier: MIT */
#include "wrapper.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char empties[] = "it empties the environment";
static const char empties_at_login[] = "a login empties the environment";
static const char of_its_own[] = "the service manager starts it, with an environment of its own";
static const char has_another_root[] = "it finds the library only where the new root has it, too";
#define AFTER(how) "Put noselfconn after it: " how
#define THERE(how) "Install it there, and put noselfconn after it: " how

static const struct wrapper wrappers[] = {
    {"sudo", NULL, NULL, false, empties, AFTER("sudo noselfconn COMMAND")},
    {"doas", NULL, NULL, false, empties, AFTER("doas noselfconn COMMAND")},
    {"pkexec", NULL, NULL, false, empties, AFTER("pkexec noselfconn COMMAND")},
    {"su", "- -l --login", "cgGsw", false, empties_at_login,
     AFTER("su - USER -c 'noselfconn COMMAND'")},
    {"runuser", "- -l --login", "cgGsuw", false, empties_at_login,
     AFTER("runuser - USER -c 'noselfconn COMMAND'")},
    {"setpriv", "--reset-env", "", false, "--reset-env empties the environment",
     AFTER("setpriv ... noselfconn COMMAND")},
    {"systemd-run", NULL, NULL, false, of_its_own, AFTER("systemd-run ... noselfconn COMMAND")},
    {"run0", NULL, NULL, false, of_its_own, AFTER("run0 noselfconn COMMAND")},
    {"chroot", NULL, NULL, true, has_another_root, THERE("chroot FOLDER noselfconn COMMAND")},
    {"bwrap", NULL, NULL, true, has_another_root, THERE("bwrap ... noselfconn COMMAND")},
    {"firejail", NULL, NULL, true, has_another_root, THERE("firejail ... noselfconn COMMAND")},
    {"unshare", "-R --root", "muinpUCTwSGl", true, has_another_root,
     THERE("unshare ... noselfconn COMMAND")},
    {"nsenter", "-m --mount -r --root -a --all", "tuinpCUTSGwW", true, has_another_root,
     THERE("nsenter ... noselfconn COMMAND")},
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* Whether `word` is one of those in a list that is separated by spaces. */
static bool is_one_of(const char *word, const char *list)
{
    size_t length = strlen(word);

    while (*list != '\0') {
        size_t size = strcspn(list, " ");
        if (size == length && memcmp(list, word, size) == 0)
            return true;
        list += size;
        list += *list == ' ';
    }
    return false;
}

/* Whether a letter of a word "-abc" is such an option. What follows a letter of `valued` is its
 * value. */
static bool has_letter(const char *word, const char *options, const char *valued)
{
    while (*++word != '\0') {
        const char option[] = {'-', *word, '\0'};

        if (is_one_of(option, options))
            return true;
        if (strchr(valued, *word) != NULL)
            return false;
    }
    return false;
}

/* Whether a word "--name" or "--name=value" is such an option: a beginning of its name will do, as
 * for getopt_long(3). */
static bool has_name(const char *word, const char *options)
{
    size_t length = strcspn(word, "=");

    for (; options != NULL; options = strchr(options + 1, '-'))
        if (strncmp(options, word, length) == 0)
            return true;
    return false;
}

/* The words of the command that it starts are not told from its own. Where one of those looks like
 * such an option, the answer errs on the side of not running it. */
static bool has_option(const struct wrapper *wrapper, const char *const *arguments)
{
    while (*++arguments != NULL && strcmp(*arguments, "--") != 0) {
        const char *word = *arguments;

        if (is_one_of(word, wrapper->options) ||
            (strncmp(word, "--", 2) == 0
                 ? has_name(word, wrapper->options)
                 : word[0] == '-' && has_letter(word, wrapper->options, wrapper->valued)))
            return true;
    }
    return false;
}

const struct wrapper *wrapper_find(const char *path, const char *const *arguments)
{
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++)
        if (strcmp(base_name(path), wrappers[i].name) == 0 &&
            (wrappers[i].options == NULL || has_option(&wrappers[i], arguments)))
            return &wrappers[i];
    return NULL;
}

bool wrapper_is_env(const char *path)
{
    return strcmp(base_name(path), "env") == 0;
}

bool wrapper_is_loader(const char *path)
{
    const char *name = base_name(path);

    return strncmp(name, "ld", 2) == 0 && strstr(name, ".so") != NULL;
}

bool wrapper_is_many(const char *path)
{
    return is_one_of(base_name(path), "busybox toybox");
}

bool wrapper_is_static(const char *path)
{
    return is_one_of(base_name(path), "busybox toybox gosu su-exec tini-static dumb-init");
}

/* One entry of binfmt_misc (Documentation/admin-guide/binfmt-misc.rst in Linux). */
struct binfmt {
    bool is_enabled;
    size_t offset, size, mask_size;
    unsigned char magic[SCRIPT_LINE], mask[SCRIPT_LINE];
    char extension[64];
};

static size_t read_hexadecimal(unsigned char *bytes, size_t most, const char *text)
{
    size_t size = 0;
    unsigned value;

    for (; size < most && sscanf(text, "%2x", &value) == 1; text += 2)
        bytes[size++] = (unsigned char)value;
    return size;
}

static bool read_binfmt(struct binfmt *format, const char *name)
{
    char path[512], line[4 * SCRIPT_LINE];
    FILE *file;

    snprintf(path, sizeof path, "/proc/sys/fs/binfmt_misc/%s", name);
    *format = (struct binfmt){.is_enabled = false};
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "enabled") == 0)
            format->is_enabled = true;
        else if (strncmp(line, "offset ", 7) == 0)
            format->offset = strtoul(line + 7, NULL, 10);
        else if (strncmp(line, "magic ", 6) == 0)
            format->size = read_hexadecimal(format->magic, sizeof format->magic, line + 6);
        else if (strncmp(line, "mask ", 5) == 0)
            format->mask_size = read_hexadecimal(format->mask, sizeof format->mask, line + 5);
        else if (strncmp(line, "extension .", 11) == 0)
            snprintf(format->extension, sizeof format->extension, "%.60s", line + 10);
    }
    if (file != NULL)
        fclose(file);
    return format->is_enabled;
}

static bool has_magic(const struct binfmt *format, const char head[SCRIPT_LINE])
{
    if (format->size == 0 || format->offset > SCRIPT_LINE - format->size)
        return false;
    for (size_t i = 0; i < format->size; i++) {
        unsigned char mask = i < format->mask_size ? format->mask[i] : 0xff;
        if ((((unsigned char)head[format->offset + i] ^ format->magic[i]) & mask) != 0)
            return false;
    }
    return true;
}

static bool has_extension(const struct binfmt *format, const char *path)
{
    const char *dot = strrchr(base_name(path), '.');

    return format->extension[0] != '\0' && dot != NULL && strcmp(dot, format->extension) == 0;
}

bool wrapper_has_binfmt(const char *path, const char head[SCRIPT_LINE])
{
    DIR *folder = opendir("/proc/sys/fs/binfmt_misc"); /* open until exec */
    const struct dirent *entry;
    struct binfmt format;
    bool found = false;

    while (folder != NULL && !found && (entry = readdir(folder)) != NULL)
        found = entry->d_name[0] != '.' && strcmp(entry->d_name, "register") != 0 &&
                strcmp(entry->d_name, "status") != 0 && read_binfmt(&format, entry->d_name) &&
                (has_magic(&format, head) || has_extension(&format, path));
    return found;
}
