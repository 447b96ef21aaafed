#include "tidy/functions.h"

static bool is_space(char c)
{
        return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool is_word(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
}

static struct slice trim_end(struct slice s)
{
        while (s.len > 0 && is_space(s.data[s.len - 1]))
                s.len--;
        return s;
}

void functions_start(struct function_walk *walk, const struct source *source, struct arena *arena)
{
        char *code = arena_text(arena, source->code);
        bool directive = false;
        struct source_line line = {0};
        for (size_t start = 0; source_next(source, &line); start = line.next) {
                directive = directive || slice_starts_with(slice_trim(line.code), SLICE("#"));
                for (size_t i = 0; directive && i < line.code.len; i++)
                        code[start + i] = ' ';
                directive = directive && slice_ends_with(line.code, SLICE("\\"));
        }
        *walk = (struct function_walk){.code = slice_from(code, source->code.len), .line = 1};
}

static char step(struct function_walk *walk)
{
        char c = walk->code.data[walk->at++];
        walk->line += c == '\n';
        return c;
}

/* Whether the brace at `at` opens an initialiser: `= {`. */
static bool opens_table(struct slice code, size_t at)
{
        struct slice before = trim_end(slice_sub(code, 0, at));
        return slice_ends_with(before, SLICE("="));
}

/* Goes on to behind the brace that closes the one just passed. Returns how many line ends the
 * initialisers in it have. */
static size_t skip_block(struct function_walk *walk)
{
        size_t depth = 1, table_depth = 0, table_line = 0, table_lines = 0;
        while (depth > 0 && walk->at < walk->code.len) {
                bool first_column = walk->code.data[walk->at - 1] == '\n';
                char c = step(walk);
                if (c == '{' && table_depth == 0 && opens_table(walk->code, walk->at - 1)) {
                        table_depth = depth;
                        table_line = walk->line;
                }
                if (c == '{')
                        depth++;
                else if (c == '}')
                        depth = first_column ? 0 : depth - 1;
                if (table_depth > 0 && depth <= table_depth) {
                        table_lines += walk->line - table_line;
                        table_depth = 0;
                }
        }
        return table_lines;
}

/* Offset of the parenthesis that the last character of `s` closes; s.len when none does. */
static size_t opening_of(struct slice s)
{
        size_t depth = 0;
        for (size_t i = s.len; i-- > 0;) {
                if (s.data[i] == ')')
                        depth++;
                else if (s.data[i] == '(' && --depth == 0)
                        return i;
        }
        return s.len;
}

static size_t parameters_in(struct slice list)
{
        size_t commas = 0, depth = 0;
        for (size_t i = 0; i < list.len; i++) {
                depth += list.data[i] == '(';
                depth -= list.data[i] == ')';
                commas += list.data[i] == ',' && depth == 1;
        }
        return commas + 1;
}

static bool has_word(struct slice s, const char *wanted)
{
        for (size_t start = 0; start < s.len;) {
                size_t end = start;
                while (end < s.len && is_word(s.data[end]))
                        end++;
                if (slice_is(slice_sub(s, start, end - start), wanted))
                        return true;
                start = end + 1;
        }
        return false;
}

static size_t lines_in(const char *from, const char *to)
{
        size_t lines = 0;
        for (; from < to; from++)
                lines += *from == '\n';
        return lines;
}

/* Fills in what stands before the brace; false when that is no function (a struct, an array). */
static bool head_read(struct slice head, size_t brace_line, struct function *out)
{
        const char *brace = head.data + head.len;
        head = trim_end(head);
        if (!slice_ends_with(head, SLICE(")")))
                return false;
        size_t open = opening_of(head);
        if (open == head.len)
                return false;
        struct slice before = trim_end(slice_sub(head, 0, open));
        size_t start = before.len;
        while (start > 0 && is_word(before.data[start - 1]))
                start--;
        out->name = slice_skip(before, start);
        if (out->name.len == 0)
                return false;
        out->line = brace_line - lines_in(out->name.data, brace);
        out->parameters = parameters_in(slice_skip(head, open));
        out->is_static = has_word(slice_sub(before, 0, start), "static");
        return true;
}

bool functions_next(struct function_walk *walk, struct function *out)
{
        size_t head_start = walk->at;
        while (walk->at < walk->code.len) {
                char c = step(walk);
                if (c == ';' || c == '}')
                        head_start = walk->at;
                if (c != '{')
                        continue;
                struct slice head = slice_sub(walk->code, head_start, walk->at - 1 - head_start);
                struct function found = {0};
                bool is_function = head_read(head, walk->line, &found);
                found.table_lines = skip_block(walk);
                if (is_function) {
                        found.lines = walk->line - found.line + 1;
                        *out = found;
                        return true;
                }
        }
        return false;
}
