/* Every rule of a schema that a bad edit can break, with the words that tell where and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/api/object.h"
#include "text/yaml.h"

static bool read_text(const char *text, struct error *err, size_t *warnings)
{
        struct objects *objects = objects_new();
        struct yaml_docs docs;
        bool ok = yaml_parse(&objects->arena, slice_of(text), "edge.yaml", &docs, err);
        for (size_t i = 0; ok && i < docs.count; i++)
                ok = objects_add(objects, docs.items[i], err);
        *warnings = objects->warnings.count;
        objects_unref(objects);
        return ok;
}

struct bad {
        const char *edit, *says;
};

static void gateway_edit(char *out, size_t size, const char *listener, const char *frontend)
{
        snprintf(out, size,
                 "apiVersion: gateway.networking.k8s.io/v1\n"
                 "kind: Gateway\n"
                 "metadata: {name: edge, namespace: edge}\n"
                 "spec:\n"
                 "  gatewayClassName: pingate\n"
                 "  listeners: %s\n"
                 "  tls: {frontend: %s}\n",
                 listener, frontend);
}

#define OK_LISTENER "[{name: a, port: 80, protocol: HTTP}]"
#define VALIDATION(more)                                                                             \
        "{default: {validation: {caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}], " more \
        "}}}"
#define SPKI "NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A="

static void check_says(const char *text, const char *says)
{
        struct error err = {0};
        size_t warnings;
        if (read_text(text, &err, &warnings))
                fail_msg("was taken, wants \"%s\":\n%s", says, text);
        if (!strstr(err.text, says))
                fail_msg("\"%s\" does not say \"%s\"", err.text, says);
}

static void what_stands_under_spec_tls_is_exact(void **state)
{
        (void)state;
        static const struct bad cases[] = {
                {"{}", "edge.yaml:7: Gateway edge/edge: spec.tls.frontend: has no default"},
                {"{default: {}, perport: []}", "spec.tls.frontend.perport: no such field"},
                {"{default: {validation: {}}}", "has no caCertificateRefs"},
                {"{default: {validation: {caCertificateRefs: []}}}", "wants at least 1"},
                {"{default: {validation: {caCertificateRefs: [{kind: ConfigMap, name: a}]}}}",
                 "caCertificateRefs[0]: has no group"},
                {"{default: {validation: }}", "is empty, wants a value or to be left out"},
                {VALIDATION("mode: Strict"), "wants one of AllowValidOnly, AllowInsecureFallback"},
                {VALIDATION("certificatePinning: {}"), "certificatePinning: is empty"},
                {VALIDATION("certificatePinning: "), "certificatePinning: is empty"},
                {VALIDATION("certificatePinning: {spkiHashes: []}"), "spkiHashes: has 0 items"},
                {VALIDATION("certificatePinning: {spkiHash: ['" SPKI "']}"),
                 "spkiHash: no such field"},
                {VALIDATION("certificatePinning: {spkiHashes: ['AAAA']}"), "spkiHashes[0]"},
                {VALIDATION("certificatePinning: {spkiHashes: ['" SPKI "', '" SPKI "']}"),
                 "spkiHashes[1]: is the same as item 0"},
                {VALIDATION("certificatePinning: {certificateHashes: [12]}"),
                 "is an integer, wants a string"},
                {VALIDATION("certificatePinning: {pinnedCertificateRefs: [{name: a}]}"),
                 "pinnedCertificateRefs[0]: has no group"},
                {"{default: {}, perPort: [{port: 443, tls: {}}, {port: 443, tls: {}}]}",
                 "perPort[1].port: is \"443\" as in item 0"},
                {"{default: {}, perPort: [{port: 0, tls: {}}]}", "is 0, wants 1 to 65535"},
                {"{default: {}, perPort: [{port: 443}]}", "perPort[0]: has no tls"},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                char text[2048];
                gateway_edit(text, sizeof(text), OK_LISTENER, cases[i].edit);
                check_says(text, cases[i].says);
        }
}

static void listeners_keep_the_rules_of_their_crd(void **state)
{
        (void)state;
        static const struct bad cases[] = {
                {"[]", "spec.listeners: has 0 items, wants at least 1"},
                {"[{name: a, port: 70000, protocol: HTTP}]", "port: is 70000, wants 1 to 65535"},
                {"[{name: a, port: '80', protocol: HTTP}]", "is a string, wants an integer"},
                {"[{name: A, port: 80, protocol: HTTP}]", "wants a DNS name"},
                {"[{name: a, port: 80}]", "has no protocol"},
                {"[{name: a, port: 80, protocol: HTTP, hostname: Example.com}]",
                 "wants a host name in lower case"},
                {"[{name: a, port: 80, protocol: HTTP}, {name: a, port: 81, protocol: HTTP}]",
                 "listeners[1].name: is \"a\" as in item 0"},
                {"[{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTP}]",
                 "has port, protocol and hostname of listener a"},
                {"[{name: a, port: 80, protocol: HTTP, tls: {certificateRefs: [{name: x}]}}]",
                 "stands on a HTTP listener"},
                {"[{name: a, port: 443, protocol: HTTPS, tls: {mode: Passthrough}}]",
                 "wants Terminate for protocol HTTPS"},
                {"[{name: a, port: 443, protocol: HTTPS, tls: {}}]",
                 "has neither certificateRefs nor options"},
                {"[{name: a, port: 443, protocol: HTTPS, tls: {certificateRef: []}}]",
                 "certificateRef: no such field"},
                {"[{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Some}}}]",
                 "wants one of Same, All, Selector"},
                {"[{name: a, port: 443, protocol: TLS}]", "has no tls.mode"},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                char text[2048];
                gateway_edit(text, sizeof(text), cases[i].edit, "{default: {}}");
                check_says(text, cases[i].says);
        }
}

static void routes_keep_the_rules_of_their_crd(void **state)
{
        (void)state;
        static const struct bad cases[] = {
                {"rules: []", "spec.rules: has 0 items"},
                {"hostnames: ['*']", "hostnames[0]: is \"*\""},
                {"rules: [{matches: [{path: {value: api}}]}]", "does not start with"},
                {"rules: [{matches: [{path: {value: /a//b}}]}]", "has //"},
                {"rules: [{matches: [{path: {value: /a/..}}]}]", "ends in"},
                {"rules: [{matches: [{path: {value: '/a%2fb'}}]}]", "has //"},
                {"rules: [{matches: [{path: {value: '/a b'}}]}]", "no path has"},
                {"rules: [{matches: [{method: get}]}]", "wants one of GET"},
                {"rules: [{matches: [{header: []}]}]", "header: no such field"},
                {"rules: [{matches: [{headers: [{name: a, value: x}, {name: a, value: y}]}]}]",
                 "headers[1].name"},
                {"rules: [{filters: [{type: RequestHeaderModifier}]}]", "wants the field"},
                {"rules: [{filters: [{type: RequestHeaderModifier, requestHeaderModifier: "
                 "{set: [{name: a, value: \"b\\r\\nc: d\"}]}}]}]",
                 "wants a header value"},
                {"rules: [{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {}}, "
                 "{type: RequestHeaderModifier, requestHeaderModifier: {}}]}]",
                 "filters[1]: type RequestHeaderModifier is that of item 0"},
                {"rules: [{backendRefs: [{name: a}]}]", "has no port"},
                {"rules: [{backendRefs: [{name: a, port: 80, weight: -1}]}]", "is no weight"},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                char text[2048];
                snprintf(text, sizeof(text),
                         "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
                         "metadata: {name: r, namespace: edge}\nspec:\n"
                         "  parentRefs: [{name: edge}]\n  %s\n",
                         cases[i].edit);
                check_says(text, cases[i].says);
        }
}

#define TLS_RULES "rules: [{backendRefs: [{name: a, port: 80}]}]"

static void other_kinds_keep_the_rules_of_their_crds(void **state)
{
        (void)state;
        static const struct {
                const char *kind, *edit, *says;
        } cases[] = {
                {"GRPCRoute", "rules: [{matches: [{method: {}}]}]",
                 "has neither service nor method"},
                {"GRPCRoute", "rules: [{matches: [{method: {service: 'a..b'}}]}]",
                 "method.service: is no service's name"},
                {"GRPCRoute", "rules: [{matches: [{method: {service: 'a.b/c'}}]}]",
                 "method.service: is no service's name"},
                {"GRPCRoute", "rules: [{matches: [{method: {method: '1st'}}]}]",
                 "method.method: is no method's name"},
                {"GRPCRoute", "rules: [{matches: [{path: {value: /a}}]}]", "path: no such field"},
                {"GRPCRoute", "rules: [{name: a}, {name: a}]",
                 "rules[1].name: is \"a\" as in item 0"},
                {"GRPCRoute", "rules: [{filters: [{type: RequestHeaderModifier}]}]",
                 "wants the field"},
                {"GRPCRoute", "rules: [{backendRefs: [{name: a}]}]", "has no port"},
                {"TLSRoute", TLS_RULES, "has no hostnames"},
                {"TLSRoute", "hostnames: []\n  " TLS_RULES, "hostnames: has 0 items"},
                {"TLSRoute", "hostnames: ['192.0.2.1']\n  " TLS_RULES, "is an IP address"},
                {"TLSRoute", "hostnames: [a.b]", "has no rules"},
                {"TLSRoute", "hostnames: [a.b]\n  rules: [{}]", "has no backendRefs"},
                {"TLSRoute",
                 "hostnames: [a.b]\n  rules: [{backendRefs: [{name: a, port: 80, filters: "
                 "[{type: RequestHeaderModifier, requestHeaderModifier: {}}]}]}]",
                 "stands on a TLSRoute or TCPRoute"},
                {"TCPRoute", "rules: [{backendRefs: []}]", "backendRefs: has 0 items"},
                {"TCPRoute",
                 "rules: [{backendRefs: [{name: a, port: 80}]}, {backendRefs: [{name: a, port: 80}]}]",
                 "rules: has 2 items, wants at most 1"},
                {"ListenerSet", "listeners: " OK_LISTENER, "has no parentRef"},
                {"ListenerSet", "parentRef: {name: edge}\n  listeners: []",
                 "listeners: has 0 items"},
                {"ListenerSet",
                 "parentRef: {name: edge}\n  listeners: [{name: a, port: 80, protocol: TCP}, "
                 "{name: b, port: 80, protocol: TCP}]",
                 "has port, protocol and hostname of listener a"},
                {"ListenerSet",
                 "parentRef: {name: edge}\n  listeners: [{name: a, port: 0, protocol: HTTP}]",
                 "is 0, wants 1 to 65535"},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                char text[2048];
                snprintf(text, sizeof(text),
                         "apiVersion: gateway.networking.k8s.io/v1\nkind: %s\n"
                         "metadata: {name: r, namespace: edge}\nspec:\n  %s\n",
                         cases[i].kind, cases[i].edit);
                check_says(text, cases[i].says);
        }
}

static void objects_say_what_they_are(void **state)
{
        (void)state;
        check_says("a: 1\n", "is no Kubernetes object");
        check_says("apiVersion: v2\nkind: Secret\nmetadata: {name: a}\n", "version v2 of Secret");
        check_says("apiVersion: v1\nkind: Secret\n", "has no metadata");
        check_says("apiVersion: v1\nkind: Secret\nmetadata: {}\n", "metadata: has no name");
        check_says("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {x: '!'}\n",
                   "edge.yaml:4: Secret default/a: data.x: ");
        check_says("apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: a, "
                   "annotations: {pingate.dev/require-pinning: 'yes'}}\nspec: {gatewayClassName: "
                   "pingate, listeners: " OK_LISTENER "}\n",
                   "neither \"true\" nor \"false\"");
}

static void an_unknown_field_elsewhere_is_a_warning(void **state)
{
        (void)state;
        struct error err = {0};
        size_t warnings;
        assert_true(read_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\nmore: 1\n",
                              &err, &warnings));
        assert_int_equal(warnings, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_stands_under_spec_tls_is_exact),
                cmocka_unit_test(listeners_keep_the_rules_of_their_crd),
                cmocka_unit_test(routes_keep_the_rules_of_their_crd),
                cmocka_unit_test(other_kinds_keep_the_rules_of_their_crds),
                cmocka_unit_test(objects_say_what_they_are),
                cmocka_unit_test(an_unknown_field_elsewhere_is_a_warning),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
