#include "trust/judge_pins.h"

#include <stdio.h>

const struct pin_scope *find_empty_scope(const struct client_policy *policy, uint32_t listener)
{
        for (size_t i = 0; i < policy->scope_count; i++) {
                const struct pin_scope *scope = &policy->scopes[i];
                if (pin_scope_holds(scope, listener) && pin_scope_count(scope) == 0)
                        return scope;
        }
        return NULL;
}

/* What one scope says of a leaf. */
struct finding {
        enum reason reason;
        enum pin_kind kind;
        struct pin_match match;
};

static bool is_better(const struct finding *now, enum pin_kind kind, const struct pin_match *match)
{
        if (now->reason != REASON_ACCEPTED)
                return true;
        /* A name before none, then a certificate pin before an SPKI pin. */
        bool has_name = now->match.name.len > 0, brings_name = match->name.len > 0;
        if (has_name != brings_name)
                return brings_name;
        return kind == PIN_CERTIFICATE && now->kind == PIN_SPKI;
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

/* Would it match if its two digests changed places? Only words the refusal (I4). */
static bool is_in_wrong_list(const struct pin_set *set, const struct verdict *v, int64_t now)
{
        struct pin_match match;
        return pin_set_find(set, PIN_SPKI, &v->leaf, now, &match) != PIN_ABSENT ||
               pin_set_find(set, PIN_CERTIFICATE, &v->spki, now, &match) != PIN_ABSENT;
}

static struct finding ask_scope(const struct pin_scope *scope, const struct verdict *v, int64_t now)
{
        struct finding finding = {.reason = REASON_NOT_PINNED};
        for (size_t i = 0; i < scope->set_count; i++) {
                look(&finding, scope->sets[i], PIN_CERTIFICATE, &v->leaf, now);
                look(&finding, scope->sets[i], PIN_SPKI, &v->spki, now);
        }
        for (size_t i = 0; i < scope->set_count && finding.reason == REASON_NOT_PINNED; i++) {
                if (is_in_wrong_list(scope->sets[i], v, now))
                        finding.reason = REASON_PIN_IN_WRONG_LIST;
        }
        return finding;
}

static void take_evidence(struct verdict *out, const struct finding *finding,
                          const struct pin_scope *scope)
{
        out->pin_kind = finding->kind;
        snprintf(out->pin_name, sizeof(out->pin_name), "%.*s", SLICE_ARG(finding->match.name));
        snprintf(out->pin_owner, sizeof(out->pin_owner), "%.*s", SLICE_ARG(finding->match.owner));
        snprintf(out->pin_source, sizeof(out->pin_source), "%.*s", SLICE_ARG(scope->source));
}

/* A name from a more specific scope stands above one from a less specific scope. */
static bool names_better(const struct finding *finding, const struct pin_scope *scope,
                         const struct verdict *out, const struct pin_scope *named_by)
{
        if (!named_by)
                return true;
        if ((finding->match.name.len > 0) != (out->pin_name[0] != '\0'))
                return finding->match.name.len > 0;
        return scope->kind > named_by->kind;
}

enum reason judge_pins(const struct judge_request *request, struct verdict *out)
{
        const struct client_policy *policy = request->policy;
        const struct pin_scope *named_by = NULL;
        for (size_t i = 0; i < policy->scope_count; i++) {
                const struct pin_scope *scope = &policy->scopes[i];
                if (!pin_scope_holds(scope, request->listener))
                        continue;
                struct finding finding = ask_scope(scope, out, request->now);
                if (finding.reason != REASON_ACCEPTED) {
                        take_evidence(out, &finding, scope);
                        snprintf(out->detail, sizeof(out->detail), "no open pin in %.*s",
                                 SLICE_ARG(scope->source));
                        return finding.reason;
                }
                if (finding.match.not_before > out->valid_from)
                        out->valid_from = finding.match.not_before;
                if (finding.match.not_after < out->valid_until)
                        out->valid_until = finding.match.not_after;
                if (names_better(&finding, scope, out, named_by)) {
                        take_evidence(out, &finding, scope);
                        named_by = scope;
                }
        }
        out->pinned = named_by != NULL;
        return REASON_ACCEPTED;
}
