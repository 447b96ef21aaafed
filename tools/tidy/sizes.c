#include "tidy/rules.h"

#include "base/memory.h"
#include "tidy/functions.h"

enum {
        WALK_BYTES = 1 << 16,
};

static size_t lines_of(const struct source *source)
{
        struct source_line line = {0};
        while (source_next(source, &line))
                ;
        return line.number;
}

/* A library dictates how many parameters its callback takes; those that are not static end so. */
static bool is_callback(const struct function *function)
{
        return function->is_static || slice_ends_with(function->name, SLICE("_hook"));
}

static void function_check(const char *path, const struct function *function, bool test,
                           struct findings *findings)
{
        size_t lines = function->lines - (test ? function->table_lines : 0);
        if (lines > FUNCTION_LINES_MAX)
                findings_add(findings, path, function->line,
                             "%.*s has %zu lines (at most %d are wanted)",
                             SLICE_ARG(function->name), lines, FUNCTION_LINES_MAX);
        if (!is_callback(function) && function->parameters > FUNCTION_PARAMETERS_MAX)
                findings_add(findings, path, function->line,
                             "%.*s has %zu parameters (at most %d are wanted, or a struct)",
                             SLICE_ARG(function->name), function->parameters,
                             FUNCTION_PARAMETERS_MAX);
}

void sizes_check(const struct source *source, struct findings *findings)
{
        bool test = slice_starts_with(slice_of(source->path), SLICE("tests/"));
        bool header = !test && slice_ends_with(slice_of(source->path), SLICE(".h"));
        size_t max = header ? HEADER_LINES_MAX : FILE_LINES_MAX;
        size_t lines = lines_of(source);
        if (lines > max)
                findings_add(findings, source->path, lines,
                             "the %s has %zu lines (at most %zu are wanted)",
                             header ? "header" : "file", lines, max);

        CLEANUP(arena_done) struct arena arena;
        arena_init(&arena, WALK_BYTES);
        struct function_walk walk;
        struct function function;
        functions_start(&walk, source, &arena);
        while (functions_next(&walk, &function))
                function_check(source->path, &function, test, findings);
}
