#include "route/conditions.h"

#include "route/query.h"

static bool header_is_repeated(const struct name_value *items, size_t at)
{
        for (size_t i = 0; i < at; i++)
                if (slice_equal_nocase(items[i].name, items[at].name))
                        return true;
        return false;
}

static bool query_is_repeated(const struct name_value *items, size_t at)
{
        for (size_t i = 0; i < at; i++)
                if (slice_equal(items[i].name, items[at].name))
                        return true;
        return false;
}

static enum pattern_answer header_holds(const struct name_value *wanted,
                                        const struct header_list *headers,
                                        struct pattern_budget *budget)
{
        const struct header *got = header_find(headers, wanted->name);
        if (!got)
                return PATTERN_DIFFERS;
        if (wanted->pattern)
                return pattern_match_within(wanted->pattern, got->value, budget);
        return slice_equal(got->value, wanted->value) ? PATTERN_MATCHES : PATTERN_DIFFERS;
}

static enum pattern_answer query_holds(const struct name_value *wanted, struct slice query,
                                       struct pattern_budget *budget)
{
        struct slice raw;
        char text[QUERY_TEXT_MAX];
        size_t len;
        if (!query_find(query, wanted->name, &raw))
                return PATTERN_DIFFERS;
        if (!wanted->pattern)
                return query_text_equal(raw, wanted->value) ? PATTERN_MATCHES : PATTERN_DIFFERS;
        if (!query_text_decode(raw, text, &len))
                return PATTERN_TOO_COSTLY;
        return pattern_match_within(wanted->pattern, slice_from(text, len), budget);
}

enum pattern_answer conditions_hold(const struct route_match *match,
                                    const struct request_head *head, struct pattern_budget *budget)
{
        enum pattern_answer answer = PATTERN_MATCHES;
        if (match->method.len > 0 && !slice_equal(match->method, head->method))
                return PATTERN_DIFFERS;
        for (size_t i = 0; i < match->header_count && answer == PATTERN_MATCHES; i++)
                if (!header_is_repeated(match->headers, i))
                        answer = header_holds(&match->headers[i], &head->headers, budget);
        for (size_t i = 0; i < match->query_count && answer == PATTERN_MATCHES; i++)
                if (!query_is_repeated(match->queries, i))
                        answer = query_holds(&match->queries[i], head->query, budget);
        return answer;
}

static uint16_t distinct(const struct name_value *items, size_t count,
                         bool (*repeated)(const struct name_value *items, size_t at))
{
        uint16_t found = 0;
        for (size_t i = 0; i < count; i++)
                found = (uint16_t)(found + !repeated(items, i));
        return found;
}

uint16_t conditions_headers(const struct route_match *match)
{
        return distinct(match->headers, match->header_count, header_is_repeated);
}

uint16_t conditions_queries(const struct route_match *match)
{
        return distinct(match->queries, match->query_count, query_is_repeated);
}
