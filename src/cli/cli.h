/* What the subcommands share: a table of options that is at once the parser and the usage text, so
 * --help is complete and can't lie; one form of error line; three exit codes. A command is
 * `int cli_x(int argc, char **argv)` with argv[0] its own name, and has a row in main.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/slice.h"

enum {
        EXIT_OK = 0,
        EXIT_FAILED = 1, /* the command ran, and the answer is no */
        EXIT_USAGE = 2,  /* the command line, or what it names, can't be used */
};

/* Texts given with an option that may be repeated; freed by cli_list_done. */
struct cli_list {
        const char **items;
        size_t count, capacity;
};

/* One row: exactly one of the destinations is set. Numbers are checked against number_max. */
struct cli_option {
        const char *name;  /* without dashes: "admin" */
        char letter;       /* 'c' for -c; 0: none */
        const char *value; /* what --help calls its value; NULL for a flag */
        const char *help;
        bool *flag;
        const char **text;
        struct cli_list *list;
        uint64_t *number;
        uint64_t number_max; /* 0: no limit */
};

struct cli_command {
        const char *name;      /* "status", "secret tls" */
        const char *summary;   /* one line, no full stop */
        const char *arguments; /* "NAME", "FILE|-"; NULL: takes none */
        size_t arguments_min, arguments_max;
        const struct cli_option *options;
        size_t option_count;
        const char *notes; /* shown last; NULL: none */
};

/* Reads argv by the table. True: go on; *arguments is the rest of argv, ending in NULL. False:
 * return *exit_code (0 after --help, 2 after a fault, which has been told). */
bool cli_parse(const struct cli_command *command, int argc, char **argv, char ***arguments,
               int *exit_code);
void cli_usage(const struct cli_command *command, bool to_stdout);
void cli_list_done(struct cli_list *list);

/* "pingate: TEXT" on standard error; returns the exit code: 2 for ERROR_USAGE and ERROR_INPUT. */
int cli_fail(const struct error *err);
int cli_usage_error(const char *format, ...) PRINTF_LIKE(1, 2);

/* Whole file, or standard input for "-", on the heap with a NUL behind; max bytes at most. */
bool cli_read_file(const char *path, size_t max, char **bytes, size_t *len, struct error *err);

#define CLI_COMMAND(name) int cli_##name(int argc, char **argv)

CLI_COMMAND(run);
CLI_COMMAND(check);
CLI_COMMAND(explain);
CLI_COMMAND(import);
CLI_COMMAND(learn);
CLI_COMMAND(pin);
CLI_COMMAND(status);
CLI_COMMAND(secret);
CLI_COMMAND(demo);
CLI_COMMAND(version);
