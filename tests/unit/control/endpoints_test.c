/* Changes of EndpointSlices alone: what translate_endpoints makes of what served before is what
 * translate makes of all objects, step after step, in the snapshot and in what objects are told. */
#include "../base/harness.h"

#include "control/translate/translate.h"
#include "text/json.h"
#include "text/yaml.h"

enum {
        SERVICES = 5,
        SLICES = 8,
        ADDRESSES = 4,
        STEPS = 400,
        TEXT_MAX = 65536,
};

static const char world_yaml[] =
        "---\n"
        "apiVersion: gateway.networking.k8s.io/v1\n"
        "kind: Gateway\n"
        "metadata: {name: edge, namespace: edge}\n"
        "spec:\n"
        "  gatewayClassName: pingate\n"
        "  listeners:\n"
        "  - {name: http, port: 80, protocol: HTTP}\n"
        "  - {name: tcp, port: 82, protocol: TCP}\n"
        "  tls: {backend: {clientCertificateRef: {group: '', kind: Secret, name: tls}}}\n"
        "---\n"
        "apiVersion: gateway.networking.k8s.io/v1\n"
        "kind: HTTPRoute\n"
        "metadata: {name: a, namespace: edge}\n"
        "spec:\n"
        "  parentRefs: [{name: edge}]\n"
        "  rules:\n"
        "  - backendRefs: [{name: s0, port: 80}, {name: s1, port: 80}, {name: s1, port: 81}]\n"
        "  - matches: [{path: {type: PathPrefix, value: /b}}]\n"
        "    filters: [{type: RequestMirror, requestMirror: {backendRef: {name: s2, port: 80}}}]\n"
        "    backendRefs: [{name: outside, port: 80}, {name: gone, port: 80}]\n"
        "---\n"
        "apiVersion: gateway.networking.k8s.io/v1\n"
        "kind: GRPCRoute\n"
        "metadata: {name: g, namespace: edge}\n"
        "spec:\n"
        "  parentRefs: [{name: edge}]\n"
        "  hostnames: [grpc.example.com]\n"
        "  rules: [{backendRefs: [{name: s0, port: 80}]}]\n"
        "---\n"
        "apiVersion: gateway.networking.k8s.io/v1alpha2\n"
        "kind: TCPRoute\n"
        "metadata: {name: t, namespace: edge}\n"
        "spec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{name: s3, port: 81}]}]}\n"
        "---\n"
        "apiVersion: gateway.networking.k8s.io/v1\n"
        "kind: BackendTLSPolicy\n"
        "metadata: {name: p, namespace: edge}\n"
        "spec:\n"
        "  targetRefs: [{group: '', kind: Service, name: s1}]\n"
        "  validation:\n"
        "    caCertificateRefs: [{group: '', kind: ConfigMap, name: corp-ca}]\n"
        "    hostname: s1.internal\n"
        "---\n"
        "apiVersion: v1\n"
        "kind: Service\n"
        "metadata: {name: outside, namespace: edge}\n"
        "spec: {type: ExternalName, externalName: outside.example.com, ports: [{port: 80}]}\n";

/* s2 publishes what is not ready; nobody routes to s4. */
static const char service_yaml[] =
        "---\n"
        "apiVersion: v1\n"
        "kind: Service\n"
        "metadata: {name: s%d, namespace: edge}\n"
        "spec: {publishNotReadyAddresses: %s, ports: [{name: one, port: 80}, {name: two, port: 81}]}\n";

struct entry {
        unsigned address; /* 0: there is none */
        bool ready, terminating;
};

struct slice_model {
        bool there, fqdn, one_port;
        int service;
        struct entry entries[ADDRESSES];
};

struct world {
        struct slice_model slices[SLICES];
        const char *more; /* a document behind all others, or "" */
};

static unsigned seed = 1;

static unsigned below(unsigned count)
{
        seed = seed * 1103515245 + 12345;
        return (seed >> 16) % count;
}

static void slice_print(const struct slice_model *slice, size_t number, struct buffer *out)
{
        buffer_printf(
                out,
                "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
                "metadata: {name: e%zu, namespace: edge, labels: {kubernetes.io/service-name: "
                "s%d}}\naddressType: %s\nports: [{name: one, port: 8080}%s]\nendpoints:\n",
                number, slice->service, slice->fqdn ? "FQDN" : "IPv4",
                slice->one_port ? "" : ", {name: two, port: 8081}");
        for (size_t i = 0; i < ADDRESSES; i++)
                if (slice->entries[i].address)
                        buffer_printf(
                                out,
                                "- {addresses: ['%s%u'], conditions: {ready: %s, serving: true, "
                                "terminating: %s}}\n",
                                slice->fqdn ? "pod" : "192.0.2.", slice->entries[i].address,
                                slice->entries[i].ready ? "true" : "false",
                                slice->entries[i].terminating ? "true" : "false");
        buffer_printf(out, "- {addresses: ['%s'], conditions: {ready: false}}\n",
                      slice->fqdn ? "last" : "192.0.2.250");
}

static struct objects *objects_of(const struct world *world)
{
        struct objects *objects = objects_new();
        struct buffer text;
        struct yaml_docs docs;
        struct error err;
        char common[16384];
        FILE *file = fopen(COMMON_YAML, "r");
        assert_non_null(file);
        size_t len = fread(common, 1, sizeof(common), file);
        fclose(file);
        buffer_init(&text, TEXT_MAX);
        buffer_append(&text, slice_from(common, len));
        buffer_append(&text, slice_of(world_yaml));
        for (int i = 0; i < SERVICES; i++) {
                char one[512];
                int wrote = snprintf(one, sizeof(one), service_yaml, i, i == 2 ? "true" : "false");
                buffer_append(&text, slice_from(one, (size_t)wrote));
        }
        for (size_t i = 0; i < SLICES; i++)
                if (world->slices[i].there)
                        slice_print(&world->slices[i], i, &text);
        assert_true(buffer_append(&text, slice_of(world->more)));
        if (!yaml_parse(&objects->arena, buffer_slice(&text), "edge.yaml", &docs, &err))
                fail_msg("%s", err.text);
        for (size_t i = 0; i < docs.count; i++)
                if (!objects_add(objects, docs.items[i], &err))
                        fail_msg("%s", err.text);
        buffer_done(&text);
        return objects;
}

static struct translate_request request_of(const struct objects *objects,
                                           const struct translation *previous)
{
        return (struct translate_request){
                .objects = objects, .previous = previous, .generation = 7, .now = 1790000000};
}

static struct translation *translated(const struct objects *objects,
                                      const struct translation *previous)
{
        struct translate_request request = request_of(objects, previous);
        struct translation *out = NULL;
        struct error err;
        if (!translate(&request, &out, &err))
                fail_msg("%s", err.text);
        return out;
}

/* All that a translation says. */
static void print(const struct translation *translation, struct buffer *out)
{
        struct arena arena;
        arena_init(&arena, 65536);
        buffer_clear(out);
        buffer_append(out, snapshot_print(translation->snapshot, &arena));
        for (size_t i = 0; i < translation->statuses.count; i++)
                node_print_json(
                        object_status_tree(&translation->statuses.items[i], SLICE_NONE, &arena),
                        out, false);
        for (size_t i = 0; i < translation->warnings.count; i++)
                buffer_append(out, translation->warnings.items[i]);
        for (size_t i = 0; i < translation->wanted.count; i++)
                buffer_append(out, translation->wanted.items[i].name);
        assert_true(buffer_printf(out, "%d %zu %zu", translation->good,
                                  translation->snapshot->pin_count,
                                  translation->snapshot->route_count));
        arena_done(&arena);
}

static void assert_same(const struct translation *left, const struct translation *right)
{
        struct buffer a, b;
        buffer_init(&a, 1 << 20);
        buffer_init(&b, 1 << 20);
        print(left, &a);
        print(right, &b);
        assert_true(slice_equal(buffer_slice(&a), buffer_slice(&b)));
        assert_memory_equal(&left->snapshot->digest, &right->snapshot->digest,
                            sizeof(struct digest));
        assert_memory_equal(&left->snapshot->trust, &right->snapshot->trust, sizeof(struct digest));
        buffer_done(&a);
        buffer_done(&b);
}

static void entry_change(struct entry *entry)
{
        entry->address = below(4) ? 1 + below(6) : 0; /* some stand in two slices */
        entry->ready = below(2);
        entry->terminating = below(3) == 0;
}

static void slice_change(struct slice_model *slice)
{
        switch (below(6)) {
        case 0:
                slice->there = !slice->there;
                return;
        case 1:
                slice->service = (int)below(SERVICES);
                return;
        case 2:
                slice->one_port = !slice->one_port;
                slice->fqdn = below(4) == 0;
                return;
        default:
                entry_change(&slice->entries[below(ADDRESSES)]);
        }
}

static void world_make(struct world *world)
{
        *world = (struct world){.more = ""};
        for (size_t i = 0; i < SLICES; i++) {
                world->slices[i].there = below(2);
                world->slices[i].service = (int)below(SERVICES);
                for (size_t e = 0; e < ADDRESSES; e++)
                        entry_change(&world->slices[i].entries[e]);
        }
}

static void changes_come_to_what_all_of_it_says(void **state)
{
        (void)state;
        struct world world;
        size_t renewed = 0, same = 0;
        world_make(&world);
        struct objects *objects = objects_of(&world);
        struct translation *current = translated(objects, NULL);
        objects_unref(objects);
        for (size_t step = 0; step < STEPS; step++) {
                for (size_t changes = 1 + below(2); changes > 0; changes--)
                        slice_change(&world.slices[below(SLICES)]);
                objects = objects_of(&world);
                struct translate_request request = request_of(objects, NULL);
                struct translation *next = NULL, *whole = translated(objects, NULL);
                assert_true(translate_endpoints(&request, current, &next));
                assert_same(next ? next : current, whole);
                renewed += next != NULL;
                same += next == NULL;
                objects_unref(objects);
                if (next) { /* as control does: the former goes, and is reaped */
                        translation_free(current);
                        current = next;
                }
                translation_free(whole);
                snapshot_reap();
                if (below(20) > 0)
                        continue;
                /* Now and then all is translated upon what endpoints made. */
                objects = objects_of(&world);
                whole = translated(objects, current);
                assert_same(current, whole);
                translation_free(current);
                snapshot_reap();
                current = whole;
                objects_unref(objects);
        }
        assert_true(renewed > STEPS / 10 && same > STEPS / 10);
        translation_free(current);
        snapshot_reap();
}

/* A worker may hold what was built last upon a generation that is long gone. */
static void what_is_held_keeps_what_it_is_built_upon(void **state)
{
        (void)state;
        struct world world;
        world_make(&world);
        world.slices[0] = (struct slice_model){.there = true, .entries = {{1, true, false}}};
        struct objects *objects = objects_of(&world);
        struct translation *first = translated(objects, NULL), *second = NULL;
        objects_unref(objects);
        world.slices[0].entries[0].address = 200;
        objects = objects_of(&world);
        struct translate_request request = request_of(objects, NULL);
        assert_true(translate_endpoints(&request, first, &second));
        assert_non_null(second);
        objects_unref(objects);
        translation_free(first);
        snapshot_reap();
        struct snapshot *held = snapshot_ref(second->snapshot);
        translation_free(second);
        snapshot_reap();
        struct arena arena;
        arena_init(&arena, 65536);
        struct slice text = snapshot_print(held, &arena);
        assert_non_null(memmem(text.data, text.len, "192.0.2.200:8080", 16));
        arena_done(&arena);
        snapshot_unref(held);
        snapshot_reap();
}

static void what_does_not_decode_is_for_all_of_it_to_tell(void **state)
{
        (void)state;
        struct world world;
        struct translation *none = NULL;
        world_make(&world);
        struct objects *objects = objects_of(&world);
        struct translation *whole = translated(objects, NULL);
        struct translate_request request = request_of(objects, NULL);
        objects->kinds[KIND_ENDPOINT_SLICE].items[0]->fault = SLICE("is broken");
        assert_false(translate_endpoints(&request, whole, &none));
        struct translation *broken = translated(objects, whole);
        objects->kinds[KIND_ENDPOINT_SLICE].items[0]->fault = SLICE_NONE;
        assert_false(translate_endpoints(&request, broken, &none));
        objects_unref(objects);
        translation_free(whole);
        translation_free(broken);
        snapshot_reap();
}

/* Nobody calls it so; if somebody did, no backend would stand without its Service. */
static void a_service_that_is_not_there_is_no_endpoints_matter(void **state)
{
        (void)state;
        struct world world;
        struct translation *none = NULL;
        world_make(&world);
        struct objects *objects = objects_of(&world), *empty = objects_new();
        struct translation *whole = translated(objects, NULL);
        struct translate_request request = request_of(empty, NULL);
        assert_false(translate_endpoints(&request, whole, &none));
        objects_unref(objects);
        objects_unref(empty);
        translation_free(whole);
        snapshot_reap();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(changes_come_to_what_all_of_it_says),
                cmocka_unit_test(what_is_held_keeps_what_it_is_built_upon),
                cmocka_unit_test(what_does_not_decode_is_for_all_of_it_to_tell),
                cmocka_unit_test(a_service_that_is_not_there_is_no_endpoints_matter),
        };
        return RUN(tests);
}
