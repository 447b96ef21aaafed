/* Regular expressions of routes (RegularExpression matches): PCRE2's syntax, without captures by
 * number, always over the whole value. Built by translate in the snapshot's arena, where all of it
 * lives and with which it ends; read by workers without a lock. Nothing is compiled to machine
 * code: the process never makes memory executable.
 *
 * A pattern is the operator's, a subject is anybody's: steps and memory of one match are bounded,
 * steps the more the longer the subject, since one of them may read all of it (25 ms in the worst
 * case known). A route has up to 128 of them, so the bound is low but for a few matches of one
 * request. What goes over the bound is neither yes nor no, and must not be taken for "no": the next
 * rule may be a wider one. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

enum {
        PATTERN_BYTES_MAX = 4096, /* Gateway API's longest value of a header match */
        PATTERN_STEPS_MAX = 50000,
        PATTERN_BYTE_STEPS_MAX = 64 << 20, /* steps times the subject's length */
        PATTERN_QUICK_STEPS_MAX = 1000,    /* of a match that is none of the few */
        PATTERN_QUICK_BYTE_STEPS_MAX = 1 << 20,
        PATTERN_DEEP_MAX = 8, /* the few */
        PATTERN_HEAP_KIB_MAX = 1024,
};

enum pattern_answer {
        PATTERN_DIFFERS,
        PATTERN_MATCHES,
        PATTERN_TOO_COSTLY,
};

struct pattern;

bool pattern_build(struct slice text, struct arena *arena, const struct pattern **out,
                   struct error *err);
enum pattern_answer pattern_match(const struct pattern *pattern, struct slice subject);

/* Of one request; zeroed at its start. */
struct pattern_budget {
        unsigned deep; /* matches so far that took more than the low bound */
};
enum pattern_answer pattern_match_within(const struct pattern *pattern, struct slice subject,
                                         struct pattern_budget *budget);
