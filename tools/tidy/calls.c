#include "tidy/rules.h"

#include "base/memory.h"

static const struct banned {
        const char *name;
        const char *instead;
        bool tests_may; /* tests are no product: they may read their environment */
} banned_calls[] = {
        {"strcpy", "a slice, or memcpy with a length", false},
        {"strcat", "buffer_append", false},
        {"sprintf", "snprintf or arena_printf", false},
        {"vsprintf", "vsnprintf or arena_vprintf", false},
        {"atoi", "slice_to_u64", false},
        {"atol", "slice_to_u64", false},
        {"gets", "a read with a maximum", false},
        {"strtok", "slice_split", false},
        {"gmtime", "gmtime_r", false},
        {"localtime", "localtime_r", false},
        {"alloca", "an arena", false},
        {"rand", "getrandom or RAND_bytes", false},
        {"SSL_set_SSL_CTX",
         "the certificate callback: a switched context keeps the verify mode of the first", false},
        {"getenv", "an option on the command line", true},
};

static bool is_word(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
}

static const struct banned *banned_find(struct slice word)
{
        for (size_t i = 0; i < COUNT_OF(banned_calls); i++) {
                if (slice_is(word, banned_calls[i].name))
                        return &banned_calls[i];
        }
        return NULL;
}

/* Takes the next word of code off *rest; the empty slice at the end. */
static struct slice word_next(struct slice *rest)
{
        size_t start = 0;
        while (start < rest->len && !is_word(rest->data[start]))
                start++;
        size_t end = start;
        while (end < rest->len && is_word(rest->data[end]))
                end++;
        struct slice word = slice_sub(*rest, start, end - start);
        *rest = slice_skip(*rest, end);
        return word;
}

void calls_check(const struct source *source, struct findings *findings)
{
        bool test = slice_starts_with(slice_of(source->path), SLICE("tests/"));
        struct source_line line = {0};
        while (source_next(source, &line)) {
                struct slice rest = line.code;
                for (struct slice word = word_next(&rest); word.len > 0; word = word_next(&rest)) {
                        const struct banned *banned = banned_find(word);
                        if (banned && !(test && banned->tests_may))
                                findings_add(findings, source->path, line.number,
                                             "%s is banned (%s is wanted)", banned->name,
                                             banned->instead);
                }
        }
}
