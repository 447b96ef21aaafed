/* Istio's Gateway (networking.istio.io): a server is a port with hosts and TLS settings of its own;
 * each of its hosts becomes a listener. */
#include <string.h>

#include "cli/import_values.h"

#define GROUP_ISTIO "networking.istio.io/"

static bool is_https(struct slice protocol)
{
        return slice_equal_nocase(protocol, SLICE("HTTPS"));
}

/* Istio speaks plain HTTP on all of these, whatever stands under tls. */
static bool is_http(struct slice protocol)
{
        static const char *const names[] = {"HTTP", "HTTP2", "GRPC", "GRPC-WEB"};
        for (size_t i = 0; i < COUNT_OF(names); i++)
                if (slice_equal_nocase(protocol, slice_of(names[i])))
                        return true;
        return false;
}

static bool is_true(const struct node *map, const char *key)
{
        const struct node *node = node_find(map, key);
        return node && node->kind == NODE_BOOL && node->boolean;
}

static bool leave_out(struct importer *im, const struct node *at, const char *why)
{
        import_note(im, IMPORT_REFUSED, at, "%s; this server is left out", why);
        return false;
}

/* --- certificates and CAs --- */

/* "name", "kubernetes://name" or "kubernetes://namespace/name"; false: a kind of its own. */
static bool credential_parse(struct slice text, struct slice *namespace, struct slice *name)
{
        struct slice scheme = SLICE("kubernetes://");
        if (slice_starts_with(text, scheme))
                text = slice_skip(text, scheme.len);
        *namespace = SLICE_NONE;
        if (slice_find(text, '/') < text.len)
                slice_split(&text, '/', namespace);
        *name = text;
        return text.len > 0 && slice_find(text, '/') == text.len &&
               slice_find(text, ':') == text.len;
}

static void certificate_add(struct importer *im, struct import_listener *l, struct slice namespace,
                            struct slice name)
{
        struct node *ref = node_new(&im->arena, NODE_MAP, NULL, 0);
        node_add(&im->arena, ref, SLICE("name"), node_new_string(&im->arena, name));
        if (namespace.len)
                node_add(&im->arena, ref, SLICE("namespace"),
                         node_new_string(&im->arena, namespace));
        if (!l->certificate_refs)
                l->certificate_refs = node_new(&im->arena, NODE_LIST, NULL, 0);
        node_add(&im->arena, l->certificate_refs, SLICE_NONE, ref);
}

/* Keys in files of the gateway's pod: a Secret is to be made of them. */
static void certificate_wanted(struct importer *im, const struct import_gateway *g,
                               struct import_listener *l, const struct node *tls)
{
        const struct node *list = node_find(tls, "tlsCertificates");
        const struct node *first = list && list->child_count ? list->children[0] : tls;
        struct slice name =
                arena_printf(&im->arena, "%.*s-%lld-tls", SLICE_ARG(g->name), (long long)l->port);
        struct slice certificate = node_text(first, "serverCertificate");
        certificate_add(im, l, SLICE_NONE, name);
        import_note(im, IMPORT_NO_EQUIVALENT, tls,
                    "the server's certificate is a file (%.*s): make Secret %.*s of it "
                    "(`pingate secret tls %.*s --cert FILE --key FILE`)",
                    SLICE_ARG(certificate), SLICE_ARG(name), SLICE_ARG(name));
}

static bool certificates_read(struct importer *im, const struct import_gateway *g,
                              struct import_listener *l, const struct node *tls)
{
        const struct node *one = node_find(tls, "credentialName");
        const struct node *several = node_find(tls, "credentialNames");
        struct slice namespace, name;
        if (one && one->text.len) {
                if (!credential_parse(one->text, &namespace, &name))
                        return leave_out(im, one, "is no Secret's name");
                certificate_add(im, l, namespace, name);
        }
        for (size_t i = 0; several && i < several->child_count; i++) {
                if (!credential_parse(several->children[i]->text, &namespace, &name))
                        return leave_out(im, several->children[i], "is no Secret's name");
                certificate_add(im, l, namespace, name);
        }
        if (!l->certificate_refs)
                certificate_wanted(im, g, l, tls);
        return true;
}

/* Istio takes cacert for ca.crt and crl for ca.crl; we know one name each. */
static bool has_data(const struct node *secret, const char *key)
{
        return node_find(node_find(secret, "data"), key) ||
               node_find(node_find(secret, "stringData"), key);
}

static void ca_of_secret(struct importer *im, struct import_validation *v,
                         const struct import_gateway *g, struct slice namespace, struct slice name)
{
        struct slice home = namespace.len ? namespace : g->namespace;
        const struct node *map = import_find(im, "", "ConfigMap", home, name);
        const struct node *secret = import_find(im, "", "Secret", home, name);
        if (secret && !has_data(secret, "ca.crt")) {
                import_ca_wanted(im, v, g,
                                 arena_printf(&im->arena, "the CAs of Secret %.*s (key cacert)",
                                              SLICE_ARG(name)),
                                 has_data(secret, "crl")
                                         ? arena_printf(&im->arena, "key crl of Secret %.*s",
                                                        SLICE_ARG(name))
                                         : SLICE_NONE);
                return;
        }
        if (!secret && !map)
                import_note(im, IMPORT_SAID, g->source,
                            "CAs are taken from key ca.crt of Secret %.*s, which is not in the "
                            "input; Istio looks for it where the gateway's pods are",
                            SLICE_ARG(name));
        import_ca_add(im, v, map && !secret ? "ConfigMap" : "Secret", namespace, name);
}

/* As istiod looks for them: caCertCredentialName, else Secret NAME-cacert, else Secret NAME. */
static bool cas_read(struct importer *im, struct import_validation *v,
                     const struct import_gateway *g, const struct node *tls)
{
        const struct node *own = node_find(tls, "caCertCredentialName");
        const struct node *credential = node_find(tls, "credentialName");
        const struct node *several = node_find(tls, "credentialNames");
        struct slice file = node_text(tls, "caCertificates"), crl = node_text(tls, "caCrl");
        struct slice namespace, name;
        if (!credential && several && several->child_count)
                credential = several->children[0];
        const struct node *from = own && own->text.len ? own : credential;
        if (!from || from->text.len == 0 || crl.len) {
                struct slice of = from && from->text.len
                                          ? arena_printf(&im->arena, "the CAs of credential %.*s",
                                                         SLICE_ARG(from->text))
                                          : file;
                import_ca_wanted(im, v, g, of.len ? of : SLICE("the CAs of your clients"), crl);
                return true;
        }
        if (!credential_parse(from->text, &namespace, &name))
                return leave_out(im, from, "is no Secret's name");
        struct slice home = namespace.len ? namespace : g->namespace;
        struct slice beside = arena_printf(&im->arena, "%.*s-cacert", SLICE_ARG(name));
        if (from == credential && import_find(im, "", "Secret", home, beside))
                name = beside;
        ca_of_secret(im, v, g, namespace, name);
        return true;
}

/* --- TLS settings --- */

static const struct import_field tls_fields[] = {
        {"mode", NULL},
        {"credentialName", NULL},
        {"credentialNames", NULL},
        {"caCertCredentialName", NULL},
        {"caCertificates", NULL},
        {"caCrl", NULL},
        {"verifyCertificateSpki", NULL},
        {"verifyCertificateHash", NULL},
        {"subjectAltNames", NULL},
        {"serverCertificate", NULL},
        {"privateKey", NULL},
        {"tlsCertificates", NULL},
        {"httpsRedirect", NULL},
        {"insecureSkipVerify", NULL},
        {"minProtocolVersion", NULL},
        {"maxProtocolVersion", NULL},
        {"cipherSuites", "left out: pingate's cipher suites are fixed"},
};

static void versions_note(struct importer *im, const struct node *tls)
{
        const struct node *min = node_find(tls, "minProtocolVersion");
        const struct node *max = node_find(tls, "maxProtocolVersion");
        if (min && !slice_is(min->text, "TLS_AUTO") && !slice_is(min->text, "TLSV1_2"))
                import_note(im, IMPORT_NO_EQUIVALENT, min,
                            "left out: pingate speaks TLS 1.2 and 1.3");
        if (max && !slice_is(max->text, "TLS_AUTO") && !slice_is(max->text, "TLSV1_3"))
                import_note(im, IMPORT_NO_EQUIVALENT, max,
                            "left out: pingate speaks TLS 1.2 and 1.3");
}

/* What Istio itself calls AllowInsecureFallback is OPTIONAL_MUTUAL with insecureSkipVerify. */
static void fallback_note(struct importer *im, const struct node *mode, bool skips)
{
        import_note(im, IMPORT_NO_EQUIVALENT, mode,
                    "becomes AllowInsecureFallback: who shows no certificate comes in without "
                    "identity%s",
                    skips ? ", as there"
                          : ", as there; so does here, unlike there, who shows one that fails. "
                            "Backends must look at Pingate-Client-Verify");
}

/* NULL with *ok true: no certificate is asked for. */
static struct import_validation *validation_read(struct importer *im,
                                                 const struct import_gateway *g,
                                                 const struct node *tls, bool *ok)
{
        const struct node *mode = node_find(tls, "mode"), *at = mode ? mode : tls;
        const struct node *spki = node_find(tls, "verifyCertificateSpki");
        const struct node *hashes = node_find(tls, "verifyCertificateHash");
        struct slice text = mode ? mode->text : SLICE("PASSTHROUGH");
        bool skips = is_true(tls, "insecureSkipVerify");
        bool optional = slice_is(text, "OPTIONAL_MUTUAL");
        bool unknown = import_fields(im, tls, tls_fields, COUNT_OF(tls_fields));
        *ok = false;
        if (slice_is(text, "SIMPLE")) {
                *ok = !spki && !hashes && !node_find(tls, "subjectAltNames") && !unknown;
                if (!*ok)
                        leave_out(im, at,
                                  "SIMPLE asks no client for a certificate, yet clients are to be "
                                  "verified: say MUTUAL");
                return NULL;
        }
        if (!optional && !slice_is(text, "MUTUAL")) {
                leave_out(im, at, "not MUTUAL, OPTIONAL_MUTUAL or SIMPLE, and nothing here is");
                return NULL;
        }
        if (skips && !optional) {
                leave_out(im, node_find(tls, "insecureSkipVerify"),
                          "a certificate is demanded but not judged, and nothing here does that: "
                          "OPTIONAL_MUTUAL would become AllowInsecureFallback");
                return NULL;
        }
        struct import_validation *v = ARENA_NEW(&im->arena, struct import_validation);
        v->fallback = optional;
        v->restricted = unknown;
        if (optional)
                fallback_note(im, mode, skips);
        import_pins(im, v, spki, hashes);
        import_names(im, v, node_find(tls, "subjectAltNames"));
        *ok = cas_read(im, v, g, tls);
        return v;
}

/* --- servers --- */

static bool name_taken(const struct import_gateway *g, struct slice name)
{
        vec_each (l, &g->listeners)
                if (slice_equal(l->name, name))
                        return true;
        return false;
}

/* A DNS name made of what the server or its port is called, and no other listener's. */
static struct slice listener_name(struct importer *im, const struct import_gateway *g,
                                  const struct node *server, int64_t number)
{
        struct slice given = node_text(server, "name");
        if (given.len == 0)
                given = node_text(node_find(server, "port"), "name");
        if (given.len == 0 || given.len > 200)
                given = arena_printf(&im->arena, "port-%lld", (long long)number);
        char *base = arena_text(&im->arena, given);
        for (size_t i = 0; i < given.len; i++) {
                base[i] = ascii_lower(base[i]);
                bool plain =
                        (base[i] >= 'a' && base[i] <= 'z') || (base[i] >= '0' && base[i] <= '9');
                bool inside = i > 0 && i + 1 < given.len;
                if (!plain)
                        base[i] = inside ? '-' : 'x';
        }
        struct slice name = slice_from(base, given.len);
        for (size_t n = 2; name_taken(g, name); n++)
                name = arena_printf(&im->arena, "%s-%zu", base, n);
        return name;
}

/* One that is left out is kept in mind: no broader host of its port may take its place. */
static void host_add(struct importer *im, struct import_gateway *g,
                     const struct import_listener *like, const struct node *host)
{
        struct import_listener l = *like;
        struct slice name = host->text, namespace = SLICE_NONE;
        if (slice_find(name, '/') < name.len)
                slice_split(&name, '/', &namespace);
        if (namespace.len && !slice_is(namespace, "*") && !slice_is(namespace, ".") && !l.left_out)
                import_note(im, IMPORT_SAID, host,
                            "routes of namespace %.*s: allow them by allowedRoutes",
                            SLICE_ARG(namespace));
        l.hostname = slice_is(name, "*") ? SLICE_NONE : name;
        vec_each (other, &g->listeners) {
                if (other->port != l.port || !slice_equal_nocase(other->hostname, l.hostname))
                        continue;
                if (other->source == l.source)
                        return; /* the same host for routes of two namespaces */
                if (!l.left_out)
                        leave_out(im, host, "another server has this port and host");
                l.left_out = true;
        }
        l.name = listener_name(im, g, l.source, l.port);
        vec_push(&g->listeners, l);
}

/* Where the servers are bound must be one address, or none is said. */
static bool bind_read(struct importer *im, struct import_gateway *g, const struct node *server)
{
        const struct node *bind = node_find(server, "bind");
        struct slice address = bind ? bind->text : SLICE_NONE;
        if (slice_is(address, "0.0.0.0") || slice_is(address, "::"))
                address = SLICE_NONE;
        if (server->index == 0)
                g->address = address;
        return slice_equal(g->address, address) ||
               leave_out(im, bind ? bind : server,
                         "bound elsewhere than the first server, and a Gateway here has one list "
                         "of addresses");
}

static bool tls_read(struct importer *im, const struct import_gateway *g, const struct node *server,
                     struct import_listener *l)
{
        const struct node *tls = node_find(server, "tls");
        bool ok;
        if (!l->https && is_true(tls, "httpsRedirect"))
                return leave_out(im, node_find(tls, "httpsRedirect"),
                                 "requests without TLS would be served");
        if (!l->https)
                return !tls || tls->child_count == 0 ||
                       (tls->child_count == 1 && node_find(tls, "httpsRedirect")) ||
                       leave_out(im, tls, "TLS settings on a port without TLS");
        if (!tls || tls->child_count == 0)
                return leave_out(im, server, "HTTPS without tls");
        versions_note(im, tls);
        l->validation = validation_read(im, g, tls, &ok);
        return ok && certificates_read(im, g, l, tls);
}

static const struct import_field server_fields[] = {
        {"port", NULL},  {"bind", NULL},
        {"hosts", NULL}, {"tls", NULL},
        {"name", NULL},  {"defaultEndpoint", "left out: say backends in an HTTPRoute"},
};

static bool server_is_kept(struct importer *im, struct import_gateway *g, const struct node *server,
                           struct import_listener *l)
{
        const struct node *port = node_find(server, "port");
        struct slice protocol = node_text(port, "protocol");
        l->https = is_https(protocol);
        if (import_fields(im, server, server_fields, COUNT_OF(server_fields)))
                return leave_out(im, server, "has a field that is not known");
        if (!l->https && !is_http(protocol))
                return leave_out(im, port, "the protocol is neither HTTP nor HTTPS");
        return bind_read(im, g, server) && tls_read(im, g, server, l);
}

static void server_read(struct importer *im, struct import_gateway *g, const struct node *server)
{
        const struct node *port = node_find(server, "port"), *hosts = node_find(server, "hosts");
        const struct node *number = node_find(port, "number");
        struct import_listener l = {.source = server};
        if (!number || number->kind != NODE_INTEGER || number->integer < 1 ||
            number->integer > 65535 || !hosts || hosts->kind != NODE_LIST) {
                leave_out(im, server, "wants hosts, and a port with a number from 1 to 65535");
                return;
        }
        l.port = number->integer;
        l.left_out = !server_is_kept(im, g, server, &l);
        if (g->listeners.count + hosts->child_count > IMPORT_LISTENERS_MAX) {
                import_note(im, IMPORT_REFUSED, hosts,
                            "with these there are more than %d listeners, and the Gateway is left "
                            "out",
                            IMPORT_LISTENERS_MAX);
                g->refused = true;
                return;
        }
        for (size_t i = 0; i < hosts->child_count; i++)
                host_add(im, g, &l, hosts->children[i]);
}

static const struct import_field spec_fields[] = {{"servers", NULL}, {"selector", NULL}};

static void gateway_read(struct importer *im, const struct node *document)
{
        struct import_gateway *g = ARENA_NEW(&im->arena, struct import_gateway);
        const struct node *spec = node_find(document, "spec");
        const struct node *servers = node_find(spec, "servers");
        g->source = document;
        g->namespace = import_namespace(document);
        g->name = import_name(document);
        if (import_fields(im, spec, spec_fields, COUNT_OF(spec_fields))) {
                import_note(im, IMPORT_REFUSED, document, "has a field that is not known");
                return;
        }
        vec_push(&im->gateways, g);
        if (node_find(spec, "selector"))
                import_note(im, IMPORT_SAID, node_find(spec, "selector"),
                            "in its place stands gatewayClassName: pingate");
        for (size_t i = 0; servers && i < servers->child_count; i++)
                server_read(im, g, servers->children[i]);
}

void import_istio(struct importer *im)
{
        for (size_t i = 0; i < im->documents.count; i++) {
                const struct node *document = im->documents.items[i];
                if (!slice_starts_with(node_text(document, "apiVersion"), SLICE(GROUP_ISTIO)) ||
                    !slice_is(node_text(document, "kind"), "Gateway"))
                        continue;
                im->understood++;
                gateway_read(im, document);
        }
}
