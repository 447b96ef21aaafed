#include "trust/judge.h"

#include <stdio.h>

#include "base/must.h"
#include "trust/certificate.h"
#include "trust/hash.h"
#include "trust/judge_pins.h"
#include "trust/path_verify.h"

bool reason_is_soft(enum reason reason)
{
        switch (reason) {
        case REASON_NO_CERTIFICATE:
        case REASON_WEAK_KEY:
        case REASON_WEAK_SIGNATURE:
        case REASON_WRONG_USE:
        case REASON_UNTRUSTED:
        case REASON_NOT_YET_VALID:
        case REASON_EXPIRED:
        case REASON_REVOKED:
        case REASON_CRL_MISSING:
        case REASON_CRL_EXPIRED:
        case REASON_CRL_INVALID:
        case REASON_NAME_CONSTRAINED:
        case REASON_PATH_INVALID:
        case REASON_NOT_PINNED:
        case REASON_PIN_IN_WRONG_LIST:
        case REASON_PIN_OUT_OF_WINDOW:
                return true;
        default:
                return false;
        }
}

static void take_leaf(struct verdict *out, const struct chain *chain)
{
        X509 *leaf = chain->leaf;
        out->leaf = chain->leaf_digest;
        out->spki = chain->spki_digest;
        serial_text(leaf, out->serial, sizeof(out->serial));
        name_text(X509_get_subject_name(leaf), out->subject, sizeof(out->subject));
        name_text(X509_get_issuer_name(leaf), out->issuer, sizeof(out->issuer));
        asn1_time_unix(X509_get0_notBefore(leaf), &out->leaf_not_before);
        asn1_time_unix(X509_get0_notAfter(leaf), &out->leaf_not_after);
}

static enum reason refuse(struct verdict *out, enum reason reason, const char *detail)
{
        snprintf(out->detail, sizeof(out->detail), "%s", detail);
        return reason;
}

static void take_scope(struct verdict *out, const struct pin_scope *scope)
{
        snprintf(out->pin_source, sizeof(out->pin_source), "%.*s", SLICE_ARG(scope->source));
}

/* Of a port that is closed: no later than a scope says that closes it. */
static struct removal closed_removal(const struct judge_request *request)
{
        struct removal removal = removal_default();
        for (size_t i = 0; i < request->policy->scope_count; i++) {
                const struct pin_scope *scope = &request->policy->scopes[i];
                if (!scope->report_only && pin_scope_holds(scope, request->listener) &&
                    !pin_scope_is_usable(scope))
                        removal = removal_stricter(removal, scope->removal);
        }
        return removal;
}

/* Is there anything that could let anybody in? */
static enum reason judge_port(const struct judge_request *request, struct verdict *out)
{
        const struct client_policy *policy = request->policy;
        const struct pin_scope *empty;
        struct slice why;
        if (client_policy_is_closed(policy, &why)) {
                snprintf(out->detail, sizeof(out->detail), "%.*s", SLICE_ARG(why));
                out->removal = closed_removal(request);
                return REASON_PORT_NOT_USABLE;
        }
        if (!request->store)
                return refuse(out, REASON_PORT_NOT_USABLE, "no trust store");
        must(trust_store_set(request->store) == policy->cas);
        enum reason reason = client_policy_refuses_listener(policy, request->listener, &empty);
        if (empty) {
                snprintf(out->detail, sizeof(out->detail), "no usable pin in %.*s",
                         SLICE_ARG(empty->source));
                take_scope(out, empty);
                out->removal = empty->removal;
        } else if (reason != REASON_ACCEPTED) {
                refuse(out, reason, "pins are required and none are in force");
        }
        return reason;
}

static struct pin_question question_of(const struct judge_request *request,
                                       const struct pin_evidence *evidence)
{
        return (struct pin_question){.scopes = request->policy->scopes,
                                     .scope_count = request->policy->scope_count,
                                     .listener = request->listener,
                                     .evidence = evidence,
                                     .now = request->now};
}

/* Before anything else is asked of the leaf: who is denied does not come in without identity
 * either, and learns nothing more than who is not pinned. */
static enum reason judge_deny(const struct judge_request *request, struct verdict *out)
{
        struct pin_evidence evidence = verdict_evidence(out);
        struct pin_question question = question_of(request, &evidence);
        const struct pin_scope *scope = find_denying_scope(&question, &out->valid_until);
        if (!scope)
                return REASON_ACCEPTED;
        take_scope(out, scope);
        out->removal = (struct removal){.action = REMOVAL_CLOSE};
        return REASON_DENIED;
}

static void narrow(struct verdict *out, int64_t from, int64_t until)
{
        out->valid_from = from > out->valid_from ? from : out->valid_from;
        out->valid_until = until < out->valid_until ? until : out->valid_until;
}

/* The port's rules, with the use that the policies ask of this leaf. */
static struct path_rules rules_of(const struct judge_request *request, struct verdict *out)
{
        struct path_rules rules = request->policy->rules;
        struct pin_evidence evidence = verdict_evidence(out);
        struct pin_question question = question_of(request, &evidence);
        struct pin_match bounds;
        if (rules.use != USE_CLIENT_AUTH)
                return rules;
        rules.use = judge_use(&question, &bounds);
        if (rules.use != USE_CLIENT_AUTH)
                narrow(out, bounds.not_before, bounds.not_after);
        return rules;
}

static enum reason judge_leaf(const struct judge_request *request, const struct path_rules *rules,
                              struct verdict *out)
{
        char why[RULE_TEXT_SIZE];
        X509 *leaf = request->chain->leaf;
        if (rules->profile == PROFILE_CHAIN)
                return REASON_ACCEPTED;
        if (!key_floor_check(X509_get_X509_PUBKEY(leaf), why))
                return refuse(out, REASON_WEAK_KEY, why);
        if (!signature_check(leaf, why))
                return refuse(out, REASON_WEAK_SIGNATURE, why);
        enum reason use = leaf_use_check(leaf, rules->use, why);
        return use == REASON_ACCEPTED ? use : refuse(out, use, why);
}

/* Everything that a verified path depends on besides the time. */
static struct digest path_key(const struct judge_request *request, const struct path_rules *rules)
{
        const struct client_policy *policy = request->policy;
        struct hasher hasher;
        hasher_init(&hasher, "path 2");
        hasher_digest(&hasher, &request->chain->leaf_digest);
        hasher_digest(&hasher, &request->chain->others_digest);
        hasher_digest(&hasher, ca_set_digest(policy->cas));
        hasher_digest(&hasher, ca_set_crl_digest(policy->cas));
        path_rules_hash(rules, &hasher);
        return hasher_done(&hasher);
}

static enum reason judge_path(const struct judge_request *request, const struct path_rules *rules,
                              struct verdict *out)
{
        struct digest key = {{0}};
        if (request->cache) {
                key = path_key(request, rules);
                out->path_from_cache =
                        (request->before &&
                         standing_path(request->before, &key, request->now, &out->path)) ||
                        path_cache_find(request->cache, &key, request->now, &out->path);
        }
        if (!out->path_from_cache) {
                struct path_request path_request = {.store = request->store,
                                                    .chain = request->chain,
                                                    .rules = rules,
                                                    .now = request->now};
                struct path_detail detail = {out->detail, sizeof(out->detail)};
                struct path path;
                enum reason reason = path_verify(&path_request, &path, detail);
                if (reason != REASON_ACCEPTED)
                        return reason;
                out->path = path;
        }
        out->path_key = key;
        narrow(out, out->path.valid_from, out->path.valid_until);
        return REASON_ACCEPTED;
}

/* PinnedOnly, the one place where a leaf comes in without a path: it must match a leaf pin of such
 * a policy, and be valid itself. A revocation that a CA's CRL states still counts. */
static enum reason waive_path(const struct judge_request *request, enum reason reason,
                              struct verdict *out)
{
        struct pin_evidence evidence = verdict_evidence(out);
        struct pin_question question = question_of(request, &evidence);
        struct pin_match match;
        if (reason == REASON_REVOKED || reason == REASON_INTERNAL ||
            !find_waiver(&question, &match))
                return reason;
        if (request->now < out->leaf_not_before)
                return refuse(out, REASON_NOT_YET_VALID, "the certificate is not valid yet");
        if (request->now >= out->leaf_not_after)
                return refuse(out, REASON_EXPIRED, "the certificate has expired");
        out->detail[0] = '\0';
        out->path_waived = true;
        narrow(out, out->leaf_not_before, out->leaf_not_after);
        narrow(out, match.not_before, match.not_after);
        return REASON_ACCEPTED;
}

static void take_pin(struct verdict *out, const struct pin_decision *decision)
{
        const struct pin_match *match = &decision->match;
        out->pin_kind = decision->kind;
        snprintf(out->pin_name, sizeof(out->pin_name), "%.*s", SLICE_ARG(match->name));
        snprintf(out->pin_owner, sizeof(out->pin_owner), "%.*s", SLICE_ARG(match->owner));
        take_scope(out, decision->scope);
}

static enum reason judge_scopes(const struct judge_request *request, struct verdict *out)
{
        struct pin_evidence evidence = verdict_evidence(out);
        struct pin_question question = question_of(request, &evidence);
        struct pin_decision decision;
        judge_pins(&question, &decision);
        out->report_only = decision.report_only;
        if (decision.report_scope)
                snprintf(out->report_source, sizeof(out->report_source), "%.*s",
                         SLICE_ARG(decision.report_scope->source));
        if (decision.scope)
                take_pin(out, &decision);
        narrow(out, decision.valid_from, decision.valid_until);
        if (decision.reason == REASON_ACCEPTED) {
                out->pinned = decision.scope != NULL;
                return REASON_ACCEPTED;
        }
        out->removal = decision.removal;
        struct slice source = decision.scope ? decision.scope->source : SLICE_NONE;
        snprintf(out->detail, sizeof(out->detail), "%s %.*s",
                 decision.reason == REASON_DENIED ? "a deny entry matches in" : "no open pin in",
                 SLICE_ARG(source));
        return decision.reason;
}

/* Only of a path that verified, so that who is not trusted is told as that. */
static enum reason judge_names(const struct judge_request *request, struct verdict *out)
{
        const struct client_policy *policy = request->policy;
        char bears[128];
        if (policy->name_count == 0 ||
            certificate_bears_name(request->chain->leaf, policy->names, policy->name_count))
                return REASON_ACCEPTED;
        snprintf(out->detail, sizeof(out->detail), "the certificate bears %s, wants %.*s%s",
                 certificate_names_text(request->chain->leaf, bears, sizeof(bears)),
                 SLICE_ARG(policy->names[0].text),
                 policy->name_count > 1 ? " or another name of the policy" : "");
        return REASON_HOSTNAME_MISMATCH;
}

static enum reason judge_certificate(const struct judge_request *request, struct verdict *out)
{
        enum reason reason = judge_deny(request, out);
        if (reason != REASON_ACCEPTED)
                return reason;
        struct path_rules rules = rules_of(request, out);
        reason = judge_leaf(request, &rules, out);
        if (reason != REASON_ACCEPTED)
                return reason;
        reason = judge_path(request, &rules, out);
        if (reason != REASON_ACCEPTED)
                reason = waive_path(request, reason, out);
        if (reason == REASON_ACCEPTED)
                reason = judge_names(request, out);
        return reason == REASON_ACCEPTED ? judge_scopes(request, out) : reason;
}

/* A scope without pins has refused already. Who is kept all the same must not outlive its CA, nor
 * another scope, nor a denial: what else no longer holds is asked, too. */
static void judge_beside_empty_scope(const struct judge_request *request, struct verdict *out)
{
        struct verdict all = *out;
        all.removal = removal_default();
        judge_certificate(request, &all);
        out->path = all.path;
        out->path_key = all.path_key;
        out->path_from_cache = all.path_from_cache;
        out->removal = all.removal;
        out->valid_from = all.valid_from;
        out->valid_until = all.valid_until;
}

static enum reason run_gates(const struct judge_request *request, struct verdict *out)
{
        enum reason reason = judge_port(request, out);
        if (request->chain)
                take_leaf(out, request->chain);
        bool has_leaf = request->chain && request->chain->fault == REASON_ACCEPTED;
        if (reason == REASON_NO_USABLE_PIN && has_leaf)
                judge_beside_empty_scope(request, out);
        if (reason != REASON_ACCEPTED)
                return reason;
        if (!request->chain)
                return REASON_NO_CERTIFICATE;
        if (request->chain->fault != REASON_ACCEPTED)
                return refuse(out, request->chain->fault, request->chain->fault_text);
        return judge_certificate(request, out);
}

struct pin_evidence verdict_evidence(const struct verdict *verdict)
{
        size_t above = verdict->path.count > 1 ? verdict->path.count - 1 : 0;
        return (struct pin_evidence){.certificate = verdict->leaf,
                                     .spki = verdict->spki,
                                     .issuers = above ? &verdict->path.spki[1] : NULL,
                                     .issuer_count = above};
}

void judge(const struct judge_request *request, struct verdict *out)
{
        *out = (struct verdict){.reason = REASON_INTERNAL,
                                .removal = removal_default(),
                                .valid_from = INT64_MIN,
                                .valid_until = INT64_MAX};
        out->reason = run_gates(request, out);
        out->verified = out->reason == REASON_ACCEPTED;
        bool fallback = request->policy->mode == ALLOW_INSECURE_FALLBACK;
        out->admitted = out->verified || (fallback && reason_is_soft(out->reason));
}
