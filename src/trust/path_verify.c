#include "trust/path_verify.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/memory.h"
#include "base/must.h"
#include "trust/certificate.h"
#include "trust/name_constraints.h"

enum {
        /* Signatures tried in one judgement to tell anchors of one name apart (design.md 6.6). */
        ANCHOR_TRIALS_MAX = 16,
};

/* One call of X509_verify_cert, as its callbacks see it. */
struct verification {
        int64_t now;
        int trials;
};

static void store_ctx_free(X509_STORE_CTX **ctx)
{
        X509_STORE_CTX_free(*ctx);
}

static void stack_free(STACK_OF(X509) * *stack)
{
        sk_X509_free(*stack);
}

static bool is_current(X509 *x509, int64_t now)
{
        int64_t from, until;
        return asn1_time_unix(X509_get0_notBefore(x509), &from) &&
               asn1_time_unix(X509_get0_notAfter(x509), &until) && from <= now && now < until;
}

/* Which of several anchors of one name signed x509. OpenSSL would take the first and fail when that
 * one is the other key of a CA's rotation. It verifies the signature of the chosen one again. */
static X509 *choose_anchor(struct verification *self, STACK_OF(X509) * candidates, X509 *x509)
{
        X509 *best = NULL;
        int best_rank = -1;
        for (int i = 0; i < sk_X509_num(candidates); i++) {
                X509 *candidate = sk_X509_value(candidates, i);
                int rank = is_current(candidate, self->now);
                if (self->trials < ANCHOR_TRIALS_MAX) {
                        self->trials++;
                        rank += X509_verify(x509, X509_get0_pubkey(candidate)) > 0 ? 2 : 0;
                }
                if (rank > best_rank) {
                        best = candidate;
                        best_rank = rank;
                }
        }
        return best;
}

int anchor_find(X509 **issuer, X509_STORE_CTX *ctx, X509 *x509)
{
        /* A CRL with an issuer of its own is verified in a context that OpenSSL makes (without our
         * data, with our parameters). */
        struct verification inner = {
                .now = X509_VERIFY_PARAM_get_time(X509_STORE_CTX_get0_param(ctx))};
        struct verification *self = X509_STORE_CTX_get_app_data(ctx);
        self = self ? self : &inner;
        X509_STORE_CTX_check_issued_fn is_issued = X509_STORE_CTX_get_check_issued(ctx);
        STACK_OF(X509) *named = X509_STORE_CTX_get1_certs(ctx, X509_get_issuer_name(x509));
        STACK_OF(X509) *candidates = sk_X509_new_null();
        must(candidates != NULL);
        for (int i = 0; i < sk_X509_num(named); i++) {
                X509 *candidate = sk_X509_value(named, i);
                if (is_issued(ctx, x509, candidate))
                        must(sk_X509_push(candidates, candidate) > 0);
        }
        int count = sk_X509_num(candidates);
        *issuer = count > 1    ? choose_anchor(self, candidates, x509)
                  : count == 1 ? sk_X509_value(candidates, 0)
                               : NULL;
        if (*issuer)
                X509_up_ref(*issuer);
        sk_X509_free(candidates);
        sk_X509_pop_free(named, X509_free);
        return *issuer != NULL;
}

/* The anchor is trusted because it is configured: RFC 5280, 6.1 revokes certificates of the path
 * below it. OpenSSL asks for a CRL on an anchor that another CA issued, too, whose issuer it cannot
 * have. */
static bool is_about_anchor_crl(X509_STORE_CTX *ctx, int error)
{
        int depth = X509_STORE_CTX_get_error_depth(ctx);
        const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
        if (depth == 0 || depth != sk_X509_num(chain) - 1)
                return false;
        return !(X509_get_extension_flags(sk_X509_value(chain, depth)) & EXFLAG_SI) &&
               (error == X509_V_ERR_UNABLE_TO_GET_CRL ||
                error == X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER);
}

/* Key identifiers help to find an issuer and prove nothing; RFC 5280 asks CAs to write them
 * (4.2.1.1, 4.2.1.2) but not validators to demand them (6.1). Go's certificates often lack them. */
static bool is_missing_key_identifier(int error)
{
        return error == X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER ||
               error == X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER;
}

/* These two, and nothing else, are ever forgiven (I7): neither says anything about trust. */
static int on_verify_step(int ok, X509_STORE_CTX *ctx)
{
        int error = X509_STORE_CTX_get_error(ctx);
        if (ok || !(is_missing_key_identifier(error) || is_about_anchor_crl(ctx, error)))
                return ok;
        X509_STORE_CTX_set_error(ctx, X509_V_OK);
        return 1;
}

static int purpose_of(const struct path_request *request)
{
        uint32_t eku = X509_get_extended_key_usage(request->chain->leaf);
        switch (request->rules->use) {
        case USE_CLIENT_AUTH:
                return X509_PURPOSE_SSL_CLIENT;
        case USE_CLIENT_OR_SERVER_AUTH:
                return eku & XKU_SSL_CLIENT ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER;
        case USE_SERVER_AUTH:
                return X509_PURPOSE_SSL_SERVER;
        case USE_ANY:
                break;
        }
        return X509_PURPOSE_ANY;
}

static void set_policies(X509_VERIFY_PARAM *param, const struct certificate_policy_inputs *inputs)
{
        /* Always on: a CA's requireExplicitPolicy binds us, and OpenSSL passes over it otherwise.
         * Its tree is bounded to 1000 nodes since CVE-2023-0464. */
        unsigned long flags = X509_V_FLAG_POLICY_CHECK;
        flags |= inputs->explicit_policy ? X509_V_FLAG_EXPLICIT_POLICY : 0;
        flags |= inputs->inhibit_mapping ? X509_V_FLAG_INHIBIT_MAP : 0;
        flags |= inputs->inhibit_any ? X509_V_FLAG_INHIBIT_ANY : 0;
        X509_VERIFY_PARAM_set_flags(param, flags);
        /* No wish means any policy (RFC 5280, 6.1.1 c); to OpenSSL it means none. */
        static const char *const any_policy[] = {"2.5.29.32.0"};
        bool any = inputs->oid_count == 0;
        const char *const *oids = any ? any_policy : inputs->oids;
        for (size_t i = 0; i < (any ? 1 : inputs->oid_count); i++) {
                ASN1_OBJECT *oid = OBJ_txt2obj(oids[i], 1);
                must(oid != NULL);
                must(X509_VERIFY_PARAM_add0_policy(param, oid) == 1);
        }
}

static void set_param(X509_STORE_CTX *ctx, const struct path_request *request)
{
        const struct path_rules *rules = request->rules;
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
        bool client = rules->profile == PROFILE_CLIENT;
        unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;
        if (client)
                flags |= X509_V_FLAG_X509_STRICT;
        if (ca_set_crl_count(trust_store_set(request->store)) > 0)
                flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL |
                         X509_V_FLAG_EXTENDED_CRL_SUPPORT | X509_V_FLAG_USE_DELTAS;
        X509_VERIFY_PARAM_set_flags(param, flags);
        X509_VERIFY_PARAM_set_time(param, (time_t)request->now);
        X509_VERIFY_PARAM_set_depth(param, rules->max_depth);
        X509_VERIFY_PARAM_set_auth_level(param, client ? 2 : 1);
        int purpose = purpose_of(request);
        if (purpose != X509_PURPOSE_ANY)
                must(X509_VERIFY_PARAM_set_purpose(param, purpose) == 1);
        set_policies(param, &rules->policies);
}

/* Presented certificates that may stand on a path. What is under the key floor is not even tried:
 * an RSA exponent of 3000 bits, ten times, would be our 100 ms. */
static STACK_OF(X509) * usable_others(const struct path_request *request)
{
        char why[RULE_TEXT_SIZE];
        STACK_OF(X509) *usable = sk_X509_new_null();
        must(usable != NULL);
        for (int i = 0; i < sk_X509_num(request->chain->others); i++) {
                X509 *x509 = sk_X509_value(request->chain->others, i);
                if (request->rules->profile == PROFILE_CHAIN ||
                    key_floor_check(X509_get_X509_PUBKEY(x509), why))
                        must(sk_X509_push(usable, x509) > 0);
        }
        return usable;
}

/* Was the missing issuer presented, with a key under the floor? Then that is the reason. */
static bool weak_key_hides_issuer(const struct path_request *request, X509_STORE_CTX *ctx,
                                  char why[static RULE_TEXT_SIZE])
{
        STACK_OF(X509) *found = X509_STORE_CTX_get0_chain(ctx);
        if (request->rules->profile == PROFILE_CHAIN || sk_X509_num(found) == 0)
                return false;
        X509 *last = sk_X509_value(found, sk_X509_num(found) - 1);
        for (int i = 0; i < sk_X509_num(request->chain->others); i++) {
                X509 *x509 = sk_X509_value(request->chain->others, i);
                if (X509_NAME_cmp(X509_get_subject_name(x509), X509_get_issuer_name(last)) == 0 &&
                    !key_floor_check(X509_get_X509_PUBKEY(x509), why))
                        return true;
        }
        return false;
}

static void say(struct path_detail detail, const char *why, int depth, X509 *x509)
{
        char name[160];
        if (x509)
                snprintf(detail.text, detail.size, "%s: certificate %d of the path (%s)", why,
                         depth + 1, name_text(X509_get_subject_name(x509), name, sizeof(name)));
        else
                snprintf(detail.text, detail.size, "%s", why);
}

/* OpenSSL calls it "out of memory" when a policy tree passes its bound of 1000 nodes: no fault of
 * ours, and an operator under such an attack must not look for memory. */
static bool is_policy_tree_over_bound(X509_STORE_CTX *ctx, int error)
{
        STACK_OF(X509) *path = X509_STORE_CTX_get0_chain(ctx);
        if (error != X509_V_ERR_OUT_OF_MEM)
                return false;
        for (int i = 0; i < sk_X509_num(path); i++)
                if (X509_get_ext_by_NID(sk_X509_value(path, i), NID_certificate_policies, -1) >= 0)
                        return true;
        return false;
}

static enum reason refuse(const struct path_request *request, X509_STORE_CTX *ctx,
                          struct path_detail detail)
{
        char why[RULE_TEXT_SIZE];
        int error = X509_STORE_CTX_get_error(ctx);
        enum reason reason = reason_of_openssl(error);
        if (is_policy_tree_over_bound(ctx, error)) {
                say(detail, "the path's certificate policies are too many to process", 0, NULL);
                return REASON_PATH_INVALID;
        }
        if (reason == REASON_UNTRUSTED && weak_key_hides_issuer(request, ctx, why)) {
                say(detail, why, 0, NULL);
                return REASON_WEAK_KEY;
        }
        say(detail, X509_verify_cert_error_string(error), X509_STORE_CTX_get_error_depth(ctx),
            X509_STORE_CTX_get_current_cert(ctx));
        /* A failure without an error code is still a failure. */
        return reason == REASON_ACCEPTED ? REASON_INTERNAL : reason;
}

static void narrow(struct path *path, int64_t from, int64_t until)
{
        path->valid_from = from > path->valid_from ? from : path->valid_from;
        path->valid_until = until < path->valid_until ? until : path->valid_until;
}

/* The CRLs of this issuer: until the first current one ends or the first later one begins. */
static void bound_by_crls(struct path *path, const struct ca_set *set, X509 *issuer, int64_t now)
{
        for (size_t i = 0; i < ca_set_crl_count(set); i++) {
                X509_CRL *crl = ca_set_crl(set, i);
                int64_t from, until;
                if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) != 0 ||
                    !asn1_time_unix(X509_CRL_get0_lastUpdate(crl), &from))
                        continue;
                if (!asn1_time_unix(X509_CRL_get0_nextUpdate(crl), &until))
                        until = INT64_MAX;
                if (from > now)
                        narrow(path, INT64_MIN, from);
                else if (now < until)
                        narrow(path, from, until);
        }
}

/* What OpenSSL leaves out, on the path that it built. */
static enum reason check_certificate(const struct path_request *request, X509 *x509, bool anchor,
                                     char why[static RULE_TEXT_SIZE])
{
        if (request->rules->profile == PROFILE_CLIENT) {
                if (!key_floor_check(X509_get_X509_PUBKEY(x509), why))
                        return REASON_WEAK_KEY;
                if (!anchor && !signature_check(x509, why))
                        return REASON_WEAK_SIGNATURE;
        }
        if (anchor && !anchor_check(x509, why))
                return REASON_PATH_INVALID;
        if (!is_current(x509, request->now)) {
                snprintf(why, RULE_TEXT_SIZE, "outside its validity");
                int64_t from;
                bool early =
                        asn1_time_unix(X509_get0_notBefore(x509), &from) && request->now < from;
                return early ? REASON_NOT_YET_VALID : REASON_EXPIRED;
        }
        return REASON_ACCEPTED;
}

static enum reason take_path(const struct path_request *request, STACK_OF(X509) * verified,
                             struct path *path, struct path_detail detail)
{
        const struct ca_set *set = trust_store_set(request->store);
        char why[RULE_TEXT_SIZE];
        int count = sk_X509_num(verified);
        *path = (struct path){.valid_from = INT64_MIN, .valid_until = INT64_MAX};
        if (count < 1 || count > PATH_CERTIFICATES_MAX)
                return REASON_PATH_INVALID;
        for (int i = 0; i < count; i++) {
                X509 *x509 = sk_X509_value(verified, i);
                int64_t from = INT64_MIN, until = INT64_MIN;
                enum reason reason = check_certificate(request, x509, i > 0 && i == count - 1, why);
                if (reason != REASON_ACCEPTED) {
                        say(detail, why, i, x509);
                        return reason;
                }
                asn1_time_unix(X509_get0_notBefore(x509), &from);
                asn1_time_unix(X509_get0_notAfter(x509), &until);
                narrow(path, from, until);
                bound_by_crls(path, set, x509, request->now);
                path->spki[path->count] = certificate_spki_digest(x509);
                path->certificates[path->count++] = certificate_digest(x509);
        }
        if (!ca_set_has_anchor(set, &path->certificates[count - 1])) {
                say(detail, "the path ends in no configured CA", 0, NULL);
                return REASON_UNTRUSTED;
        }
        if (wildcard_is_excluded(verified, why)) {
                say(detail, why, 0, NULL);
                return REASON_NAME_CONSTRAINED;
        }
        return REASON_ACCEPTED;
}

static enum reason run(const struct path_request *request, struct path *path,
                       struct path_detail detail)
{
        struct verification self = {.now = request->now};
        CLEANUP(store_ctx_free) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
        CLEANUP(stack_free) STACK_OF(X509) *others = usable_others(request);
        char why[RULE_TEXT_SIZE];
        if (request->rules->profile == PROFILE_CLIENT &&
            !name_constraints_are_bounded(request->chain->leaf, others, why)) {
                say(detail, why, 0, NULL);
                return REASON_NAME_CONSTRAINED;
        }
        if (!ctx || !X509_STORE_CTX_init(ctx, trust_store_x509(request->store),
                                         request->chain->leaf, others))
                return REASON_INTERNAL;
        X509_STORE_CTX_set_app_data(ctx, &self);
        X509_STORE_CTX_set_verify_cb(ctx, on_verify_step);
        X509_STORE_CTX_set0_crls(ctx, trust_store_indirect_crls(request->store));
        set_param(ctx, request);
        /* Both must say yes: the return value and the error that it stored. */
        if (X509_verify_cert(ctx) != 1 || X509_STORE_CTX_get_error(ctx) != X509_V_OK)
                return refuse(request, ctx, detail);
        return take_path(request, X509_STORE_CTX_get0_chain(ctx), path, detail);
}

enum reason path_verify(const struct path_request *request, struct path *path,
                        struct path_detail detail)
{
        /* libssl reads the error queue after each of its calls: leave nothing of ours there. */
        ERR_set_mark();
        enum reason reason = run(request, path, detail);
        ERR_pop_to_mark();
        return reason;
}
