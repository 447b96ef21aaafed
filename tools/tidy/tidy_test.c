/* Each rule is shown a small tree that breaks it, and a twin that does not. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "base/vec.h"
#include "tidy/tidy.h"

enum {
        TEXT_MAX = 1 << 20,
};

static const char small_law[] = "base:\n"
                                "text event: base # both\n"
                                "control: base control/*\n"
                                "control/source: base\n"
                                "cli: *\n"
                                "library uv: event control/*\n"
                                "library openssl: text/pem\n";

/* A tree in a temporary folder, and what tidy said about it. */
struct fixture {
        struct arena arena;
        char root[32];
        VEC(const char *) paths; /* all that was made, in order */
        char *said;
        size_t said_len;
};

static int fixture_open(void **state)
{
        struct fixture *fixture = NEW(struct fixture);
        arena_init(&fixture->arena, 4096);
        memcpy(fixture->root, "/tmp/tidy-XXXXXX", sizeof("/tmp/tidy-XXXXXX"));
        assert_non_null(mkdtemp(fixture->root));
        *state = fixture;
        return 0;
}

static int fixture_close(void **state)
{
        struct fixture *fixture = *state;
        while (fixture->paths.count > 0)
                remove(fixture->paths.items[--fixture->paths.count]);
        rmdir(fixture->root);
        vec_done(&fixture->paths);
        arena_done(&fixture->arena);
        free(fixture->said);
        free(fixture);
        return 0;
}

static void folders_make(struct fixture *fixture, const char *path)
{
        for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                struct slice folder = arena_printf(&fixture->arena, "%s/%.*s", fixture->root,
                                                   (int)(slash - path), path);
                if (mkdir(folder.data, 0700) == 0)
                        vec_push(&fixture->paths, folder.data);
        }
}

static void put(struct fixture *fixture, const char *path, const char *text)
{
        folders_make(fixture, path);
        struct slice full = arena_printf(&fixture->arena, "%s/%s", fixture->root, path);
        FILE *file = fopen(full.data, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
        vec_push(&fixture->paths, full.data);
}

static size_t run(struct fixture *fixture, enum tidy_scope scope)
{
        free(fixture->said);
        struct findings findings = {.out = open_memstream(&fixture->said, &fixture->said_len)};
        struct error err = {.text = ""};
        bool read = tidy_run(fixture->root, scope, &findings, &err);
        fclose(findings.out);
        if (!read)
                fail_msg("%s", err.text);
        return findings.count;
}

static void assert_clean(struct fixture *fixture, enum tidy_scope scope)
{
        if (run(fixture, scope) != 0)
                fail_msg("tidy, but it said: %s", fixture->said);
}

/* One finding, and it begins like that. */
static void assert_says(struct fixture *fixture, enum tidy_scope scope, const char *wanted)
{
        size_t count = run(fixture, scope);
        if (count != 1 || strncmp(fixture->said, wanted, strlen(wanted)) != 0)
                fail_msg("wanted \"%s\", got %zu: %s", wanted, count, fixture->said);
}

/* `before`, then `line` so many times, then `after`. */
static const char *repeated(struct fixture *fixture, const char *before, size_t times,
                            const char *line, const char *after)
{
        struct buffer text;
        buffer_init(&text, TEXT_MAX);
        buffer_append(&text, slice_of(before));
        for (size_t i = 0; i < times; i++)
                buffer_append(&text, slice_of(line));
        buffer_append(&text, slice_of(after));
        const char *copy = arena_text(&fixture->arena, buffer_slice(&text));
        buffer_done(&text);
        return copy;
}

static void includes_are_held_to_layers(void **state)
{
        static const struct {
                const char *path, *text, *says; /* says NULL: allowed */
        } cases[] = {
                {"src/text/a.c", "#include \"base/b.h\"\n", NULL},
                {"src/text/a.c", "#include \"text/b.h\"\n", NULL},
                {"src/text/a.c", "\n#include \"event/b.h\"\n", "src/text/a.c:2: text must not"},
                {"src/base/a.h", "#include \"text/b.h\"\n", "src/base/a.h:1: base must not"},
                {"src/base/a.c", "#  include \"text/b.h\"\n", "src/base/a.c:1: base must not"},
                {"src/base/a.c", "/* x */ #include \"text/b.h\"\n", "src/base/a.c:1: base"},
                {"src/base/a.c", "// #include \"text/b.h\"\n", NULL},
                {"src/base/a.c", "/*\n#include \"text/b.h\"\n*/\n", NULL},
                {"src/base/a.c", "#include \"b.h\"\n", "src/base/a.c:1: \"b.h\" names no folder"},
                {"src/control/a.c", "#include \"control/source/b.h\"\n", NULL},
                {"src/control/a.c", "#include \"text/b.h\"\n", "src/control/a.c:1: control must"},
                {"src/control/source/a.c", "#include \"control/b.h\"\n",
                 "src/control/source/a.c:1"},
                {"src/main.c", "#include \"control/source/b.h\"\n", NULL},
                {"src/new/a.c", "", "src/new/a.c:1: the folder \"new\" has no line in LAYERS"},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                void *inner = NULL;
                fixture_open(&inner);
                put(inner, "LAYERS", small_law);
                put(inner, cases[i].path, cases[i].text);
                if (cases[i].says)
                        assert_says(inner, TIDY_LAYERS, cases[i].says);
                else
                        assert_clean(inner, TIDY_LAYERS);
                fixture_close(&inner);
        }
        (void)state;
}

static void libraries_stay_where_layers_keeps_them(void **state)
{
        struct fixture *fixture = *state;
        put(fixture, "LAYERS", small_law);
        put(fixture, "src/event/a.c", "#include <uv.h>\n#include <stdio.h>\n");
        put(fixture, "src/control/source/a.c", "#include <uv.h>\n");
        put(fixture, "src/text/pem.c", "#include <openssl/pem.h>\n");
        assert_clean(fixture, TIDY_LAYERS);
        put(fixture, "src/text/yaml.c", "#include <openssl/pem.h>\n");
        assert_says(fixture, TIDY_LAYERS,
                    "src/text/yaml.c:1: text must not include <openssl/pem.h>");
        put(fixture, "src/text/yaml.c", "#include <yaml.h>\n");
        assert_says(fixture, TIDY_LAYERS, "src/text/yaml.c:1: text must not include <yaml.h>");
}

static void functions_longer_than_the_limit_are_found(void **state)
{
        struct fixture *fixture = *state;
        const char *head =
                "struct s {\n};\n#define m() do { \\\n} while (0)\nstatic int f(int a)\n{\n";
        put(fixture, "LAYERS", small_law);
        put(fixture, "src/base/a.c",
            repeated(fixture, head, 67, "        if (a) { a--; }\n", "}\n"));
        assert_clean(fixture, TIDY_ALL);
        put(fixture, "src/base/a.c",
            repeated(fixture, head, 68, "        if (a) { a--; }\n", "}\n"));
        assert_says(fixture, TIDY_ALL, "src/base/a.c:5: f has 71 lines (at most 70");
}

static void tables_count_in_functions_of_the_product_only(void **state)
{
        struct fixture *fixture = *state;
        const char *text = repeated(fixture, "void f(void)\n{\n        static const int t[] = {\n",
                                    80, "                1,\n", "        };\n}\n");
        put(fixture, "LAYERS", small_law);
        put(fixture, "src/base/a.c", "int x;\n");
        put(fixture, "tests/unit/a_test.c", text);
        assert_clean(fixture, TIDY_ALL);
        put(fixture, "src/base/a.c", text);
        assert_says(fixture, TIDY_ALL, "src/base/a.c:1: f has 85 lines");
}

static void functions_that_others_call_take_five_parameters(void **state)
{
        struct fixture *fixture = *state;
        put(fixture, "LAYERS", small_law);
        put(fixture, "src/base/a.c",
            "void f(int a, int b, int c, int d, void (*e)(int, int))\n{\n}\n"
            "static void g(int a, int b, int c, int d, int e, int f)\n{\n}\n");
        assert_clean(fixture, TIDY_ALL);
        put(fixture, "src/base/a.c", "void f(int a, int b, int c, int d, int e, int f)\n{\n}\n");
        assert_says(fixture, TIDY_ALL, "src/base/a.c:1: f has 6 parameters");
}

static void files_and_headers_keep_their_maximum(void **state)
{
        struct fixture *fixture = *state;
        put(fixture, "LAYERS", small_law);
        put(fixture, "src/base/a.c", repeated(fixture, "", 600, "int a;\n", ""));
        put(fixture, "src/base/a.h", repeated(fixture, "", 120, "int a;\n", ""));
        assert_clean(fixture, TIDY_ALL);
        put(fixture, "src/base/a.c", repeated(fixture, "", 601, "int a;\n", ""));
        assert_says(fixture, TIDY_ALL, "src/base/a.c:601: the file has 601 lines");
        put(fixture, "src/base/a.c", "");
        put(fixture, "src/base/a.h", repeated(fixture, "", 121, "int a;\n", ""));
        assert_says(fixture, TIDY_ALL, "src/base/a.h:121: the header has 121 lines");
}

static void banned_calls_are_found_in_code_alone(void **state)
{
        static const char *const banned[] = {
                "strcpy", "strcat", "sprintf", "vsprintf",  "atoi",   "atol", "gets",
                "strtok", "gmtime", "alloca",  "localtime", "getenv", "rand", "SSL_set_SSL_CTX",
        };
        struct fixture *fixture = *state;
        put(fixture, "LAYERS", small_law);
        put(fixture, "src/base/a.c",
            "/* strcpy(a, b) */ // gets(c)\n"
            "char *a = \"strcpy(\\\"a\\\", b)\", b = '\\'';\n"
            "int c = snprintf(0, 0, 0), fgets_count, my_strcpy, strcpy_s;\n");
        assert_clean(fixture, TIDY_ALL);
        for (size_t i = 0; i < COUNT_OF(banned); i++) {
                struct slice text =
                        arena_printf(&fixture->arena, "/* */\nint a = %s (1);\n", banned[i]);
                struct slice says =
                        arena_printf(&fixture->arena, "src/base/a.c:2: %s is banned", banned[i]);
                put(fixture, "src/base/a.c", text.data);
                assert_says(fixture, TIDY_ALL, says.data);
        }
}

static void a_test_may_read_its_environment(void **state)
{
        struct fixture *fixture = *state;
        put(fixture, "LAYERS", small_law);
        put(fixture, "src/base/a.c", "int a;\n");
        put(fixture, "tests/unit/a_test.c", "char *a = getenv(x);\n");
        assert_clean(fixture, TIDY_ALL);
        put(fixture, "tools/a.c", "int a = atoi(x);\n");
        assert_says(fixture, TIDY_ALL, "tools/a.c:1: atoi is banned");
}

static void lines_have_no_tabs_no_loose_ends_and_a_width(void **state)
{
        struct fixture *fixture = *state;
        put(fixture, "LAYERS", small_law);
        put(fixture, "src/base/a.c", repeated(fixture, "//", 118, "\xc3\xa9", "\n"));
        assert_clean(fixture, TIDY_ALL);
        put(fixture, "src/base/a.c", repeated(fixture, "//", 119, "\xc3\xa9", "\n"));
        assert_says(fixture, TIDY_ALL, "src/base/a.c:1: 121 columns");
        put(fixture, "src/base/a.c", "int a;\n\tint b;\n");
        assert_says(fixture, TIDY_ALL, "src/base/a.c:2: a tab");
        put(fixture, "src/base/a.c", "int a; \n");
        assert_says(fixture, TIDY_ALL, "src/base/a.c:1: blanks");
}

static void the_build_looks_at_layers_alone(void **state)
{
        struct fixture *fixture = *state;
        put(fixture, "LAYERS", small_law);
        put(fixture, "src/base/a.c", "\tint a = rand(); \n");
        assert_clean(fixture, TIDY_LAYERS);
        assert_int_equal(run(fixture, TIDY_ALL), 3);
}

static void a_tree_without_law_or_sources_is_an_error_not_tidy(void **state)
{
        struct fixture *fixture = *state;
        struct findings findings = {.out = stderr};
        struct error err;
        assert_false(tidy_run(fixture->root, TIDY_ALL, &findings, &err));
        put(fixture, "LAYERS", small_law);
        assert_false(tidy_run(fixture->root, TIDY_ALL, &findings, &err));
        put(fixture, "src/base/a.c", "int a;\n");
        assert_true(tidy_run(fixture->root, TIDY_ALL, &findings, &err));
        put(fixture, "LAYERS", "base\n");
        assert_false(tidy_run(fixture->root, TIDY_ALL, &findings, &err));
        assert_non_null(strstr(err.text, "LAYERS:1: no colon"));
}

static void an_unchanged_stamp_keeps_its_time(void **state)
{
        struct fixture *fixture = *state;
        struct error err;
        struct stat before, after;
        const struct timespec past[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
        put(fixture, "stamp.h", "old\n");
        const char *path = fixture->paths.items[fixture->paths.count - 1];
        assert_true(tidy_stamp(path, &err));
        assert_int_equal(utimensat(AT_FDCWD, path, past, 0), 0);
        assert_int_equal(stat(path, &before), 0);
        assert_true(tidy_stamp(path, &err));
        assert_int_equal(stat(path, &after), 0);
        assert_int_equal(before.st_mtim.tv_sec, 1000);
        assert_int_equal(after.st_mtim.tv_sec, 1000);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_open, fixture_close)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(includes_are_held_to_layers),
                WITH_FIXTURE(libraries_stay_where_layers_keeps_them),
                WITH_FIXTURE(functions_longer_than_the_limit_are_found),
                WITH_FIXTURE(tables_count_in_functions_of_the_product_only),
                WITH_FIXTURE(functions_that_others_call_take_five_parameters),
                WITH_FIXTURE(files_and_headers_keep_their_maximum),
                WITH_FIXTURE(banned_calls_are_found_in_code_alone),
                WITH_FIXTURE(a_test_may_read_its_environment),
                WITH_FIXTURE(lines_have_no_tabs_no_loose_ends_and_a_width),
                WITH_FIXTURE(the_build_looks_at_layers_alone),
                WITH_FIXTURE(a_tree_without_law_or_sources_is_an_error_not_tidy),
                WITH_FIXTURE(an_unchanged_stamp_keeps_its_time),
        };
        return cmocka_run_group_tests_name("tidy", tests, NULL, NULL);
}
