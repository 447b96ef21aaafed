#include "tidy/rules.h"

/* Characters, not bytes: a byte that continues a UTF-8 character takes no column. */
static size_t columns_of(struct slice line)
{
        size_t columns = 0;
        for (size_t i = 0; i < line.len; i++)
                columns += ((unsigned char)line.data[i] & 0xc0) != 0x80;
        return columns;
}

static bool ends_blank(struct slice line)
{
        if (line.len == 0)
                return false;
        char last = line.data[line.len - 1];
        return last == ' ' || last == '\t' || last == '\r';
}

void lines_check(const struct source *source, struct findings *findings)
{
        bool table = slice_ends_with(slice_of(source->path), SLICE(".def"));
        struct source_line line = {0};
        while (source_next(source, &line)) {
                size_t columns = columns_of(line.text);
                if (slice_find(line.text, '\t') < line.text.len)
                        findings_add(findings, source->path, line.number,
                                     "a tab (spaces are wanted)");
                if (ends_blank(line.text))
                        findings_add(findings, source->path, line.number,
                                     "blanks at the end of the line (none are wanted)");
                if (columns > COLUMNS_MAX && !table)
                        findings_add(findings, source->path, line.number,
                                     "%zu columns (at most %d are wanted)", columns, COLUMNS_MAX);
        }
}
