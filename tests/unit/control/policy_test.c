/* Every field of a ClientCertificatePolicy: what it decodes to, what it is where it is left out,
 * and each way to write it wrong, with the words that tell where and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/must.h"
#include "control/api/kinds.h"
#include "control/api/policy.h"
#include "text/yaml.h"

#define SPKI "NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A="
#define HEX  "df6ff7aa01234567890abcdeffedcba9876543210f1e2d3c4b5a69788796a5b4"

struct world {
        struct arena arena;
        struct decoder decoder;
        struct client_certificate_policy policy;
        struct error err;
};

/* `spec` are lines under spec:, each indented by two. */
static bool decode(struct world *w, const char *spec)
{
        struct yaml_docs docs;
        char *text = memory_new(64 * 1024);
        *w = (struct world){.err = {.text = ""}};
        arena_init(&w->arena, 4096);
        w->decoder = (struct decoder){.arena = &w->arena,
                                      .object = SLICE("ClientCertificatePolicy edge/p")};
        snprintf(text, 64 * 1024,
                 "apiVersion: pingate.dev/v1alpha1\nkind: ClientCertificatePolicy\n"
                 "metadata: {name: p, namespace: edge}\nspec:\n%s",
                 spec);
        bool ok = yaml_parse(&w->arena, slice_of(text), "edge.yaml", &docs, &w->err) &&
                  shape_decode(&w->decoder, &policy_shape, docs.items[0], &w->policy, &w->err);
        free(text);
        return ok;
}

#define TARGET "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]\n"

static const struct client_certificate_policy *good(struct world *w, const char *spec)
{
        if (!decode(w, spec))
                fail_msg("%s", w->err.text);
        return &w->policy;
}

/* A field beside a target, in a world that is gone when it returns. */
static void check_says(const char *edit, const char *says)
{
        struct world w;
        char spec[4096];
        snprintf(spec, sizeof(spec), "%s  %s\n", strstr(edit, "targetRefs") ? "" : TARGET, edit);
        if (decode(&w, spec))
                fail_msg("was taken, wants \"%s\":\n%s", says, spec);
        if (!strstr(w.err.text, says))
                fail_msg("\"%s\" does not say \"%s\"", w.err.text, says);
        if (!strstr(w.err.text, "ClientCertificatePolicy edge/p: spec"))
                fail_msg("\"%s\" does not name object and field", w.err.text);
        if (strchr(w.err.text, '\n'))
                fail_msg("\"%s\" is not one line", w.err.text);
        arena_done(&w.arena);
}

static void check_good(const char *edit)
{
        struct world w;
        char spec[4096];
        snprintf(spec, sizeof(spec), "%s  %s\n", strstr(edit, "targetRefs") ? "" : TARGET, edit);
        good(&w, spec);
        arena_done(&w.arena);
}

static void what_is_left_out_has_its_default(void **state)
{
        (void)state;
        struct world w;
        const struct client_certificate_policy *policy = good(&w, TARGET);
        assert_int_equal(policy->targets.count, 1);
        assert_int_equal(policy->enforcement, ENFORCEMENT_ENFORCE);
        assert_int_equal(policy->trust, TRUST_CERTIFICATE_AUTHORITY);
        assert_int_equal(policy->extended_key_usage, USE_CLIENT_AUTH);
        assert_int_equal(policy->pins.count + policy->deny.count + policy->pin_sets.count, 0);
        assert_int_equal(policy->removal.action, REMOVAL_DRAIN);
        assert_int_equal(policy->removal.grace_ms, 10000);
        assert_int_equal(policy->forward, FORWARD_CLIENT_CERT);
        assert_false(policy->forward_given);
        arena_done(&w.arena);
}

static void every_field_is_decoded_into_its_value(void **state)
{
        (void)state;
        struct world w;
        const struct client_certificate_policy *policy =
                good(&w, TARGET
                     "  enforcement: Enforce\n  trust: PinnedOnly\n  extendedKeyUsage: Any\n"
                     "  pins:\n"
                     "  - {name: acme-robot, owner: payments@acme.example, spkiHash: '" SPKI "',\n"
                     "     notBefore: 2026-11-01T00:00:00Z, notAfter: 2027-02-01T00:00:00+01:00}\n"
                     "  - {certificateHash: '" HEX "'}\n"
                     "  - {issuerSpkiHash: 'sha256:" HEX "'}\n"
                     "  deny:\n"
                     "  - {name: lost-laptop, certificateHash: '" HEX "'}\n"
                     "  pinSetRefs:\n"
                     "  - {group: '', kind: ConfigMap, name: devices}\n"
                     "  - {group: '', kind: Secret, name: more, namespace: other}\n"
                     "  - {group: pingate.dev, kind: File, name: pins/devices.txt}\n"
                     "  onRemoval: {action: Close, grace: 1m}\n"
                     "  forward: [XForwardedClientCert, ClientCertChain]\n");
        assert_int_equal(policy->enforcement, ENFORCEMENT_ENFORCE);
        assert_int_equal(policy->trust, TRUST_PINNED_ONLY);
        assert_int_equal(policy->extended_key_usage, USE_ANY);
        assert_int_equal(policy->removal.action, REMOVAL_CLOSE);
        assert_int_equal(policy->removal.grace_ms, 60000);
        assert_int_equal(policy->forward, FORWARD_CLIENT_CERT_CHAIN | FORWARD_XFCC);
        assert_true(policy->forward_given);
        assert_int_equal(policy->pins.count, 3);
        const struct pin *pin = &policy->pins.items[0].pin;
        assert_int_equal(pin->kind, PIN_SPKI);
        assert_true(slice_is(pin->name, "acme-robot"));
        assert_true(slice_is(pin->owner, "payments@acme.example"));
        assert_int_equal(pin->not_before, 1793491200);
        assert_int_equal(pin->not_after, 1801436400);
        struct digest digest;
        assert_true(pin_text_parse(SLICE(SPKI), PIN_SPKI, &digest, &w.err));
        assert_true(digest_equal(&digest, &pin->digest));
        pin = &policy->pins.items[1].pin;
        assert_int_equal(pin->kind, PIN_CERTIFICATE);
        assert_int_equal(pin->name.len + pin->owner.len, 0);
        assert_true(pin->not_before == PIN_ALWAYS_FROM && pin->not_after == PIN_ALWAYS_UNTIL);
        assert_int_equal(policy->pins.items[2].pin.kind, PIN_ISSUER);
        assert_true(digest_equal(&policy->pins.items[2].pin.digest, &pin->digest));
        assert_int_equal(policy->deny.count, 1);
        assert_true(slice_is(policy->deny.items[0].pin.name, "lost-laptop"));
        assert_int_equal(policy->pin_sets.count, 3);
        assert_false(pin_set_ref_is_file(&policy->pin_sets.items[0]));
        assert_true(slice_is(policy->pin_sets.items[1].namespace, "other"));
        assert_true(pin_set_ref_is_file(&policy->pin_sets.items[2]));
        arena_done(&w.arena);
}

static void each_word_is_its_own_value(void **state)
{
        (void)state;
        struct world w;
        assert_int_equal(good(&w, TARGET "  enforcement: ReportOnly\n")->enforcement,
                         ENFORCEMENT_REPORT_ONLY);
        arena_done(&w.arena);
        assert_int_equal(good(&w, TARGET "  trust: CertificateAuthority\n")->trust,
                         TRUST_CERTIFICATE_AUTHORITY);
        arena_done(&w.arena);
        assert_int_equal(good(&w, TARGET "  extendedKeyUsage: ClientAuth\n")->extended_key_usage,
                         USE_CLIENT_AUTH);
        arena_done(&w.arena);
        assert_int_equal(
                good(&w, TARGET "  extendedKeyUsage: ClientOrServerAuth\n")->extended_key_usage,
                USE_CLIENT_OR_SERVER_AUTH);
        arena_done(&w.arena);
        assert_int_equal(good(&w, TARGET "  onRemoval: {action: Keep}\n")->removal.action,
                         REMOVAL_KEEP);
        assert_int_equal(w.policy.removal.grace_ms, 10000);
        arena_done(&w.arena);
        assert_int_equal(good(&w, TARGET "  onRemoval: {grace: 0s}\n")->removal.action,
                         REMOVAL_DRAIN);
        assert_int_equal(w.policy.removal.grace_ms, 0);
        arena_done(&w.arena);
        assert_int_equal(good(&w, TARGET "  onRemoval: {}\n")->removal.grace_ms, 10000);
        arena_done(&w.arena);
        assert_int_equal(good(&w, TARGET "  forward: []\n")->forward, 0);
        assert_true(w.policy.forward_given);
        arena_done(&w.arena);
}

static void a_target_is_one_of_four_kinds_whole_or_by_section(void **state)
{
        (void)state;
        struct world w;
        const struct client_certificate_policy *policy = good(
                &w,
                "  targetRefs:\n"
                "  - {group: gateway.networking.k8s.io, kind: Gateway, name: a}\n"
                "  - {group: gateway.networking.k8s.io, kind: Gateway, name: a, sectionName: b}\n"
                "  - {group: gateway.networking.k8s.io, kind: Gateway, name: a, sectionName: c}\n"
                "  - {group: gateway.networking.k8s.io, kind: ListenerSet, name: a}\n"
                "  - {group: gateway.networking.k8s.io, kind: HTTPRoute, name: a}\n"
                "  - {group: gateway.networking.k8s.io, kind: GRPCRoute, name: a}\n");
        static const enum target_kind kinds[] = {TARGET_GATEWAY,    TARGET_GATEWAY,
                                                 TARGET_GATEWAY,    TARGET_LISTENER_SET,
                                                 TARGET_HTTP_ROUTE, TARGET_GRPC_ROUTE};
        assert_int_equal(policy->targets.count, COUNT_OF(kinds));
        for (size_t i = 0; i < COUNT_OF(kinds); i++)
                assert_int_equal(policy->targets.items[i].kind, kinds[i]);
        assert_int_equal(policy->targets.items[0].section_name.len, 0);
        assert_true(slice_is(policy->targets.items[2].section_name, "c"));
        assert_string_equal(target_kind_name(TARGET_GRPC_ROUTE), "GRPCRoute");
        arena_done(&w.arena);
}

struct bad {
        const char *edit, *says;
};

static void what_is_written_wrong_is_told_by_field(void **state)
{
        (void)state;
#define T(fields) "targetRefs: [{group: gateway.networking.k8s.io, " fields "}]"
        static const struct bad cases[] = {
                {"targetRefs: []", "spec.targetRefs: has 0 items, wants at least 1"},
                {"targetRefs: [{kind: Gateway, name: a}]",
                 "targetRefs[0]: has no group, wants one"},
                {"targetRefs: [{group: '', kind: Gateway, name: a}]",
                 "targetRefs[0].group: is \"\", wants one of gateway.networking.k8s.io"},
                {T("name: a"), "targetRefs[0]: has no kind"},
                {T("kind: Service, name: a"), "targetRefs[0].kind: is \"Service\", wants one of "
                                              "Gateway, ListenerSet, HTTPRoute, GRPCRoute"},
                {T("kind: Gateway"), "targetRefs[0]: has no name"},
                {T("kind: Gateway, name: ''"), "targetRefs[0].name: is empty"},
                {T("kind: Gateway, name: A"), "targetRefs[0].name: is \"A\", wants a DNS name"},
                {T("kind: Gateway, name: a, namespace: b"), "namespace: no such field"},
                {T("kind: Gateway, name: a, sectionName: ''"), "sectionName: is empty"},
                {T("kind: Gateway, name: a, sectionName: A_"),
                 "sectionName: is \"A_\", wants a DNS"},
                {T("kind: Gateway, name: a}, {group: gateway.networking.k8s.io, kind: Gateway, "
                   "name: a"),
                 "targetRefs[1]: is the target of item 0 again, wants it only once"},
                {T("kind: Gateway, name: a, sectionName: b}, {group: gateway.networking.k8s.io, "
                   "kind: Gateway, name: a, sectionName: b"),
                 "targetRefs[1]: is the target of item 0 again"},
                {"pin: []", "spec.pin: no such field"},
                {"enforcement: enforce", "enforcement: is \"enforce\", wants one of Enforce, "
                                         "ReportOnly"},
                {"enforcement: ''", "enforcement: is \"\", wants one of"},
                {"enforcement: true", "enforcement: is a boolean, wants a string"},
                {"enforcement:", "enforcement: is empty, wants a value or to be left out"},
                {"trust: Anybody", "trust: is \"Anybody\", wants one of CertificateAuthority, "
                                   "PinnedOnly"},
                {"extendedKeyUsage: ServerAuth",
                 "extendedKeyUsage: is \"ServerAuth\", wants one of "
                 "ClientAuth, ClientOrServerAuth, Any"},
                {"pins: {}", "spec.pins: is a map, wants a list"},
                {"pins: [{}]", "pins[0]: has 0 hashes, wants exactly one of spkiHash, "
                               "certificateHash and issuerSpkiHash"},
                {"pins: [{name: a}]", "pins[0]: has 0 hashes"},
                {"pins: [{spkiHash: '" SPKI "', certificateHash: '" HEX "'}]", "has 2 hashes"},
                {"pins: [{spkiHash: '" SPKI "', issuerSpkiHash: '" SPKI "'}]", "has 2 hashes"},
                {"pins: [{spkiHash: ''}]", "pins[0].spkiHash: is empty"},
                {"pins: [{spkiHash: abcd}]", "pins[0].spkiHash: 2 bytes, wants 32 (SHA-256, SPKI"},
                {"pins: [{certificateHash: abcd}]", "certificateHash: 2 bytes, wants 32 (SHA-256, "
                                                    "certificate hash)"},
                {"pins: [{issuerSpkiHash: abcd}]", "issuerSpkiHash: 2 bytes, wants 32 (SHA-256, "
                                                   "issuer SPKI hash)"},
                {"pins: [{certificateHash: 12}]", "is an integer, wants a string"},
                {"pins: [{spkiHash: '-----BEGIN CERTIFICATE-----'}]", "a PEM block was pasted"},
                {"pins: [{spkihash: '" SPKI "'}]", "pins[0].spkihash: no such field"},
                {"pins: [{name: ' a', spkiHash: '" SPKI "'}]", "pins[0].name: name: byte 0x20"},
                {"pins: [{name: '', spkiHash: '" SPKI "'}]", "pins[0].name: is empty"},
                {"pins: [{owner: 'a b', spkiHash: '" SPKI "'}]", "pins[0].owner: owner: byte 0x20"},
                {"pins: [{spkiHash: '" SPKI "', notAfter: 2030-02-30T00:00:00Z}]",
                 "pins[0].notAfter: \"2030-02-30T00:00:00Z\" is no time such as "},
                {"pins: [{spkiHash: '" SPKI "', notBefore: 2030-01-01}]", "pins[0].notBefore: "},
                {"pins: [{spkiHash: '" SPKI "', notBefore: 12}]", "is an integer, wants a string"},
                {"pins: [{spkiHash: '" SPKI "', notBefore: ''}]", "is no time such as"},
                {"pins: [{spkiHash: '" SPKI "', notBefore: "
                 "2030-01-01T00:00:00.00000000000000000000000000000000000000000000Z}]",
                 "pins[0].notBefore: has 65 characters, wants at most 64"},
                {"deny: [{name: a}]", "deny[0]: has 0 hashes"},
                {"deny: [{spkiHash: abcd}]", "deny[0].spkiHash: 2 bytes"},
                {"pinSetRefs: [{kind: ConfigMap, name: a}]", "pinSetRefs[0]: has no group"},
                {"pinSetRefs: [{group: '', kind: ConfigMap, name: A}]",
                 "pinSetRefs[0].name: is \"A\", wants a DNS name"},
                {"pinSetRefs: [{group: pingate.dev, kind: File, name: /etc/pins}]",
                 "pinSetRefs[0].name: is \"/etc/pins\", wants a path below"},
                {"pinSetRefs: [{group: pingate.dev, kind: File, name: a/../../b}]", "wants a path"},
                {"pinSetRefs: [{group: pingate.dev, kind: File, name: a, namespace: b}]",
                 "has a namespace, wants none for a File"},
                {"onRemoval: Drain", "spec.onRemoval: is a string, wants a map"},
                {"onRemoval: {action: Stop}", "onRemoval.action: is \"Stop\", wants one of Drain, "
                                              "Close, Keep"},
                {"onRemoval: {grace: 1h1ms}", "onRemoval.grace: is 1h1ms, wants 0s to 1h"},
                {"onRemoval: {grace: 10}", "is an integer, wants a string"},
                {"onRemoval: {grace: ''}", "onRemoval.grace: \"\" is no duration"},
                {"onRemoval: {grace: -1s}", "\"-1s\" is no duration such as 10s or 1h30m"},
                {"onRemoval: {graceSeconds: 3}", "onRemoval.graceSeconds: no such field"},
                {"forward: [Everything]", "forward[0]: is \"Everything\", wants one of ClientCert"},
                {"forward: [ClientCert, ClientCert]", "forward[1]: is \"ClientCert\" again"},
                {"forward: ClientCert", "is a string, wants a list"},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++)
                check_says(cases[i].edit, cases[i].says);
        static const char *const taken[] = {
                T("kind: HTTPRoute, name: a.b-c, sectionName: d.e"),
                "pins: []",
                "deny: []",
                "pinSetRefs: []",
                "onRemoval: {grace: 1h}",
                "onRemoval: {grace: 59m59s1000ms}",
                /* The window is empty: for the pin set's builder to count. */
                "pins: [{spkiHash: '" SPKI "', notBefore: 2030-01-01T00:00:00Z, notAfter: "
                "2030-01-01T00:00:00Z}]",
                "pins: [{name: A, spkiHash: '" SPKI "'}, {name: A, spkiHash: '" SPKI "'}]",
        };
        for (size_t i = 0; i < COUNT_OF(taken); i++)
                check_good(taken[i]);
}

/* How many items a list takes: each is `item`, its number and `rest`. */
static void check_list_limit(const char *before, const char *item, const char *rest, int max)
{
        struct world w;
        for (int count = max; count <= max + 1; count++) {
                struct buffer spec;
                buffer_init(&spec, 64 * 1024);
                must(buffer_printf(&spec, "%s", before));
                for (int i = 0; i < count; i++)
                        must(buffer_printf(&spec, "  - {%s%d%s}\n", item, i, rest));
                must(buffer_printf(&spec, "%c", '\0'));
                bool ok = decode(&w, (const char *)spec.data);
                char says[64];
                snprintf(says, sizeof(says), "has %d items, wants at most %d", count, max);
                if (ok != (count <= max) || (!ok && !strstr(w.err.text, says)))
                        fail_msg("%d of \"%s\": %s", count, item, w.err.text);
                arena_done(&w.arena);
                buffer_done(&spec);
        }
}

static void lists_and_texts_keep_their_limits(void **state)
{
        (void)state;
        check_list_limit("  targetRefs:\n",
                         "group: gateway.networking.k8s.io, kind: Gateway, name: g", "", 16);
        check_list_limit(TARGET "  pins:\n", "spkiHash: '" SPKI "', name: n", "", 256);
        check_list_limit(TARGET "  deny:\n", "spkiHash: '" SPKI "', name: n", "", 256);
        check_list_limit(TARGET "  pinSetRefs:\n", "group: '', kind: Secret, name: s", "", 64);
        static const struct {
                const char *before;
                int max;
                const char *after;
        } texts[] = {
                {"pins: [{spkiHash: '" SPKI "', name: ", 127, "}]"},
                {"pins: [{spkiHash: '" SPKI "', owner: ", 255, "}]"},
                {"deny: [{spkiHash: '" SPKI "', name: ", 127, "}]"},
                {"pinSetRefs: [{group: '', kind: Secret, name: s, namespace: ", 63, "}]"},
                {"pinSetRefs: [{group: '', name: s, kind: ", 63, "}]"},
        };
        char edit[1024], a[512];
        memset(a, 'a', sizeof(a));
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
                snprintf(edit, sizeof(edit), "%s%.*s%s", texts[i].before, texts[i].max, a,
                         texts[i].after);
                check_good(edit);
                snprintf(edit, sizeof(edit), "%s%.*s%s", texts[i].before, texts[i].max + 1, a,
                         texts[i].after);
                check_says(edit, "characters, wants at most ");
        }
}

static void pinned_only_wants_enforce_and_a_pin_of_a_leaf(void **state)
{
        (void)state;
        check_says("trust: PinnedOnly", "spec.trust: is PinnedOnly without a pin of a leaf");
        check_says("{trust: PinnedOnly, targetRefs: [{group: gateway.networking.k8s.io, kind: "
                   "Gateway, name: a}], pins: [{issuerSpkiHash: '" SPKI "'}]}",
                   "spec.trust: is PinnedOnly without a pin of a leaf");
        /* Who is denied is not let in by it. */
        check_says("{trust: PinnedOnly, targetRefs: [{group: gateway.networking.k8s.io, kind: "
                   "Gateway, name: a}], deny: [{spkiHash: '" SPKI "'}]}",
                   "spec.trust: is PinnedOnly without a pin of a leaf");
        check_says("{trust: PinnedOnly, enforcement: ReportOnly, targetRefs: [{group: "
                   "gateway.networking.k8s.io, kind: Gateway, name: a}], pins: [{spkiHash: '" SPKI
                   "'}]}",
                   "spec.trust: is PinnedOnly beside enforcement ReportOnly, wants Enforce");
        check_good("{trust: PinnedOnly, targetRefs: [{group: gateway.networking.k8s.io, kind: "
                   "Gateway, name: a}], pinSetRefs: [{group: '', kind: Secret, name: s}]}");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_left_out_has_its_default),
                cmocka_unit_test(every_field_is_decoded_into_its_value),
                cmocka_unit_test(each_word_is_its_own_value),
                cmocka_unit_test(a_target_is_one_of_four_kinds_whole_or_by_section),
                cmocka_unit_test(what_is_written_wrong_is_told_by_field),
                cmocka_unit_test(lists_and_texts_keep_their_limits),
                cmocka_unit_test(pinned_only_wants_enforce_and_a_pin_of_a_leaf),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
