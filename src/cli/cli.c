#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"

enum {
        OPTIONS_MAX = 64,
        OPTION_HELP = 256, /* getopt's value for row i is OPTION_HELP + 1 + i: no character */
        HELP_COLUMN = 30,
        HELP_WIDTH = 100,
};

int cli_fail(const struct error *err)
{
        fprintf(stderr, "pingate: %s\n", err->text);
        return err->code == ERROR_USAGE || err->code == ERROR_INPUT ? EXIT_USAGE : EXIT_FAILED;
}

int cli_usage_error(const char *format, ...)
{
        va_list args;
        va_start(args, format);
        fputs("pingate: ", stderr);
        vfprintf(stderr, format, args);
        fputs("\n", stderr);
        va_end(args);
        return EXIT_USAGE;
}

/* Prints text from column `at`, broken at spaces so that lines stay within HELP_WIDTH. */
static void print_wrapped(FILE *out, const char *text, size_t at)
{
        size_t column = at;
        for (;;) {
                size_t word = strcspn(text, " ");
                if (column > HELP_COLUMN && column + 1 + word > HELP_WIDTH) {
                        fprintf(out, "\n%*s", HELP_COLUMN, "");
                        column = HELP_COLUMN;
                } else if (column > HELP_COLUMN) {
                        fputc(' ', out);
                        column++;
                }
                fprintf(out, "%.*s", (int)word, text);
                column += word;
                if (!text[word])
                        break;
                text += word + 1;
        }
        fputc('\n', out);
}

static void print_option(FILE *out, const struct cli_option *option)
{
        char left[96];
        char letter[8] = "    ";
        if (option->letter)
                snprintf(letter, sizeof(letter), "-%c, ", option->letter);
        int len = snprintf(left, sizeof(left), "  %s--%s%s%s%s", letter, option->name,
                           option->value ? " " : "", option->value ? option->value : "",
                           option->list ? "…" : "");
        must(len > 0 && (size_t)len < sizeof(left));
        /* The ellipsis is three bytes wide in UTF-8 and one on screen. */
        int wide = len - (option->list ? 2 : 0);
        if (wide + 2 > HELP_COLUMN)
                fprintf(out, "%s\n%*s", left, HELP_COLUMN, "");
        else
                fprintf(out, "%s%*s", left, HELP_COLUMN - wide, "");
        print_wrapped(out, option->help, HELP_COLUMN);
}

static void print_usage(const struct cli_command *command, FILE *out)
{
        fprintf(out, "usage: pingate %s [OPTION]…%s%s\n\n%s.\n\n", command->name,
                command->arguments ? " " : "", command->arguments ? command->arguments : "",
                command->summary);
        for (size_t i = 0; i < command->option_count; i++)
                print_option(out, &command->options[i]);
        print_option(out, &(struct cli_option){.name = "help", .letter = 'h', .help = "say this"});
        if (command->notes)
                fprintf(out, "\n%s\n", command->notes);
}

void cli_usage(const struct cli_command *command, bool to_stdout)
{
        print_usage(command, to_stdout ? stdout : stderr);
}

static void list_push(struct cli_list *list, const char *item)
{
        if (list->count == list->capacity) {
                list->capacity = list->capacity ? list->capacity * 2 : 8;
                list->items = memory_resize(list->items, list->capacity * sizeof(*list->items));
        }
        list->items[list->count++] = item;
}

void cli_list_done(struct cli_list *list)
{
        free(list->items);
        *list = (struct cli_list){0};
}

static bool take_value(const struct cli_option *option, const char *value, struct error *err)
{
        if (option->flag) {
                *option->flag = true;
        } else if (option->text) {
                *option->text = value;
        } else if (option->list) {
                list_push(option->list, value);
        } else {
                must(option->number != NULL);
                uint64_t max = option->number_max ? option->number_max : UINT64_MAX;
                if (!slice_to_u64(slice_of(value), max, option->number))
                        return error_set(err, ERROR_USAGE, "--%s: %s: not a number from 0 to %llu",
                                         option->name, value, (unsigned long long)max);
        }
        return true;
}

/* The two forms that getopt_long wants. '+' first: options end at the first argument, so that
 * "secret tls NAME --cert F" is read by a second pass; here we permute instead, as GNU does. */
static void getopt_tables(const struct cli_command *command, struct option *longs, char *letters)
{
        size_t at = 0;
        letters[at++] = ':';
        letters[at++] = 'h';
        for (size_t i = 0; i < command->option_count; i++) {
                const struct cli_option *option = &command->options[i];
                int has_value = option->value ? required_argument : no_argument;
                must((option->flag == NULL) == (option->value != NULL));
                longs[i] = (struct option){option->name, has_value, NULL, OPTION_HELP + 1 + (int)i};
                if (option->letter) {
                        letters[at++] = option->letter;
                        if (option->value)
                                letters[at++] = ':';
                }
        }
        letters[at] = '\0';
        longs[command->option_count] = (struct option){"help", no_argument, NULL, OPTION_HELP};
        longs[command->option_count + 1] = (struct option){0};
}

static const struct cli_option *option_of(const struct cli_command *command, int found)
{
        if (found > OPTION_HELP)
                return &command->options[found - OPTION_HELP - 1];
        for (size_t i = 0; i < command->option_count; i++)
                if (command->options[i].letter && command->options[i].letter == found)
                        return &command->options[i];
        return NULL;
}

static int usage_fault(const struct cli_command *command, const char *what, const char *why)
{
        return cli_usage_error("%s: %s: %s (see `pingate %s --help`)", command->name, what, why,
                               command->name);
}

static bool check_count(const struct cli_command *command, int count, char **arguments,
                        int *exit_code)
{
        if (count < 0 || (size_t)count < command->arguments_min) {
                *exit_code = usage_fault(command, command->arguments ? command->arguments : "",
                                         "missing on the command line");
                return false;
        }
        if ((size_t)count > command->arguments_max) {
                *exit_code = usage_fault(command, arguments[command->arguments_max],
                                         "one argument too many");
                return false;
        }
        return true;
}

bool cli_parse(const struct cli_command *command, int argc, char **argv, char ***arguments,
               int *exit_code)
{
        struct option longs[OPTIONS_MAX + 2];
        char letters[2 * OPTIONS_MAX + 3];
        must(command->option_count <= OPTIONS_MAX);
        getopt_tables(command, longs, letters);

        optind = 0; /* glibc: start anew, a process may parse twice */
        opterr = 0;
        struct error err;
        for (int found; (found = getopt_long(argc, argv, letters, longs, NULL)) != -1;) {
                if (found == 'h' || found == OPTION_HELP) {
                        cli_usage(command, true);
                        *exit_code = EXIT_OK;
                        return false;
                }
                if (found == '?' || found == ':') {
                        *exit_code = usage_fault(command, argv[optind - 1],
                                                 found == ':' ? "wants a value" : "no such option");
                        return false;
                }
                const struct cli_option *option = option_of(command, found);
                must(option != NULL);
                if (!take_value(option, optarg, &err)) {
                        *exit_code = cli_fail(&err);
                        return false;
                }
        }
        *arguments = argv + optind;
        return check_count(command, argc - optind, *arguments, exit_code);
}

static bool read_all(int fd, size_t max, struct slice *out, struct error *err)
{
        size_t len = 0, room = 4096;
        char *bytes = memory_new(room);
        for (;;) {
                if (len + 1 == room)
                        bytes = memory_resize(bytes, room *= 2);
                ssize_t got = read(fd, bytes + len, room - len - 1);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0 || (len += (size_t)got) > max) {
                        bytes[len] = '\0';
                        *out = slice_from(bytes, len);
                        if (got == 0)
                                return true;
                        free(bytes);
                        return got < 0 ? error_set_errno(err, "can't be read")
                                       : error_set(err, ERROR_LIMIT, "longer than %zu bytes", max);
                }
        }
}

bool cli_read_file(const char *path, size_t max, char **bytes, size_t *len, struct error *err)
{
        bool is_stdin = strcmp(path, "-") == 0;
        int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return error_set_errno(err, "%s: can't be opened", path);
        struct slice all;
        bool ok = read_all(fd, max, &all, err);
        if (!is_stdin)
                close(fd);
        if (!ok)
                return error_wrap(err, "%s", path);
        *bytes = (char *)all.data;
        *len = all.len;
        return true;
}
