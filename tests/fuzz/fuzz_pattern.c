#include "fuzz.h"

#include "route/pattern.h"

static bool is_literal(struct slice text)
{
        for (size_t i = 0; i < text.len; i++) {
                char c = ascii_lower(text.data[i]);
                if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '/' && c != '-')
                        return false;
        }
        return true;
}

/* A pattern, a line end, and a subject: whatever they are, an answer comes in time (-timeout),
 * twice the same, and it is for the whole subject. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct slice subject = slice_from(data, size), text;
        const struct pattern *pattern;
        struct arena arena;
        struct error err;
        arena_init(&arena, 4096);
        slice_split(&subject, '\n', &text);
        if (pattern_build(text, &arena, &pattern, &err)) {
                enum pattern_answer answer = pattern_match(pattern, subject);
                must(pattern_match(pattern, subject) == answer);
                if (is_literal(text))
                        must(answer ==
                             (slice_equal(text, subject) ? PATTERN_MATCHES : PATTERN_DIFFERS));
        }
        arena_done(&arena);
        return 0;
}
