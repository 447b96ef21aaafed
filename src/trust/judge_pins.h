/* The pins: is the client pinned in every scope that holds, and denied in none? Used by the judge
 * for the scopes of a port and by judge_request_pins for those of a route and its rule. Internal to
 * trust/. */
#pragma once

#include "trust/judge.h"

/* Scopes, and the listener they are asked for. */
struct pin_question {
        const struct pin_scope *scopes;
        size_t scope_count;
        uint32_t listener;
        const struct pin_evidence *evidence;
        int64_t now;
};

/* The scope in force that denies the client, or NULL; *opens_at: when the next deny entry for it
 * opens. Looks at what the evidence has: before a path verified, at the leaf alone. */
const struct pin_scope *find_denying_scope(const struct pin_question *question, int64_t *opens_at);
/* The scope of trust PinnedOnly that a leaf pin of waives the CA for; NULL: none. *match is the
 * pin.
 */
const struct pin_scope *find_waiver(const struct pin_question *question, struct pin_match *match);
/* What the extendedKeyUsage must list: the strictest that any policy in force asks of this leaf.
 * *bounds: the windows of the pins that relaxed it. */
enum key_use judge_use(const struct pin_question *question, struct pin_match *bounds);
/* Every scope is asked, so that `removal` is the strictest of those that refuse. */
void judge_pins(const struct pin_question *question, struct pin_decision *out);
