#include "trust/judge_pins.h"

/* What one scope says of a client. */
struct finding {
        enum reason reason;
        enum pin_kind kind;
        struct pin_match match;
};

static const int kind_rank[PIN_KIND_COUNT] = {
        [PIN_ISSUER] = 0, [PIN_SPKI] = 1, [PIN_CERTIFICATE] = 2};

static bool is_better(const struct finding *now, enum pin_kind kind, const struct pin_match *match)
{
        if (now->reason != REASON_ACCEPTED)
                return true;
        /* A name before none, then the more exact kind of pin. */
        bool has_name = now->match.name.len > 0, brings_name = match->name.len > 0;
        if (has_name != brings_name)
                return brings_name;
        return kind_rank[kind] > kind_rank[now->kind];
}

static void look(struct finding *finding, const struct pin_set *set, enum pin_kind kind,
                 const struct digest *digest, int64_t now)
{
        struct pin_match match;
        switch (pin_set_find(set, kind, digest, now, &match)) {
        case PIN_OPEN:
                if (is_better(finding, kind, &match))
                        *finding = (struct finding){REASON_ACCEPTED, kind, match};
                break;
        case PIN_CLOSED:
                if (finding->reason != REASON_ACCEPTED)
                        *finding = (struct finding){REASON_PIN_OUT_OF_WINDOW, kind, match};
                break;
        case PIN_ABSENT:
                break;
        }
}

/* The leaf's own pins only: what relaxes a rule must name the client itself. */
static void look_at_leaf(struct finding *finding, const struct pin_scope *scope,
                         const struct pin_question *question)
{
        for (size_t i = 0; i < scope->set_count; i++) {
                look(finding, scope->sets[i], PIN_CERTIFICATE, &question->evidence->certificate,
                     question->now);
                look(finding, scope->sets[i], PIN_SPKI, &question->evidence->spki, question->now);
        }
}

static void look_at_issuers(struct finding *finding, const struct pin_scope *scope,
                            const struct pin_question *question)
{
        const struct pin_evidence *evidence = question->evidence;
        for (size_t i = 0; i < scope->set_count; i++)
                for (size_t k = 0; k < evidence->issuer_count; k++)
                        look(finding, scope->sets[i], PIN_ISSUER, &evidence->issuers[k],
                             question->now);
}

static bool has(const struct pin_set *set, enum pin_kind kind, const struct digest *digest)
{
        struct pin_match match;
        return pin_set_find(set, kind, digest, 0, &match) != PIN_ABSENT;
}

/* Would it match if the lists changed places? Only words the refusal (I4). */
static bool is_in_wrong_list(const struct pin_set *set, const struct pin_evidence *evidence)
{
        bool wrong = has(set, PIN_SPKI, &evidence->certificate) ||
                     has(set, PIN_CERTIFICATE, &evidence->spki) ||
                     has(set, PIN_ISSUER, &evidence->spki);
        for (size_t i = 0; i < evidence->issuer_count; i++)
                wrong = wrong || has(set, PIN_SPKI, &evidence->issuers[i]);
        return wrong;
}

static struct finding ask_scope(const struct pin_scope *scope, const struct pin_question *question)
{
        struct finding finding = {.reason = REASON_NOT_PINNED};
        if (!pin_scope_is_usable(scope)) {
                finding.reason = REASON_NO_USABLE_PIN;
                return finding;
        }
        look_at_leaf(&finding, scope, question);
        look_at_issuers(&finding, scope, question);
        for (size_t i = 0; i < scope->set_count && finding.reason == REASON_NOT_PINNED; i++) {
                if (is_in_wrong_list(scope->sets[i], question->evidence))
                        finding.reason = REASON_PIN_IN_WRONG_LIST;
        }
        return finding;
}

/* --- deny --- */

/* Open now, or when it will be; a deny entry that opens must end what it let pass before. */
static bool deny_matches(const struct pin_set *deny, enum pin_kind kind,
                         const struct digest *digest, int64_t now, int64_t *opens_at)
{
        struct pin_match match;
        switch (pin_set_find(deny, kind, digest, now, &match)) {
        case PIN_OPEN:
                return true;
        case PIN_CLOSED:
                match.not_before = pin_set_opens_at(deny, kind, digest, now);
                *opens_at = match.not_before < *opens_at ? match.not_before : *opens_at;
                return false;
        case PIN_ABSENT:
                break;
        }
        return false;
}

static bool is_denied(const struct pin_scope *scope, const struct pin_question *question,
                      int64_t *opens_at)
{
        const struct pin_evidence *evidence = question->evidence;
        int64_t now = question->now;
        if (!scope->deny)
                return false;
        bool denied =
                deny_matches(scope->deny, PIN_CERTIFICATE, &evidence->certificate, now, opens_at) ||
                deny_matches(scope->deny, PIN_SPKI, &evidence->spki, now, opens_at);
        for (size_t i = 0; i < evidence->issuer_count && !denied; i++)
                denied =
                        deny_matches(scope->deny, PIN_ISSUER, &evidence->issuers[i], now, opens_at);
        return denied;
}

static bool in_force(const struct pin_scope *scope, const struct pin_question *question)
{
        return !scope->report_only && pin_scope_holds(scope, question->listener);
}

const struct pin_scope *find_denying_scope(const struct pin_question *question, int64_t *opens_at)
{
        *opens_at = PIN_ALWAYS_UNTIL;
        for (size_t i = 0; i < question->scope_count; i++) {
                const struct pin_scope *scope = &question->scopes[i];
                if (in_force(scope, question) && is_denied(scope, question, opens_at))
                        return scope;
        }
        return NULL;
}

/* --- what leaf pins can relax --- */

const struct pin_scope *find_waiver(const struct pin_question *question, struct pin_match *match)
{
        for (size_t i = 0; i < question->scope_count; i++) {
                const struct pin_scope *scope = &question->scopes[i];
                struct finding finding = {.reason = REASON_NOT_PINNED};
                if (!scope->pinned_only || !in_force(scope, question) ||
                    !pin_scope_is_usable(scope))
                        continue;
                look_at_leaf(&finding, scope, question);
                if (finding.reason != REASON_ACCEPTED)
                        continue;
                *match = finding.match;
                return scope;
        }
        return NULL;
}

static void bounds_narrow(struct pin_match *bounds, const struct pin_match *match)
{
        if (match->not_before > bounds->not_before)
                bounds->not_before = match->not_before;
        if (match->not_after < bounds->not_after)
                bounds->not_after = match->not_after;
}

enum key_use judge_use(const struct pin_question *question, struct pin_match *bounds)
{
        enum key_use use = USE_ANY;
        bool asked = false;
        *bounds = (struct pin_match){.not_before = PIN_ALWAYS_FROM, .not_after = PIN_ALWAYS_UNTIL};
        for (size_t i = 0; i < question->scope_count; i++) {
                const struct pin_scope *scope = &question->scopes[i];
                struct finding finding = {.reason = REASON_NOT_PINNED};
                if (scope->kind == SCOPE_INLINE || !in_force(scope, question))
                        continue;
                asked = true;
                look_at_leaf(&finding, scope, question);
                if (scope->use == USE_CLIENT_AUTH || finding.reason != REASON_ACCEPTED)
                        return USE_CLIENT_AUTH;
                bounds_narrow(bounds, &finding.match);
                use = scope->use < use ? scope->use : use;
        }
        return asked ? use : USE_CLIENT_AUTH;
}

/* --- all scopes --- */

/* A name from a more specific scope stands above one from a less specific scope. */
static bool names_better(const struct finding *finding, const struct pin_scope *scope,
                         const struct pin_decision *out)
{
        if (!out->scope)
                return true;
        if ((finding->match.name.len > 0) != (out->match.name.len > 0))
                return finding->match.name.len > 0;
        return scope->kind > out->scope->kind;
}

static void take(struct pin_decision *out, const struct finding *finding,
                 const struct pin_scope *scope)
{
        out->scope = scope;
        out->kind = finding->kind;
        out->match = finding->match;
}

static void take_refusal(struct pin_decision *out, const struct finding *finding,
                         const struct pin_scope *scope)
{
        struct removal removal = scope->removal;
        if (finding->reason == REASON_DENIED)
                removal = (struct removal){.action = REMOVAL_CLOSE};
        bool first = out->reason == REASON_ACCEPTED;
        out->removal = first ? removal : removal_stricter(out->removal, removal);
        /* The first that refuses is the reason, but for a denial: unlike a pin that is missing it
         * keeps out of AllowInsecureFallback, too, whichever scope it stands in. */
        if (!first && (finding->reason != REASON_DENIED || out->reason == REASON_DENIED))
                return;
        out->reason = finding->reason;
        take(out, finding, scope);
}

static void take_bounds(struct pin_decision *out, const struct finding *finding)
{
        struct pin_match bounds = {.not_before = out->valid_from, .not_after = out->valid_until};
        bounds_narrow(&bounds, &finding->match);
        out->valid_from = bounds.not_before;
        out->valid_until = bounds.not_after;
}

static struct finding ask(const struct pin_scope *scope, const struct pin_question *question,
                          int64_t *opens_at)
{
        if (is_denied(scope, question, opens_at))
                return (struct finding){.reason = REASON_DENIED};
        return ask_scope(scope, question);
}

static void ask_reporting(struct pin_decision *out, const struct pin_scope *scope,
                          const struct pin_question *question)
{
        int64_t opens_at = PIN_ALWAYS_UNTIL;
        struct finding finding = ask(scope, question, &opens_at);
        if (finding.reason == REASON_ACCEPTED || out->report_only != REASON_ACCEPTED)
                return;
        out->report_only = finding.reason;
        out->report_scope = scope;
}

void judge_pins(const struct pin_question *question, struct pin_decision *out)
{
        *out = (struct pin_decision){.valid_from = PIN_ALWAYS_FROM,
                                     .valid_until = PIN_ALWAYS_UNTIL};
        for (size_t i = 0; i < question->scope_count; i++) {
                const struct pin_scope *scope = &question->scopes[i];
                int64_t opens_at = PIN_ALWAYS_UNTIL;
                if (!pin_scope_holds(scope, question->listener))
                        continue;
                if (scope->report_only) {
                        ask_reporting(out, scope, question);
                        continue;
                }
                struct finding finding = ask(scope, question, &opens_at);
                /* Also of whom pins refuse: it may be in without identity, or be kept. */
                if (opens_at < out->valid_until)
                        out->valid_until = opens_at;
                if (finding.reason != REASON_ACCEPTED)
                        take_refusal(out, &finding, scope);
                else if (out->reason == REASON_ACCEPTED) {
                        take_bounds(out, &finding);
                        if (names_better(&finding, scope, out))
                                take(out, &finding, scope);
                }
        }
}

/* --- routes and rules --- */

void judge_request_pins(const struct request_policy *policy, const struct pin_evidence *evidence,
                        int64_t now, struct pin_decision *out)
{
        struct pin_question question = {.scopes = policy->scopes,
                                        .scope_count = policy->scope_count,
                                        .listener = LISTENER_UNKNOWN,
                                        .evidence = evidence,
                                        .now = now};
        judge_pins(&question, out);
}

void refuse_unverified_request(const struct request_policy *policy, enum reason reason,
                               struct pin_decision *out)
{
        *out = (struct pin_decision){.valid_from = PIN_ALWAYS_FROM,
                                     .valid_until = PIN_ALWAYS_UNTIL};
        for (size_t i = 0; i < policy->scope_count; i++) {
                const struct pin_scope *scope = &policy->scopes[i];
                if (scope->report_only) {
                        out->report_only = reason;
                        out->report_scope = scope;
                } else if (out->reason == REASON_ACCEPTED) {
                        out->reason = reason;
                        out->scope = scope;
                }
        }
}
