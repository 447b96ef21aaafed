/* The subcommand table, and nothing else. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

struct command {
        const char *name;
        int (*run)(int argc, char **argv);
        const char *summary;
};

static int help(int argc, char **argv);

static const struct command commands[] = {
        {"run", cli_run, "run the gateway"},
        {"check", cli_check, "translate a configuration and show what every object would be told"},
        {"status", cli_status, "show what a running gateway serves, and whom it refused"},
        {"demo", cli_demo, "show a gateway at work with throw-away certificates"},
        {"explain", cli_explain, "say which gate lets a certificate in or refuses it"},
        {"pin", cli_pin, "print the pins of a certificate, and which rules it would break"},
        {"learn", cli_learn, "propose pins for clients that were refused, to review"},
        {"import", cli_import, "turn Istio's and Envoy Gateway's client validation into ours"},
        {"secret", cli_secret, "print the YAML of a Secret made of PEM files"},
        {"version", cli_version, "say which version this is, and of which libraries"},
        {"help", help, "say what a command takes"},
};

static const struct command *command_find(const char *name)
{
        for (size_t i = 0; i < COUNT_OF(commands); i++)
                if (strcmp(commands[i].name, name) == 0)
                        return &commands[i];
        return NULL;
}

static void list_commands(FILE *out)
{
        fputs("usage: pingate COMMAND [OPTION]…\n\n"
              "A Kubernetes Gateway API gateway that admits only pinned client certificates.\n\n",
              out);
        for (size_t i = 0; i < COUNT_OF(commands); i++)
                fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
        fputs("\n`pingate COMMAND --help` says what a command takes.\n", out);
}

static int help(int argc, char **argv)
{
        if (argc < 2) {
                list_commands(stdout);
                return EXIT_OK;
        }
        const struct command *command = command_find(argv[1]);
        if (!command || command->run == help)
                return cli_usage_error("%s: no such command (see `pingate help`)", argv[1]);
        char option[] = "--help";
        char *words[] = {argv[1], option, NULL};
        return command->run(2, words);
}

int main(int argc, char **argv)
{
        if (argc < 2) {
                list_commands(stderr);
                return EXIT_USAGE;
        }
        if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
                return help(1, argv);
        const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
        const struct command *command = command_find(name);
        if (!command)
                return cli_usage_error("%s: no such command (see `pingate help`)", name);
        return command->run(argc - 1, argv + 1);
}
