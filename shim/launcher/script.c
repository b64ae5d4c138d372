/* SPDX-License-Identifier: MIT */
#include "script.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The first character from `at` to `last` that is not blank, or the one behind `last`. */
static const char *skip_blanks(const char *at, const char *last)
{
    while (at <= last && is_blank(*at))
        at++;
    return at;
}

/* The blank or the null behind a name, or the character behind `last`. */
static const char *skip_name(const char *at, const char *last)
{
    while (at <= last && !is_blank(*at) && *at != '\0')
        at++;
    return at;
}

/* Step by step as load_script() of Linux 5.1 and later. */
enum script_result script_read(struct script *script, const char line[SCRIPT_LINE])
{
    const char *const last = &line[SCRIPT_LINE - 1];
    const char *end, *name, *name_end, *argument;

    if (line[0] != '#' || line[1] != '!')
        return SCRIPT_NONE;
    end = memchr(line, '\n', SCRIPT_LINE);
    if (end == NULL) {
        end = last;
        if (skip_name(skip_blanks(line + 2, last), last) > last)
            return SCRIPT_BROKEN; /* the name may go on */
    }
    while (is_blank(end[-1]))
        end--;
    name = skip_blanks(line + 2, end);
    if (name >= end || *name == '\0')
        return SCRIPT_BROKEN;
    *script = (struct script){.has_argument = false};
    name_end = skip_name(name, end);
    if (name_end < end && *name_end != '\0') {
        argument = skip_blanks(name_end, end);
        script->has_argument = true;
        memcpy(script->argument, argument, (size_t)(end - argument));
    }
    memcpy(script->interpreter, name, (size_t)((name_end < end ? name_end : end) - name));
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
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    case '_': return ' ';
    case '#':
    case '$':
    case '"':
    case '\'':
    case '\\': return c;
    default: return '\0';
    }
}

static bool separates_words(char c)
{
    return is_blank(c) || (c >= '\n' && c <= '\r'); /* as isspace(3) */
}

/* Splits by the rules of env -S. Returns false where a word depends on a variable, or ends in a
 * mistake. */
static bool split(struct words *words, const char *text)
{
    while (*text != '\0') {
        const char *word = words->env->text + words->text_used;
        char quote = '\0';

        while (separates_words(*text))
            text++;
        if (*text == '\0' || *text == '#')
            return true;
        for (; *text != '\0' && (quote != '\0' || !separates_words(*text)); text++) {
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

/* The value of a long option NAME, which is `word`; NULL where that is another one or has no value.
 */
static const char *long_option_value(struct words *words, size_t *at, const char *word,
                                     const char *name)
{
    if (!starts_with(word, name))
        return NULL;
    word += strlen(name);
    if (*word == '=')
        return word + 1;
    return *word == '\0' ? option_value(words, at, "") : NULL;
}

static void add_unset(struct env *env, const char *name)
{
    env->unset[env->unset_count++] = name; /* each is of a word, so there is room */
}

/* One word of short options. Returns false where one is not known. */
static bool read_short_options(struct words *words, size_t *at)
{
    const char *value;

    for (const char *option = words->env->words[*at] + 1; *option != '\0'; option++) {
        switch (*option) {
        case 'i': words->env->begins_empty = true; continue;
        case 'v': continue;
        case '0': return false; /* with a command it is a mistake */
        case 'u':
            value = option_value(words, at, option + 1);
            if (value != NULL)
                add_unset(words->env, value);
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

static bool read_long_option(struct words *words, size_t *at)
{
    const char *word = words->env->words[*at], *value;

    if (strcmp(word, "--ignore-environment") == 0) {
        words->env->begins_empty = true;
        return true;
    }
    if (strcmp(word, "--debug") == 0 || starts_with(word, "--block-signal") ||
        starts_with(word, "--default-signal") || starts_with(word, "--ignore-signal") ||
        strcmp(word, "--list-signal-handling") == 0)
        return true;
    if ((value = long_option_value(words, at, word, "--unset")) != NULL) {
        add_unset(words->env, value);
        return true;
    }
    if ((value = long_option_value(words, at, word, "--chdir")) != NULL) {
        words->env->folder = value;
        return true;
    }
    if ((value = long_option_value(words, at, word, "--split-string")) != NULL &&
        splice(words, *at, value)) {
        --*at;
        return true;
    }
    return false;
}

enum env_result env_read(struct env *env, const char *const *arguments)
{
    struct words words = {.env = env};
    size_t at;

    *env = (struct env){.begins_empty = false};
    for (; *arguments != NULL; arguments++)
        add_word(&words, *arguments);
    for (at = 0; at < words.count && env->words[at][0] == '-' && env->words[at][1] != '\0'; at++) {
        const char *word = env->words[at];

        if (strcmp(word, "--") == 0) {
            at++;
            break;
        }
        if (!(word[1] == '-' ? read_long_option(&words, &at) : read_short_options(&words, &at)))
            return ENV_UNCLEAR;
    }
    if (at < words.count && strcmp(env->words[at], "-") == 0) { /* -i, and the last option */
        env->begins_empty = true;
        at++;
    }
    env->settings = env->words + at;
    for (; at < words.count && strchr(env->words[at], '=') != NULL; at++)
        env->setting_count++;
    env->words[words.count] = NULL;
    if (words.overflow)
        return ENV_UNCLEAR;
    if (at == words.count)
        return ENV_NO_COMMAND;
    env->arguments = env->words + at;
    return ENV_RUNS;
}
