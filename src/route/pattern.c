#define PCRE2_CODE_UNIT_WIDTH 8
#include "route/pattern.h"

#include <pcre2.h>

#include "base/must.h"

struct pattern {
        const pcre2_code *code;
};

/* ---- building ---- */

static void *take(size_t size, void *arena)
{
        return arena_alloc(arena, size);
}

static void give_back(void *block, void *arena)
{
        (void)block; /* goes with the arena */
        (void)arena;
}

/* No UTF: values are octets. No \C, no numbered captures, which only back references need. */
static const uint32_t pattern_options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY |
                                        PCRE2_NEVER_UTF | PCRE2_NEVER_UCP |
                                        PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE;

bool pattern_build(struct slice text, struct arena *arena, const struct pattern **out,
                   struct error *err)
{
        pcre2_general_context *memory = pcre2_general_context_create(take, give_back, arena);
        pcre2_compile_context *rules = pcre2_compile_context_create(memory);
        int fault;
        size_t at;
        must(memory && rules);
        pcre2_set_max_pattern_length(rules, PATTERN_BYTES_MAX);
        pcre2_set_parens_nest_limit(rules, 50);
        const pcre2_code *code = pcre2_compile((PCRE2_SPTR)(text.len ? text.data : ""), text.len,
                                               pattern_options, &fault, &at, rules);
        if (!code) {
                char says[128];
                pcre2_get_error_message(fault, (PCRE2_UCHAR *)says, sizeof(says));
                return error_set(err, ERROR_INPUT, "%s, at byte %zu", says, at);
        }
        struct pattern *pattern = ARENA_NEW(arena, struct pattern);
        pattern->code = code;
        *out = pattern;
        return true;
}

/* ---- matching ---- */

static void match_data_free(pcre2_match_data **data)
{
        pcre2_match_data_free(*data);
}

static void match_context_free(pcre2_match_context **context)
{
        pcre2_match_context_free(*context);
}

static uint32_t steps_for(size_t len, uint32_t steps_max, size_t byte_steps_max)
{
        size_t steps = byte_steps_max / (len + 1);
        return steps < steps_max ? (uint32_t)steps : steps_max;
}

static int match_once(const struct pattern *pattern, struct slice subject, uint32_t steps)
{
        CLEANUP(match_data_free) pcre2_match_data *data = pcre2_match_data_create(1, NULL);
        CLEANUP(match_context_free) pcre2_match_context *limits = pcre2_match_context_create(NULL);
        if (!data || !limits)
                return PCRE2_ERROR_NOMEMORY;
        pcre2_set_match_limit(limits, steps);
        pcre2_set_heap_limit(limits, PATTERN_HEAP_KIB_MAX);
        return pcre2_match(pattern->code, (PCRE2_SPTR)(subject.len ? subject.data : ""),
                           subject.len, 0, 0, data, limits);
}

/* PCRE2 does not tell how many steps it took: what is over the low bound begins again. */
enum pattern_answer pattern_match_within(const struct pattern *pattern, struct slice subject,
                                         struct pattern_budget *budget)
{
        int got = match_once(
                pattern, subject,
                steps_for(subject.len, PATTERN_QUICK_STEPS_MAX, PATTERN_QUICK_BYTE_STEPS_MAX));
        if (got == PCRE2_ERROR_MATCHLIMIT && budget->deep < PATTERN_DEEP_MAX) {
                budget->deep++;
                got = match_once(pattern, subject,
                                 steps_for(subject.len, PATTERN_STEPS_MAX, PATTERN_BYTE_STEPS_MAX));
        }
        if (got == PCRE2_ERROR_NOMATCH)
                return PATTERN_DIFFERS;
        return got >= 0 ? PATTERN_MATCHES : PATTERN_TOO_COSTLY;
}

enum pattern_answer pattern_match(const struct pattern *pattern, struct slice subject)
{
        struct pattern_budget budget = {0};
        return pattern_match_within(pattern, subject, &budget);
}
