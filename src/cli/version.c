/* `pingate version`: which build this is. The libraries' versions are those it runs with, asked of
 * themselves, as a fault report needs them. */
#include <gnu/libc-version.h>
#include <stdio.h>

#include "cli/cli.h"

int cli_version(int argc, char **argv)
{
        const struct cli_command command = {
                .name = "version",
                .summary = "Say which version this is, and of which libraries",
        };
        char **arguments;
        int exit_code;
        if (!cli_parse(&command, argc, argv, &arguments, &exit_code))
                return exit_code;
        printf("pingate %s\n", PINGATE_VERSION);
        printf("glibc %s\n", gnu_get_libc_version());
        return EXIT_OK;
}
