/* `pingate check`: translate without serving, and say what every object would be told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/check.h"
#include "cli/cli.h"
#include "control/source/files.h"
#include "control/translate/translate.h"

static bool form_parse(const char *text, enum check_form *form)
{
        static const char *const forms[] = {
                [CHECK_TEXT] = "text", [CHECK_JSON] = "json", [CHECK_YAML] = "yaml"};
        for (size_t i = 0; i < COUNT_OF(forms); i++)
                if (strcmp(text, forms[i]) == 0) {
                        *form = (enum check_form)i;
                        return true;
                }
        return false;
}

static int check_objects(const struct objects *objects, bool require_pinning, enum check_form form)
{
        struct translation *translation;
        struct error err;
        struct translate_request request = {.objects = objects,
                                            .generation = 1,
                                            .now = (int64_t)time(NULL),
                                            .require_pinning = require_pinning};
        if (!translate(&request, &translation, &err)) {
                cli_fail(&err);
                return EXIT_FAILED;
        }
        check_print(translation, form, stdout);
        int code = translation->good ? EXIT_OK : EXIT_FAILED;
        translation_free(translation);
        snapshot_reap();
        return code;
}

int cli_check(int argc, char **argv)
{
        struct cli_list paths = {0};
        const char *output = "text";
        bool require_pinning = false;
        const struct cli_option options[] = {
                {.name = "config",
                 .letter = 'c',
                 .value = "PATH",
                 .list = &paths,
                 .help = "file or folder of YAML or JSON; may be repeated, - is standard input"},
                {.name = "output",
                 .letter = 'o',
                 .value = "text|json|yaml",
                 .text = &output,
                 .help = "how conditions are shown; text by default"},
                {.name = "require-pinning",
                 .flag = &require_pinning,
                 .help = "as run --require-pinning"},
        };
        const struct cli_command command = {
                .name = "check",
                .summary = "Translate a configuration and show what every object would be told",
                .options = options,
                .option_count = COUNT_OF(options),
                .notes = "Exit code: 0 all is good, 1 something is not, 2 wrong usage.",
        };
        char **arguments;
        int code;
        enum check_form form;
        struct objects *objects;
        struct error err;
        if (!cli_parse(&command, argc, argv, &arguments, &code)) {
                cli_list_done(&paths);
                return code;
        }
        if (paths.count == 0)
                code = cli_usage_error("check: wants -c PATH (see `pingate check --help`)");
        else if (!form_parse(output, &form))
                code = cli_usage_error("check: -o %s: wants text, json or yaml", output);
        else if (!source_files_read(paths.items, paths.count, NULL, &objects, &err)) {
                cli_fail(&err); /* the configuration is what is asked about: 1, not 2 */
                code = EXIT_FAILED;
        } else {
                code = check_objects(objects, require_pinning, form);
                objects_unref(objects);
        }
        cli_list_done(&paths);
        return code;
}
