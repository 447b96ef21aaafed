/* What golden twins can't show: what a second translation takes over from the first, and that a
 * change of one object changes what it should and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/translate/pool.h"
#include "control/translate/translate.h"
#include "text/yaml.h"

#define SPKI_A "NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A="
#define SPKI_B "yUT4IsW/MLtiyOU6wOe7adzrB7DAA3M2CEitBLKH8dc="

static const char gateway_yaml[] =
        "---\n"
        "apiVersion: gateway.networking.k8s.io/v1\n"
        "kind: Gateway\n"
        "metadata: {name: edge, namespace: edge}\n"
        "spec:\n"
        "  gatewayClassName: pingate\n"
        "  listeners: [{name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: "
        "tls}]}}]\n"
        "  tls: {frontend: {default: {validation: {caCertificateRefs: [{group: '', kind: "
        "ConfigMap, name: corp-ca, namespace: shared}]}}}}\n"
        "---\n"
        "apiVersion: pingate.dev/v1alpha1\n"
        "kind: ClientCertificatePolicy\n"
        "metadata: {name: partners, namespace: edge}\n"
        "spec:\n"
        "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]\n"
        "  pinSetRefs: [{group: '', kind: ConfigMap, name: one}, {group: '', kind: ConfigMap, name: "
        "two}]\n";

static const char grant_yaml[] =
        "---\n"
        "apiVersion: gateway.networking.k8s.io/v1\n"
        "kind: ReferenceGrant\n"
        "metadata: {name: g, namespace: shared}\n"
        "spec: {from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: edge}], "
        "to: [{group: '', kind: ConfigMap}]}\n";

struct text {
        char bytes[1 << 18];
        size_t len;
};

static void add(struct text *text, const char *more)
{
        size_t len = strlen(more);
        assert_true(text->len + len < sizeof(text->bytes));
        memcpy(text->bytes + text->len, more, len + 1);
        text->len += len;
}

static void add_pins(struct text *text, const char *name, const char *pins)
{
        char object[512];
        snprintf(object, sizeof(object),
                 "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: edge}\n"
                 "data: {pins.txt: \"%s\"}\n",
                 name, pins);
        add(text, object);
}

/* ConfigMap shared/corp-ca and the rest, from the golden twins' common.yaml. */
static void add_common(struct text *text)
{
        char bytes[16384];
        FILE *file = fopen(COMMON_YAML, "r");
        assert_non_null(file);
        size_t len = fread(bytes, 1, sizeof(bytes) - 1, file);
        fclose(file);
        bytes[len] = '\0';
        add(text, bytes);
}

static void text_make(struct text *text, const char *one, const char *two)
{
        text->len = 0;
        add_common(text);
        add(text, gateway_yaml);
        add_pins(text, "one", one);
        add_pins(text, "two", two);
}

static struct set_cache *prepared; /* of all Secrets, before a translation */

static struct translation *translate_pooled(const struct text *text,
                                            const struct translation *previous,
                                            const struct address_pool *pool)
{
        struct objects *objects = objects_new();
        struct yaml_docs docs;
        struct error err;
        struct translation *out = NULL;
        if (!yaml_parse(&objects->arena, slice_from(text->bytes, text->len), "edge.yaml", &docs,
                        &err))
                fail_msg("%s", err.text);
        for (size_t i = 0; i < docs.count; i++)
                if (!objects_add(objects, docs.items[i], &err))
                        fail_msg("%s", err.text);
        for (size_t i = 0; prepared && i < objects->kinds[KIND_SECRET].count; i++)
                set_cache_prepare(prepared, objects->kinds[KIND_SECRET].items[i]);
        struct translate_request request = {.objects = objects,
                                            .previous = previous,
                                            .prepared = prepared,
                                            .generation = 7,
                                            .now = 1790000000,
                                            .pool = pool};
        assert_true(translate(&request, &out, &err));
        objects_unref(objects);
        return out;
}

static struct translation *translate_text(const struct text *text,
                                          const struct translation *previous)
{
        return translate_pooled(text, previous, NULL);
}

static const struct client_policy *client_of(const struct translation *translation)
{
        assert_int_equal(translation->snapshot->port_count, 1);
        return translation->snapshot->ports[0].client;
}

static void unchanged_sets_are_taken_over_and_a_changed_one_is_built_anew(void **state)
{
        (void)state;
        struct text text;
        text_make(&text, "spki:" SPKI_A, "spki:" SPKI_B);
        add(&text, grant_yaml);
        struct translation *first = translate_text(&text, NULL);
        text_make(&text, "spki:" SPKI_A, "# nobody any more");
        add(&text, grant_yaml);
        struct translation *second = translate_text(&text, first);
        const struct client_policy *before = client_of(first), *after = client_of(second);
        assert_int_equal(before->scope_count, 1);
        assert_ptr_equal(before->cas, after->cas);
        assert_ptr_equal(before->scopes[0].sets[0], after->scopes[0].sets[0]);
        assert_ptr_not_equal(before->scopes[0].sets[1], after->scopes[0].sets[1]);
        assert_int_equal(client_policy_pin_count(before, 0), 2);
        assert_int_equal(client_policy_pin_count(after, 0), 1);
        assert_false(digest_equal(&before->digest, &after->digest));
        translation_free(first);
        snapshot_reap();
        assert_int_equal(client_policy_pin_count(after, 0), 1); /* the sets live on */
        translation_free(second);
        snapshot_reap();
}

static void a_certificate_is_taken_over_and_outlives_where_it_was(void **state)
{
        struct text text;
        (void)state;
        text_make(&text, SPKI_A, SPKI_B);
        struct translation *first = translate_text(&text, NULL);
        text_make(&text, SPKI_A, SPKI_A);
        struct translation *second = translate_text(&text, first);
        const struct server_certificate *before = first->snapshot->certificates[0];
        const struct server_certificate *after = second->snapshot->certificates[0];
        assert_int_equal(second->snapshot->certificate_count, 1);
        assert_ptr_equal(before->pair, after->pair); /* no key is decoded again */
        assert_memory_equal(&before->digest, &after->digest, sizeof(after->digest));
        translation_free(first);
        struct translation *anew = translate_text(&text, NULL);
        assert_memory_equal(&second->snapshot->digest, &anew->snapshot->digest,
                            sizeof(anew->snapshot->digest));
        translation_free(anew);
        translation_free(second);
}

static void what_was_decoded_beforehand_is_not_decoded_again(void **state)
{
        struct text text;
        (void)state;
        text_make(&text, SPKI_A, SPKI_B);
        prepared = set_cache_new();
        struct translation *first = translate_text(&text, NULL);
        struct translation *second = translate_text(&text, NULL);
        struct key_pair *pair = first->snapshot->certificates[0]->pair;
        assert_ptr_equal(pair, second->snapshot->certificates[0]->pair);
        set_cache_free(prepared);
        prepared = NULL;
        struct translation *third = translate_text(&text, second);
        assert_ptr_equal(pair, third->snapshot->certificates[0]->pair);
        struct translation *anew = translate_text(&text, NULL);
        assert_ptr_not_equal(pair, anew->snapshot->certificates[0]->pair);
        assert_memory_equal(&first->snapshot->digest, &anew->snapshot->digest, DIGEST_BYTES);
        translation_free(first);
        translation_free(second);
        translation_free(third);
        translation_free(anew);
}

static struct slice certificate_fault(const struct translation *translation)
{
        for (size_t i = 0; i < translation->statuses.count; i++) {
                const struct object_status *status = &translation->statuses.items[i];
                if (status->kind != KIND_GATEWAY)
                        continue;
                const struct condition_list *list = &status->listeners.items[0].conditions;
                for (size_t c = 0; c < list->count; c++)
                        if (strcmp(list->items[c].reason, "InvalidCertificateRef") == 0)
                                return list->items[c].message;
        }
        return SLICE_NONE;
}

/* From what the former translation remembers of it. */
static void what_is_no_key_pair_is_told_again_as_it_was(void **state)
{
        struct text text;
        (void)state;
        text_make(&text, SPKI_A, SPKI_B);
        char *der = strstr(strstr(text.bytes, "kind: Secret"), "    MII");
        assert_non_null(der);
        der[4] = 'A';
        struct translation *first = translate_text(&text, NULL);
        struct translation *second = translate_text(&text, first);
        assert_int_equal(second->snapshot->certificate_count, 0);
        struct slice told = certificate_fault(first);
        assert_true(
                slice_starts_with(told, SLICE("tls.certificateRefs[0]: Secret edge/tls: tls.")));
        assert_true(slice_equal(told, certificate_fault(second)));
        translation_free(first);
        translation_free(second);
}

static void a_revoked_grant_closes_the_port_at_once(void **state)
{
        (void)state;
        struct text text;
        text_make(&text, "spki:" SPKI_A, "spki:" SPKI_B);
        add(&text, grant_yaml);
        struct translation *first = translate_text(&text, NULL);
        assert_false(client_of(first)->refuses_all);
        text_make(&text, "spki:" SPKI_A, "spki:" SPKI_B);
        struct translation *second = translate_text(&text, first);
        assert_true(client_of(second)->refuses_all);
        assert_null(client_of(second)->cas);
        translation_free(first);
        translation_free(second);
        snapshot_reap();
}

static void the_same_objects_in_another_order_mean_the_same(void **state)
{
        (void)state;
        struct text text;
        text_make(&text, "spki:" SPKI_A, "spki:" SPKI_B);
        add(&text, grant_yaml);
        struct translation *first = translate_text(&text, NULL);
        text.len = 0;
        add_pins(&text, "two", "# comment\\nspki:" SPKI_B);
        add_pins(&text, "one", "spki:" SPKI_A);
        add(&text, grant_yaml);
        add(&text, gateway_yaml);
        add(&text, "---\n");
        add_common(&text);
        struct translation *second = translate_text(&text, NULL);
        assert_true(digest_equal(&first->snapshot->digest, &second->snapshot->digest));
        translation_free(first);
        translation_free(second);
        snapshot_reap();
}

static void the_snapshot_outlives_its_translation_and_its_objects(void **state)
{
        (void)state;
        struct text text;
        struct arena arena;
        text_make(&text, "spki:" SPKI_A, "spki:" SPKI_B);
        add(&text, grant_yaml);
        struct translation *translation = translate_text(&text, NULL);
        struct snapshot *snapshot = snapshot_ref(translation->snapshot);
        arena_init(&arena, 4096);
        struct slice before = snapshot_print(snapshot, &arena);
        translation_free(translation);
        snapshot_reap();
        assert_true(slice_equal(before, snapshot_print(snapshot, &arena)));
        assert_int_equal(snapshot->generation, 7);
        arena_done(&arena);
        snapshot_unref(snapshot);
        snapshot_reap();
}

/* Of `count` listeners, each on a port of its own from `first` on. */
static void add_set(struct text *text, const char *name, unsigned first, unsigned count)
{
        char line[256];
        snprintf(line, sizeof(line),
                 "---\napiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\n"
                 "metadata: {name: %s, namespace: edge}\n"
                 "spec:\n  parentRef: {name: edge}\n  listeners:\n",
                 name);
        add(text, line);
        for (unsigned i = 0; i < count; i++) {
                snprintf(line, sizeof(line), "  - {name: p%u, port: %u, protocol: HTTP}\n", i,
                         first + i);
                add(text, line);
        }
}

static size_t crowded_out_count(const struct translation *translation)
{
        size_t count = 0;
        for (size_t i = 0; i < translation->statuses.count; i++) {
                const struct object_status *status = &translation->statuses.items[i];
                for (size_t l = 0; l < status->listeners.count; l++)
                        for (size_t c = 0; c < status->listeners.items[l].conditions.count; c++)
                                count += strcmp(status->listeners.items[l]
                                                        .conditions.items[c]
                                                        .reason,
                                                "TooManyListeners") == 0;
        }
        return count;
}

/* Whoever may write a ListenerSet must not be able to keep everybody's next edit from being taken:
 * 16 addresses, so that 128 ports are all that ListenerSets may have. */
static void listener_sets_can_not_use_up_the_ports(void **state)
{
        (void)state;
        struct text text = {.len = 0};
        char line[128];
        add(&text, "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n"
                   "metadata: {name: edge, namespace: edge}\nspec:\n"
                   "  gatewayClassName: pingate\n"
                   "  allowedListeners: {namespaces: {from: Same}}\n"
                   "  listeners: [{name: last, port: 65000, protocol: HTTP}]\n  addresses:\n");
        for (unsigned i = 0; i < 16; i++) {
                snprintf(line, sizeof(line), "  - {value: 192.0.2.%u}\n", i + 1);
                add(&text, line);
        }
        add_set(&text, "a", 1000, 64);
        add_set(&text, "b", 2000, 64);
        add_set(&text, "c", 3000, 64);
        add_set(&text, "d", 4000, 64);
        add_set(&text, "e", 5000, 64);
        struct translation *translation = translate_text(&text, NULL);
        assert_int_equal(translation->snapshot->port_count, (128 + 1) * 16);
        assert_int_equal(crowded_out_count(translation), 5 * 64 - 128);
        assert_int_equal(translation->snapshot->ports[translation->snapshot->port_count - 1].number,
                         65000); /* the Gateway's own is bound all the same */
        translation_free(translation);
        snapshot_reap();
}

/* The same of Gateways: 65 of them, each with an address and 64 ports. The youngest go without. */
static void gateways_can_not_use_up_the_ports(void **state)
{
        (void)state;
        struct text text = {.len = 0};
        char line[256];
        for (unsigned i = 0; i < 65; i++) {
                snprintf(line, sizeof(line),
                         "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n"
                         "metadata: {name: g%02u, namespace: edge}\nspec:\n"
                         "  gatewayClassName: pingate\n"
                         "  addresses: [{value: 192.0.2.%u}]\n  listeners:\n",
                         i, i + 1);
                add(&text, line);
                for (unsigned p = 0; p < 64; p++) {
                        snprintf(line, sizeof(line), "  - {name: p%u, port: %u, protocol: HTTP}\n",
                                 p, 1000 + p);
                        add(&text, line);
                }
        }
        struct translation *translation = translate_text(&text, NULL);
        assert_int_equal(translation->snapshot->port_count, 64 * 64);
        assert_int_equal(crowded_out_count(translation), 64);
        translation_free(translation);
        snapshot_reap();
}

static size_t parents_told(const struct translation *translation, const char *id)
{
        for (size_t i = 0; i < translation->statuses.count; i++)
                if (slice_is(translation->statuses.items[i].id, id))
                        return translation->statuses.items[i].parents.count;
        fail_msg("no status of %s", id);
        return 0;
}

/* The parent asked for last is remembered: each part of a reference must tell the next one apart.
 */
/* Or a tenant's routes cost as much again for each of the listeners. */
static void listeners_that_lead_to_the_same_share_a_table(void **state)
{
        (void)state;
        struct text text = {.len = 0};
        add(&text, "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n"
                   "metadata: {name: edge, namespace: edge}\nspec:\n"
                   "  gatewayClassName: pingate\n"
                   "  addresses: [{value: 192.0.2.1}]\n  listeners:\n"
                   "  - {name: a, port: 81, protocol: HTTP}\n"
                   "  - {name: b, port: 82, protocol: HTTP}\n"
                   "  - {name: c, port: 83, protocol: HTTP, hostname: one.example.com}\n"
                   "  - {name: d, port: 84, protocol: HTTP}\n"
                   "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
                   "metadata: {name: app, namespace: edge}\nspec:\n"
                   "  parentRefs: [{name: edge}]\n"
                   "  hostnames: [one.example.com, two.example.com]\n  rules: [{}]\n"
                   "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
                   "metadata: {name: more, namespace: edge}\nspec:\n"
                   "  parentRefs: [{name: edge, sectionName: d}]\n  rules: [{}]\n");
        struct translation *translation = translate_text(&text, NULL);
        const struct port *ports = translation->snapshot->ports;
        assert_int_equal(translation->snapshot->port_count, 4);
        assert_non_null(ports[0].listeners[0].routes);
        assert_ptr_equal(ports[0].listeners[0].routes, ports[1].listeners[0].routes);
        assert_ptr_not_equal(ports[0].listeners[0].routes, ports[2].listeners[0].routes);
        assert_ptr_not_equal(ports[0].listeners[0].routes, ports[3].listeners[0].routes);
        assert_ptr_not_equal(ports[2].listeners[0].routes, ports[3].listeners[0].routes);
        translation_free(translation);
        snapshot_reap();
}

static void parents_that_differ_in_one_part_are_not_mixed_up(void **state)
{
        (void)state;
        static const char route[] =
                "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
                "metadata: {name: app, namespace: %s}\nspec:\n  parentRefs:\n%s";
        static const char parents[] = "  - {name: edge, kind: ListenerSet}\n"
                                      "  - {name: edge}\n"
                                      "  - {name: other}\n"
                                      "  - {name: edge, namespace: elsewhere}\n"
                                      "  - {name: edge, namespace: edge}\n"
                                      "  - {name: edge, namespace: edge, group: x.example}\n";
        struct text text = {.len = 0};
        char lines[1024];
        add(&text, "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n"
                   "metadata: {name: edge, namespace: edge}\nspec:\n"
                   "  gatewayClassName: pingate\n"
                   "  listeners: [{name: http, port: 80, protocol: HTTP, "
                   "allowedRoutes: {namespaces: {from: All}}}]\n");
        snprintf(lines, sizeof(lines), route, "edge", parents);
        add(&text, lines);
        snprintf(lines, sizeof(lines), route, "elsewhere", parents);
        add(&text, lines);
        struct translation *translation = translate_text(&text, NULL);
        assert_int_equal(parents_told(translation, "HTTPRoute edge/app"), 2);
        assert_int_equal(parents_told(translation, "HTTPRoute elsewhere/app"), 1);
        translation_free(translation);
        snapshot_reap();
}

static bool wants(const struct translation *translation, const char *namespace, const char *name)
{
        size_t found = 0;
        for (size_t i = 0; i < translation->wanted.count; i++)
                found += slice_is(translation->wanted.items[i].namespace, namespace) &&
                         slice_is(translation->wanted.items[i].name, name);
        assert_true(found <= 1);
        return found == 1;
}

/* What a cluster is asked for: there or not, but never what nobody may refer to. */
static void what_objects_refer_to_is_wanted_once_and_only_where_it_is_permitted(void **state)
{
        (void)state;
        struct text text = {.len = 0};
        add(&text, gateway_yaml);
        struct translation *refused = translate_text(&text, NULL);
        assert_true(wants(refused, "edge", "tls"));
        assert_true(wants(refused, "edge", "one"));
        assert_true(wants(refused, "edge", "two"));
        assert_false(wants(refused, "shared", "corp-ca"));
        assert_int_equal(refused->missing_pairs.count, 1); /* pins and CAs are none */
        assert_true(slice_is(refused->missing_pairs.items[0].name, "tls"));
        add(&text, grant_yaml);
        struct translation *granted = translate_text(&text, NULL);
        assert_true(wants(granted, "shared", "corp-ca"));
        assert_int_equal(granted->wanted.count, 4);
        translation_free(refused);
        translation_free(granted);
}

static void add_gateway(struct text *text, const char *name, const char *had)
{
        char object[512];
        snprintf(object, sizeof(object),
                 "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n"
                 "metadata: {name: %s, namespace: edge}\n"
                 "spec: {gatewayClassName: pingate, listeners: [{name: http, port: 80, protocol: "
                 "HTTP}]}\nstatus: {addresses: [%s]}\n",
                 name, had);
        add(text, object);
}

static bool has_address(const struct translation *translation, const char *id, const char *address)
{
        for (size_t i = 0; i < translation->statuses.count; i++) {
                const struct object_status *status = &translation->statuses.items[i];
                if (slice_is(status->id, id))
                        return status->addresses.count == 1 &&
                               slice_is(status->addresses.items[0], address);
        }
        return false;
}

/* A status that was written comes back by the watch, and not before others have come and gone. */
static void an_address_that_no_status_tells_yet_is_kept(void **state)
{
        (void)state;
        struct address_pool *pool;
        struct error err;
        struct text text = {.len = 0};
        assert_true(address_pool_parse(SLICE("192.0.2.1-192.0.2.9"), &pool, &err));
        add_gateway(&text, "a", "");
        add_gateway(&text, "b", "");
        struct translation *first = translate_pooled(&text, NULL, pool);
        assert_true(has_address(first, "Gateway edge/a", "192.0.2.1"));
        assert_true(has_address(first, "Gateway edge/b", "192.0.2.2"));
        text.len = 0;
        add_gateway(&text, "b", "");
        add_gateway(&text, "c", "");
        struct translation *second = translate_pooled(&text, first, pool);
        assert_true(has_address(second, "Gateway edge/b", "192.0.2.2"));
        assert_true(has_address(second, "Gateway edge/c", "192.0.2.1"));
        text.len = 0; /* another replica led, and gave it another */
        add_gateway(&text, "b", "{value: 192.0.2.7}");
        struct translation *third = translate_pooled(&text, second, pool);
        assert_true(has_address(third, "Gateway edge/b", "192.0.2.7"));
        translation_free(first);
        translation_free(second);
        translation_free(third);
        snapshot_reap();
        address_pool_free(pool);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_address_that_no_status_tells_yet_is_kept),
                cmocka_unit_test(unchanged_sets_are_taken_over_and_a_changed_one_is_built_anew),
                cmocka_unit_test(a_certificate_is_taken_over_and_outlives_where_it_was),
                cmocka_unit_test(what_was_decoded_beforehand_is_not_decoded_again),
                cmocka_unit_test(what_is_no_key_pair_is_told_again_as_it_was),
                cmocka_unit_test(a_revoked_grant_closes_the_port_at_once),
                cmocka_unit_test(the_same_objects_in_another_order_mean_the_same),
                cmocka_unit_test(the_snapshot_outlives_its_translation_and_its_objects),
                cmocka_unit_test(
                        what_objects_refer_to_is_wanted_once_and_only_where_it_is_permitted),
                cmocka_unit_test(listener_sets_can_not_use_up_the_ports),
                cmocka_unit_test(gateways_can_not_use_up_the_ports),
                cmocka_unit_test(listeners_that_lead_to_the_same_share_a_table),
                cmocka_unit_test(parents_that_differ_in_one_part_are_not_mixed_up),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
