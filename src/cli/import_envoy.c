/* Envoy Gateway's ClientTrafficPolicy (gateway.envoyproxy.io): client validation of the Gateway, or
 * the listener, that it targets. The Gateway, if the input has it, is kept and gets it inline. */
#include <string.h>

#include "cli/import_values.h"

#define GROUP_ENVOY  "gateway.envoyproxy.io/"
#define GROUP_TARGET "gateway.networking.k8s.io"
#define NOT_HERE     "left out"

/* --- clientValidation --- */

static const struct import_field validation_fields[] = {
        {"optional", NULL},
        {"mode", NULL},
        {"caCertificateRefs", NULL},
        {"spkiHashes", NULL},
        {"certificateHashes", NULL},
        {"subjectAltNames", NULL},
        {"crl", NULL},
        {"allowExpiredCertificate", NOT_HERE ": expired certificates are refused here"},
};

/* False: it can't be said here, and must not be left unsaid. */
static bool mode_read(struct importer *im, struct import_validation *v, const struct node *at)
{
        const struct node *optional = node_find(at, "optional"), *mode = node_find(at, "mode");
        bool may_lack = optional && optional->kind == NODE_BOOL && optional->boolean;
        struct slice text = mode && mode->text.len ? mode->text
                            : may_lack             ? SLICE("VerifyIfGiven")
                                                   : SLICE("RequireAndVerify");
        if (slice_is(text, "RequireAndVerify"))
                return true;
        v->fallback = slice_is(text, "VerifyIfGiven") || slice_is(text, "Request");
        if (v->fallback)
                import_note(im, IMPORT_NO_EQUIVALENT, mode ? mode : optional,
                            "becomes AllowInsecureFallback: who shows no certificate comes in "
                            "without identity, as there%s. Backends must look at "
                            "Pingate-Client-Verify",
                            slice_is(text, "Request")
                                    ? ""
                                    : "; so does here, unlike there, who shows one that fails");
        else
                import_note(im, IMPORT_REFUSED, mode,
                            "a certificate is demanded but not judged, and nothing here does "
                            "that: nobody comes in until you decide");
        return v->fallback;
}

/* SecretObjectReference: a Secret unless it says otherwise. */
static struct slice ref_kind(const struct node *ref)
{
        struct slice kind = node_text(ref, "kind");
        return kind.len ? kind : SLICE("Secret");
}

static bool ref_is_data(const struct node *ref)
{
        return node_text(ref, "group").len == 0 &&
               (slice_is(ref_kind(ref), "Secret") || slice_is(ref_kind(ref), "ConfigMap"));
}

static bool ref_equal(const struct node *a, const struct node *b)
{
        return slice_equal(ref_kind(a), ref_kind(b)) &&
               slice_equal(node_text(a, "name"), node_text(b, "name")) &&
               slice_equal(node_text(a, "namespace"), node_text(b, "namespace"));
}

static struct slice refs_print(struct importer *im, const struct node *refs, const char *key)
{
        struct slice out = SLICE_NONE;
        for (size_t i = 0; refs && i < refs->child_count; i++)
                out = arena_printf(&im->arena, "%.*s%skey %s of %.*s %.*s", SLICE_ARG(out),
                                   i ? ", " : "", key, SLICE_ARG(ref_kind(refs->children[i])),
                                   SLICE_ARG(node_text(refs->children[i], "name")));
        return out;
}

/* Here a CRL stands beside its CA, under ca.crl of the same object: if there it did too, the refs
 * are enough. */
static bool crls_stand_beside(const struct node *crls, const struct node *cas)
{
        for (size_t i = 0; i < crls->child_count; i++) {
                size_t c = 0;
                while (cas && c < cas->child_count &&
                       !ref_equal(crls->children[i], cas->children[c]))
                        c++;
                if (!cas || c == cas->child_count)
                        return false;
        }
        return true;
}

static void cas_read(struct importer *im, struct import_validation *v,
                     const struct import_gateway *g, const struct node *validation)
{
        const struct node *refs = node_find(validation, "caCertificateRefs");
        const struct node *crl = node_find(validation, "crl"), *crls = node_find(crl, "refs");
        const struct node *leaf = node_find(crl, "onlyVerifyLeafCertificate");
        if (leaf && leaf->kind == NODE_BOOL && leaf->boolean)
                import_note(im, IMPORT_NO_EQUIVALENT, leaf,
                            NOT_HERE ": every issuer on the path needs a CRL here");
        if (crl && (!crls || crls->child_count == 0 || !crls_stand_beside(crls, refs))) {
                struct slice from = refs_print(im, crls, "ca.crl");
                import_ca_wanted(im, v, g, refs_print(im, refs, "ca.crt"),
                                 from.len ? from : SLICE("your CRLs"));
                return;
        }
        for (size_t i = 0; refs && i < refs->child_count; i++) {
                const struct node *ref = refs->children[i];
                if (ref_is_data(ref))
                        import_ca_add(im, v,
                                      slice_is(ref_kind(ref), "Secret") ? "Secret" : "ConfigMap",
                                      node_text(ref, "namespace"), node_text(ref, "name"));
                else
                        import_note(im, IMPORT_REFUSED, ref,
                                    "neither a Secret nor a ConfigMap, and left out: its CAs are "
                                    "not trusted here");
        }
        if (!v->cas)
                import_ca_wanted(im, v, g, SLICE("the CAs of your clients"), SLICE_NONE);
}

static struct import_validation *
validation_read(struct importer *im, const struct import_gateway *g, const struct node *validation)
{
        struct import_validation *v = ARENA_NEW(&im->arena, struct import_validation);
        v->restricted =
                import_fields(im, validation, validation_fields, COUNT_OF(validation_fields));
        v->restricted |= !mode_read(im, v, validation);
        import_pins(im, v, node_find(validation, "spkiHashes"),
                    node_find(validation, "certificateHashes"));
        import_names(im, v, node_find(validation, "subjectAltNames"));
        cas_read(im, v, g, validation);
        return v;
}

/* --- the policy's other settings --- */

static const struct import_field tls_fields[] = {
        {"clientValidation", NULL},
        {"minVersion", NULL},
        {"maxVersion", NULL},
        {"ciphers", NOT_HERE ": pingate's cipher suites are fixed"},
        {"ecdhCurves", NOT_HERE},
        {"signatureAlgorithms", NOT_HERE},
        {"alpnProtocols", NOT_HERE ": h2 and http/1.1 are offered"},
        {"session", NOT_HERE ": sessions are never resumed here"},
};

static const struct import_field header_fields[] = {
        {"xForwardedClientCert", NULL},
        {"enableEnvoyHeaders", NOT_HERE},
        {"disableRateLimitHeaders", NOT_HERE},
        {"withUnderscoresAction", NOT_HERE},
        {"preserveXRequestID", NOT_HERE},
        {"requestID", NOT_HERE},
        {"earlyRequestHeaders", NOT_HERE ": say filters in an HTTPRoute"},
        {"lateResponseHeaders", NOT_HERE ": say filters in an HTTPRoute"},
};

static const struct import_field spec_fields[] = {
        {"targetRef", NULL},
        {"targetRefs", NULL},
        {"targetSelectors", NULL},
        {"tls", NULL},
        {"headers", NULL},
        {"tcpKeepalive", NOT_HERE},
        {"enableProxyProtocol",
         NOT_HERE ": say from whom it comes in annotation pingate.dev/proxy-protocol"},
        {"proxyProtocol",
         NOT_HERE ": say from whom it comes in annotation pingate.dev/proxy-protocol"},
        {"clientIPDetection", NOT_HERE},
        {"path", NOT_HERE},
        {"timeout", NOT_HERE ": see `pingate run --limit`"},
        {"connection", NOT_HERE ": see `pingate run --limit`"},
        {"http1", NOT_HERE},
        {"http2", NOT_HERE},
        {"http3", NOT_HERE ": HTTP/3 is not spoken here"},
        {"grpc", NOT_HERE},
        {"healthCheck", NOT_HERE ": probes are on the admin address"},
        {"scheme", NOT_HERE},
};

static void versions_note(struct importer *im, const struct node *tls)
{
        const struct node *min = node_find(tls, "minVersion"), *max = node_find(tls, "maxVersion");
        if (min && !slice_is(min->text, "Auto") && !slice_is(min->text, "1.2"))
                import_note(im, IMPORT_NO_EQUIVALENT, min,
                            NOT_HERE ": pingate speaks TLS 1.2 and 1.3");
        if (max && !slice_is(max->text, "Auto") && !slice_is(max->text, "1.3"))
                import_note(im, IMPORT_NO_EQUIVALENT, max,
                            NOT_HERE ": pingate speaks TLS 1.2 and 1.3");
}

/* What a client sends under that name is never passed on here (I23). */
static bool xfcc_read(struct importer *im, const struct node *xfcc)
{
        const struct node *mode = node_find(xfcc, "mode");
        struct slice text = mode ? mode->text : SLICE("Sanitize");
        bool sets = slice_is(text, "SanitizeSet") || slice_is(text, "AppendForward");
        if (!sets && !slice_is(text, "Sanitize"))
                import_note(im, IMPORT_NO_EQUIVALENT, mode,
                            NOT_HERE ": what a client sends as X-Forwarded-Client-Cert is "
                                     "always removed");
        else if (slice_is(text, "AppendForward"))
                import_note(im, IMPORT_NO_EQUIVALENT, mode,
                            "becomes SanitizeSet: what a client sends is always removed");
        return sets;
}

/* --- targets --- */

static void target_add(struct importer *im, const struct node *document, const struct node *ref,
                       struct import_validation *v)
{
        struct slice kind = node_text(ref, "kind");
        struct import_target target = {.node = ref,
                                       .namespace = import_namespace(document),
                                       .name = node_text(ref, "name"),
                                       .section = node_text(ref, "sectionName"),
                                       .validation = v};
        if (!slice_is(kind, "Gateway") || !slice_is(node_text(ref, "group"), GROUP_TARGET)) {
                import_note(im, v ? IMPORT_REFUSED : IMPORT_SAID, ref,
                            "targets a %.*s, wants a Gateway: left out", SLICE_ARG(kind));
                return;
        }
        if (im->targets.count < IMPORT_TARGETS_MAX)
                vec_push(&im->targets, target);
        else
                import_note(im, IMPORT_REFUSED, ref, "one target too many: left out");
}

static void policy_read(struct importer *im, const struct node *document)
{
        const struct node *spec = node_find(document, "spec");
        const struct node *tls = node_find(spec, "tls"), *headers = node_find(spec, "headers");
        const struct node *validation = node_find(tls, "clientValidation");
        const struct node *one = node_find(spec, "targetRef"), *all = node_find(spec, "targetRefs");
        const struct node *selectors = node_find(spec, "targetSelectors");
        struct import_gateway owner = {.namespace = import_namespace(document),
                                       .name = import_name(document)};
        bool unknown = import_fields(im, spec, spec_fields, COUNT_OF(spec_fields));
        unknown |= import_fields(im, tls, tls_fields, COUNT_OF(tls_fields));
        unknown |= import_fields(im, headers, header_fields, COUNT_OF(header_fields));
        versions_note(im, tls);
        bool xfcc = xfcc_read(im, node_find(headers, "xForwardedClientCert"));
        struct import_validation *v = validation ? validation_read(im, &owner, validation) : NULL;
        if (v) {
                v->restricted |= unknown;
                v->forwards_xfcc = xfcc;
        } else if (xfcc) {
                import_note(im, IMPORT_NO_EQUIVALENT, node_find(headers, "xForwardedClientCert"),
                            NOT_HERE ", as there is no clientValidation beside it");
        }
        if (selectors && selectors->child_count)
                import_note(im, v ? IMPORT_REFUSED : IMPORT_SAID, selectors,
                            NOT_HERE ", and left out: name the Gateways");
        if (one)
                target_add(im, document, one, v);
        for (size_t i = 0; all && i < all->child_count; i++)
                target_add(im, document, all->children[i], v);
}

/* --- Gateways --- */

/* The validation that holds on that section, the Gateway's own where it is empty. *conflict: two
 * policies say different things about it. */
static struct import_validation *validation_of(const struct importer *im,
                                               const struct import_gateway *g, struct slice section,
                                               bool *conflict)
{
        struct import_validation *found = NULL;
        vec_each (target, &im->targets) {
                if (!slice_equal(target->namespace, g->namespace) ||
                    !slice_equal(target->name, g->name) || !slice_equal(target->section, section) ||
                    !target->validation)
                        continue;
                *conflict |= found && !import_validation_equal(found, target->validation);
                found = target->validation;
        }
        return found;
}

/* A policy on a listener stands in place of one on its Gateway. One that says nothing about clients
 * leaves the Gateway's in force here: it can only narrow. */
static void listener_add(struct importer *im, struct import_gateway *g, const struct node *source)
{
        const struct node *port = node_find(source, "port");
        struct import_listener l = {.source = source,
                                    .name = node_text(source, "name"),
                                    .hostname = node_text(source, "hostname"),
                                    .port = port && port->kind == NODE_INTEGER ? port->integer : 0,
                                    .https = slice_is(node_text(source, "protocol"), "HTTPS")};
        bool conflict = false;
        if (l.https)
                l.validation = validation_of(im, g, l.name, &conflict);
        if (l.https && !l.validation)
                l.validation = validation_of(im, g, SLICE_NONE, &conflict);
        if (conflict) {
                import_note(im, IMPORT_REFUSED, source,
                            "two policies say different things about its clients; this listener "
                            "is left out");
                l.left_out = true;
        }
        vec_push(&g->listeners, l);
}

static bool section_exists(const struct import_gateway *g, struct slice section)
{
        vec_each (l, &g->listeners)
                if (slice_equal(l->name, section))
                        return true;
        return false;
}

static struct import_gateway *gateway_of(struct importer *im, const struct import_target *target)
{
        for (size_t i = 0; i < im->gateways.count; i++) {
                struct import_gateway *g = im->gateways.items[i];
                if ((g->upstream || g->fragment) && slice_equal(g->name, target->name) &&
                    slice_equal(g->namespace, target->namespace))
                        return g;
        }
        struct import_gateway *g = ARENA_NEW(&im->arena, struct import_gateway);
        g->namespace = target->namespace;
        g->name = target->name;
        g->upstream = import_find(im, GROUP_TARGET, "Gateway", g->namespace, g->name);
        g->source = g->upstream ? g->upstream : target->node;
        g->fragment = !g->upstream;
        const struct node *listeners = node_find(node_find(g->upstream, "spec"), "listeners");
        g->refused = listeners && listeners->child_count > IMPORT_LISTENERS_MAX;
        if (g->refused)
                import_note(im, IMPORT_REFUSED, listeners,
                            "are more than %d, and the Gateway is left out", IMPORT_LISTENERS_MAX);
        for (size_t i = 0; listeners && !g->refused && i < listeners->child_count; i++)
                listener_add(im, g, listeners->children[i]);
        bool conflict = false;
        if (g->fragment)
                g->by_default = validation_of(im, g, SLICE_NONE, &conflict);
        if (conflict) {
                import_note(im, IMPORT_REFUSED, target->node,
                            "two policies say different things about this Gateway's clients");
                g->by_default = NULL;
        }
        vec_push(&im->gateways, g);
        return g;
}

void import_envoy(struct importer *im)
{
        for (size_t i = 0; i < im->documents.count; i++) {
                const struct node *document = im->documents.items[i];
                if (!slice_starts_with(node_text(document, "apiVersion"), SLICE(GROUP_ENVOY)) ||
                    !slice_is(node_text(document, "kind"), "ClientTrafficPolicy"))
                        continue;
                im->understood++;
                policy_read(im, document);
        }
        vec_each (target, &im->targets) {
                if (!target->validation)
                        continue;
                const struct import_gateway *g = gateway_of(im, target);
                if (target->section.len == 0 || g->refused || section_exists(g, target->section))
                        continue;
                import_note(im, IMPORT_REFUSED, target->node,
                            g->fragment ? "which port that listener has is known to its Gateway "
                                          "alone: give that too"
                                        : "there is no listener of that name");
        }
}
