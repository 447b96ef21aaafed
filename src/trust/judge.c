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

/* Is there anything that could let anybody in? */
static enum reason judge_port(const struct judge_request *request, struct verdict *out)
{
        const struct client_policy *policy = request->policy;
        struct slice why;
        if (client_policy_is_closed(policy, &why)) {
                snprintf(out->detail, sizeof(out->detail), "%.*s", SLICE_ARG(why));
                return REASON_PORT_NOT_USABLE;
        }
        if (!request->store)
                return refuse(out, REASON_PORT_NOT_USABLE, "no trust store");
        must(trust_store_set(request->store) == policy->cas);
        const struct pin_scope *empty = find_empty_scope(policy, request->listener);
        if (empty) {
                snprintf(out->detail, sizeof(out->detail), "no usable pin in %.*s",
                         SLICE_ARG(empty->source));
                snprintf(out->pin_source, sizeof(out->pin_source), "%.*s",
                         SLICE_ARG(empty->source));
                return REASON_NO_USABLE_PIN;
        }
        return REASON_ACCEPTED;
}

static enum reason judge_leaf(const struct judge_request *request, struct verdict *out)
{
        char why[RULE_TEXT_SIZE];
        X509 *leaf = request->chain->leaf;
        if (request->policy->rules.profile == PROFILE_CHAIN)
                return REASON_ACCEPTED;
        if (!key_floor_check(X509_get_X509_PUBKEY(leaf), why))
                return refuse(out, REASON_WEAK_KEY, why);
        if (!signature_check(leaf, why))
                return refuse(out, REASON_WEAK_SIGNATURE, why);
        enum reason use = leaf_use_check(leaf, request->policy->rules.use, why);
        return use == REASON_ACCEPTED ? use : refuse(out, use, why);
}

/* Everything that a verified path depends on besides the time. */
static struct digest path_key(const struct judge_request *request)
{
        const struct client_policy *policy = request->policy;
        struct hasher hasher;
        hasher_init(&hasher, "path 1");
        hasher_digest(&hasher, &request->chain->leaf_digest);
        hasher_digest(&hasher, &request->chain->others_digest);
        hasher_digest(&hasher, ca_set_digest(policy->cas));
        hasher_digest(&hasher, ca_set_crl_digest(policy->cas));
        path_rules_hash(&policy->rules, &hasher);
        return hasher_done(&hasher);
}

static bool path_of_before(const struct judge_request *request, const struct digest *key,
                           struct path *path)
{
        const struct verdict *before = request->before;
        if (!before || before->path.count == 0 || !digest_equal(&before->path_key, key) ||
            request->now < before->path.valid_from || request->now >= before->path.valid_until)
                return false;
        *path = before->path;
        return true;
}

static enum reason judge_path(const struct judge_request *request, struct verdict *out)
{
        struct digest key = {{0}};
        if (request->cache) {
                key = path_key(request);
                out->path_from_cache =
                        path_of_before(request, &key, &out->path) ||
                        path_cache_find(request->cache, &key, request->now, &out->path);
        }
        if (!out->path_from_cache) {
                struct path_request path_request = {.store = request->store,
                                                    .chain = request->chain,
                                                    .rules = &request->policy->rules,
                                                    .now = request->now};
                struct path_detail detail = {out->detail, sizeof(out->detail)};
                struct path path;
                enum reason reason = path_verify(&path_request, &path, detail);
                if (reason != REASON_ACCEPTED)
                        return reason;
                out->path = path;
        }
        out->path_key = key;
        out->valid_from = out->path.valid_from;
        out->valid_until = out->path.valid_until;
        return REASON_ACCEPTED;
}

static enum reason run_gates(const struct judge_request *request, struct verdict *out)
{
        enum reason reason = judge_port(request, out);
        if (request->chain)
                take_leaf(out, request->chain);
        if (reason != REASON_ACCEPTED)
                return reason;
        if (!request->chain)
                return REASON_NO_CERTIFICATE;
        if (request->chain->fault != REASON_ACCEPTED)
                return refuse(out, request->chain->fault, request->chain->fault_text);
        reason = judge_leaf(request, out);
        if (reason == REASON_ACCEPTED)
                reason = judge_path(request, out);
        if (reason == REASON_ACCEPTED)
                reason = judge_pins(request, out);
        return reason;
}

void judge(const struct judge_request *request, struct verdict *out)
{
        *out = (struct verdict){
                .reason = REASON_INTERNAL, .valid_from = INT64_MIN, .valid_until = INT64_MAX};
        out->reason = run_gates(request, out);
        out->verified = out->reason == REASON_ACCEPTED;
        bool fallback = request->policy->mode == ALLOW_INSECURE_FALLBACK;
        out->admitted = out->verified || (fallback && reason_is_soft(out->reason));
}
