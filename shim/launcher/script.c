/* SPDX-License-Identifier: MIT */
#include "script.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

enum script_result script_read(struct script *script, const char *head, size_t size)
{
    const char *line = head + 2, *end, *limit = head + (size < SCRIPT_LINE ? size : SCRIPT_LINE);
    const char *name, *name_end;

    if (size < 2 || head[0] != '#' || head[1] != '!')
        return SCRIPT_NONE;
    end = memchr(line, '\n', (size_t)(limit - line));
    if (end == NULL)
        end = limit;
    for (name = line; name < end && is_blank(*name); name++)
        ;
    for (name_end = name; name_end < end && !is_blank(*name_end) && *name_end != '\0'; name_end++)
        ;
    /* If the name goes on beyond what the kernel reads, it does not run it (load_script). */
    if (name == name_end || (name_end == limit && size >= SCRIPT_LINE))
        return SCRIPT_BROKEN;
    while (end > name_end && (is_blank(end[-1]) || end[-1] == '\0'))
        end--;
    *script = (struct script){0};
    memcpy(script->interpreter, name, (size_t)(name_end - name));
    for (name = name_end; name < end && is_blank(*name); name++)
        ;
    memcpy(script->argument, name, (size_t)(end - name));
    return SCRIPT_READ;
}

/* The words of one command line of env: as given, with split strings in their places. */
struct words {
    struct env *env;
    size_t count, text_used;
    bool overflow;
};

static void add_word(struct words *words, const char *word)
{
    if (words->count + 1 >= ENV_WORDS) {
        words->overflow = true;
        return;
    }
    words->env->words[words->count++] = word;
    words->env->words[words->count] = NULL;
}

static void put_char(struct words *words, char c)
{
    if (words->text_used + 1 >= sizeof words->env->text)
        words->overflow = true;
    else
        words->env->text[words->text_used++] = c;
}

/* What a backslash and this character stand for; 0 where that is something special. */
static char unescaped(char c)
{
    switch (c) {
    case 't': return '\t';
    case 'n': return '\n';
    case '_': return ' ';
    case '#':
    case '$':
    case '"':
    case '\'':
    case '\\': return c;
    default: return '\0';
    }
}

/* Splits by the rules of env -S. Returns false where a word depends on a variable, or ends in a
 * mistake. */
static bool split(struct words *words, const char *text)
{
    while (*text != '\0') {
        const char *word = words->env->text + words->text_used;
        char quote = '\0';

        while (is_blank(*text) || *text == '\n')
            text++;
        if (*text == '\0' || *text == '#')
            return true;
        for (; *text != '\0' && (quote != '\0' || (!is_blank(*text) && *text != '\n')); text++) {
            if (quote != '\'' && *text == '$')
                return false;
            if (*text == quote)
                quote = '\0';
            else if (quote == '\0' && (*text == '\'' || *text == '"'))
                quote = *text;
            else if (*text == '\\' && (quote != '\'' || text[1] == '\\' || text[1] == '\'')) {
                char c = unescaped(*++text);
                if (c == '\0' || (c == ' ' && quote == '\0'))
                    return false;
                put_char(words, c);
            } else
                put_char(words, *text);
        }
        if (quote != '\0')
            return false;
        put_char(words, '\0');
        add_word(words, word);
    }
    return true;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Replaces words->env->words[at] by the words of `text`. */
static bool splice(struct words *words, size_t at, const char *text)
{
    const char *rest[ENV_WORDS];
    size_t rest_count = words->count - at - 1;

    memcpy(rest, words->env->words + at + 1, rest_count * sizeof *rest);
    words->count = at;
    words->env->words[at] = NULL;
    if (!split(words, text))
        return false;
    for (size_t i = 0; i < rest_count; i++)
        add_word(words, rest[i]);
    return !words->overflow;
}

/* The value of an option that has to have one: the rest of its word, or the next word. */
static const char *option_value(struct words *words, size_t *at, const char *rest)
{
    if (*rest != '\0')
        return rest;
    if (*at + 1 < words->count)
        return words->env->words[++*at];
    return NULL;
}

/* The value of a long option NAME, NULL where it is another one or has no value. */
static const char *long_option_value(struct words *words, size_t *at, const char *name)
{
    const char *word = words->env->words[*at];

    if (!starts_with(word, name))
        return NULL;
    word += strlen(name);
    if (*word == '=')
        return word + 1;
    return *word == '\0' ? option_value(words, at, "") : NULL;
}

static bool is_assignment_of(const char *word, const char *name)
{
    return starts_with(word, name) && word[strlen(name)] == '=';
}

/* One word of short options. Returns false where one is not known. */
static bool read_short_options(struct words *words, size_t *at, bool *drops)
{
    const char *value;

    for (const char *option = words->env->words[*at] + 1; *option != '\0'; option++) {
        switch (*option) {
        case 'i': *drops = true; continue;
        case 'v': continue;
        case '0': return false; /* with a command it is a mistake */
        case 'u':
            value = option_value(words, at, option + 1);
            *drops = *drops || (value != NULL && strcmp(value, "LD_PRELOAD") == 0);
            return value != NULL;
        case 'C':
            value = option_value(words, at, option + 1);
            words->env->folder = value;
            return value != NULL;
        case 'S':
            value = option_value(words, at, option + 1);
            if (value == NULL || !splice(words, *at, value))
                return false;
            --*at; /* the first of the new words is the next to be read */
            return true;
        default: return false;
        }
    }
    return true;
}

static bool read_long_option(struct words *words, size_t *at, bool *drops)
{
    const char *word = words->env->words[*at], *value;

    if (strcmp(word, "--ignore-environment") == 0) {
        *drops = true;
        return true;
    }
    if (strcmp(word, "--debug") == 0 || starts_with(word, "--block-signal") ||
        starts_with(word, "--default-signal") || starts_with(word, "--ignore-signal") ||
        strcmp(word, "--list-signal-handling") == 0)
        return true;
    if ((value = long_option_value(words, at, "--unset")) != NULL) {
        *drops = *drops || strcmp(value, "LD_PRELOAD") == 0;
        return true;
    }
    if ((value = long_option_value(words, at, "--chdir")) != NULL) {
        words->env->folder = value;
        return true;
    }
    if ((value = long_option_value(words, at, "--split-string")) != NULL &&
        splice(words, *at, value)) {
        --*at;
        return true;
    }
    return false;
}

enum env_result env_read(struct env *env, const char *const *arguments)
{
    struct words words = {.env = env};
    bool drops = false;
    size_t at;

    *env = (struct env){0};
    for (; *arguments != NULL; arguments++)
        add_word(&words, *arguments);
    for (at = 0; at < words.count && env->words[at][0] == '-'; at++) {
        const char *word = env->words[at];

        if (strcmp(word, "--") == 0) {
            at++;
            break;
        }
        if (word[1] == '\0')
            drops = true; /* a lone - is -i */
        else if (!(word[1] == '-' ? read_long_option(&words, &at, &drops)
                                  : read_short_options(&words, &at, &drops)))
            return ENV_UNCLEAR;
    }
    for (; at < words.count && strchr(env->words[at], '=') != NULL; at++) {
        if (is_assignment_of(env->words[at], "LD_PRELOAD"))
            drops = true;
        if (is_assignment_of(env->words[at], "PATH"))
            env->path = env->words[at] + strlen("PATH=");
    }
    if (words.overflow)
        return ENV_UNCLEAR;
    if (at == words.count)
        return ENV_NO_COMMAND;
    env->command = env->words[at];
    env->arguments = env->words + at;
    return drops ? ENV_DROPS : ENV_RUNS;
}
