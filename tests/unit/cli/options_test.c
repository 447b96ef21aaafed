#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "capture.h"
#include "cli/cli.h"

static struct {
        bool flag;
        const char *text;
        struct cli_list list;
        uint64_t number;
        char **arguments;
} got;

static const struct cli_option options[] = {
        {"flag", 'f', NULL, "a flag", .flag = &got.flag},
        {"text", 't', "TEXT", "a text", .text = &got.text},
        {"list", 'l', "ITEM", "may be given more than once", .list = &got.list},
        {"number", 0, "N", "a number", .number = &got.number, .number_max = 1000},
};

static int run(int argc, char **argv)
{
        const struct cli_command command = {.name = "try",
                                            .summary = "Try options",
                                            .arguments = "FILE",
                                            .arguments_min = 1,
                                            .arguments_max = 2,
                                            .options = options,
                                            .option_count = COUNT_OF(options),
                                            .notes = "A note."};
        int exit_code = 77;
        cli_list_done(&got.list);
        memset(&got, 0, sizeof(got));
        return cli_parse(&command, argc, argv, &got.arguments, &exit_code) ? EXIT_OK : exit_code;
}

static char out[8192];

static void options_are_read_by_the_table_in_any_order(void **state)
{
        (void)state;
        assert_int_equal(capture(run,
                                 WORDS("try", "a", "--text=x", "-l", "1", "-f", "--list", "2",
                                       "--number", "1000", "--", "-b"),
                                 2, out, sizeof(out)),
                         EXIT_OK);
        assert_true(got.flag);
        assert_string_equal(got.text, "x");
        assert_int_equal(got.list.count, 2);
        assert_string_equal(got.list.items[1], "2");
        assert_int_equal(got.number, 1000);
        assert_string_equal(got.arguments[0], "a");
        assert_string_equal(got.arguments[1], "-b");
        assert_null(got.arguments[2]);
        assert_string_equal(out, "");
}

static void help_names_every_option_and_goes_to_standard_output(void **state)
{
        (void)state;
        assert_int_equal(capture(run, WORDS("try", "--help"), 1, out, sizeof(out)), EXIT_OK);
        for (size_t i = 0; i < COUNT_OF(options); i++) {
                char name[32];
                snprintf(name, sizeof(name), "--%s", options[i].name);
                assert_non_null(strstr(out, name));
                assert_non_null(strstr(out, options[i].help));
        }
        assert_non_null(strstr(out, "usage: pingate try [OPTION]… FILE\n"));
        assert_non_null(strstr(out, "\nA note.\n"));
}

static void a_wrong_command_line_is_one_line_and_exit_code_2(void **state)
{
        (void)state;
        static const struct {
                char *words[5];
                const char *says;
        } rows[] = {
                {{"try"}, "try: FILE: missing on the command line"},
                {{"try", "a", "b", "c"}, "try: c: one argument too many"},
                {{"try", "a", "--what"}, "try: --what: no such option"},
                {{"try", "a", "-x"}, "try: -x: no such option"},
                {{"try", "a", "--text"}, "try: --text: wants a value"},
                {{"try", "a", "-t"}, "try: -t: wants a value"},
                {{"try", "a", "--number", "1001"}, "--number: 1001: not a number from 0 to 1000"},
                {{"try", "a", "--number", "-1"}, "--number: -1: not a number"},
                {{"try", "a", "--number", "1x"}, "--number: 1x: not a number"},
                {{"try", "a", "--flag=1"}, "try: --flag=1: "},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                char *words[6] = {0};
                memcpy(words, rows[i].words, sizeof(rows[i].words));
                assert_int_equal(capture(run, words, 2, out, sizeof(out)), EXIT_USAGE);
                if (strncmp(out, "pingate: ", 9) != 0 || !strstr(out, rows[i].says))
                        fail_msg("wanted '%s', got: %s", rows[i].says, out);
                assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
        }
}

static void a_file_is_read_whole_up_to_its_maximum(void **state)
{
        (void)state;
        char path[] = "/tmp/pingate-test-XXXXXX";
        int fd = mkstemp(path);
        static char big[10000];
        memset(big, 'x', sizeof(big));
        assert_int_equal(write(fd, big, sizeof(big)), sizeof(big));
        close(fd);
        char *bytes = NULL;
        size_t len = 0;
        struct error err = {0};
        assert_true(cli_read_file(path, sizeof(big), &bytes, &len, &err));
        assert_int_equal(len, sizeof(big));
        assert_int_equal(strlen(bytes), sizeof(big));
        free(bytes);
        assert_false(cli_read_file(path, sizeof(big) - 1, &bytes, &len, &err));
        assert_non_null(strstr(err.text, "longer than 9999 bytes"));
        unlink(path);
        assert_false(cli_read_file(path, 10, &bytes, &len, &err));
        assert_non_null(strstr(err.text, "can't be opened: No such file"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(options_are_read_by_the_table_in_any_order),
                cmocka_unit_test(help_names_every_option_and_goes_to_standard_output),
                cmocka_unit_test(a_wrong_command_line_is_one_line_and_exit_code_2),
                cmocka_unit_test(a_file_is_read_whole_up_to_its_maximum),
        };
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        cli_list_done(&got.list);
        return failed;
}
