/* What the data plane could not do, or has yet to prove, in what objects are told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/translate/served.h"
#include "translated.h"

static const char gateway_yaml[] = "apiVersion: gateway.networking.k8s.io/v1\n"
                                   "kind: Gateway\n"
                                   "metadata: {name: edge, namespace: edge}\n"
                                   "spec:\n"
                                   "  gatewayClassName: pingate\n"
                                   "  addresses: [{type: IPAddress, value: 192.0.2.1}]\n"
                                   "  listeners:\n"
                                   "  - {name: one, port: 8080, protocol: HTTP}\n"
                                   "  - {name: two, port: 8081, protocol: HTTP}\n"
                                   "---\n"
                                   "apiVersion: gateway.networking.k8s.io/v1\n"
                                   "kind: Gateway\n"
                                   "metadata: {name: other, namespace: edge}\n"
                                   "spec:\n"
                                   "  gatewayClassName: pingate\n"
                                   "  addresses: [{type: IPAddress, value: 192.0.2.2}]\n"
                                   "  listeners: [{name: one, port: 8080, protocol: HTTP}]\n"
                                   "---\n"
                                   "apiVersion: gateway.networking.k8s.io/v1\n"
                                   "kind: HTTPRoute\n"
                                   "metadata: {name: app, namespace: edge}\n"
                                   "spec: {parentRefs: [{name: edge}], rules: [{}]}\n";

struct world {
        struct translation *translation;
        struct arena arena;
        struct served_facts facts;
        struct port_fault faults[2];
        struct served_statuses told;
};

static void world_init(struct world *world)
{
        *world = (struct world){.translation = translated(gateway_yaml)};
        arena_init(&world->arena, 4096);
        world->facts =
                (struct served_facts){.translation = world->translation, .faults = world->faults};
}

static void world_done(struct world *world)
{
        arena_done(&world->arena);
        translation_free(world->translation);
        snapshot_reap();
}

static void add_fault(struct world *world, const char *port, int error)
{
        world->faults[world->facts.fault_count++] = (struct port_fault){slice_of(port), error};
}

static void tell(struct world *world)
{
        world->told = served_statuses(&world->facts, &world->arena);
        assert_int_equal(world->told.count, world->translation->statuses.count);
}

static const struct object_status *told_of(const struct world *world, const char *id)
{
        for (size_t i = 0; i < world->told.count; i++)
                if (slice_is(world->told.items[i]->id, id))
                        return world->told.items[i];
        fail_msg("nothing of %s", id);
        return NULL;
}

static const char *said(const struct condition_list *list, const char *type)
{
        static char text[512];
        for (size_t i = 0; i < list->count; i++)
                if (strcmp(list->items[i].type, type) == 0) {
                        snprintf(text, sizeof(text), "%s %s: %.*s",
                                 list->items[i].holds ? "True" : "False", list->items[i].reason,
                                 SLICE_ARG(list->items[i].message));
                        return text;
                }
        return "nothing";
}

static void assert_starts(const char *text, const char *with)
{
        if (strncmp(text, with, strlen(with)) != 0)
                fail_msg("%s: wants %s", text, with);
}

static const struct condition_list *listener_of(const struct object_status *status, size_t at)
{
        return &status->listeners.items[at].conditions;
}

static void without_facts_everything_is_as_translation_says(void **state)
{
        (void)state;
        struct world world;
        world_init(&world);
        tell(&world);
        const struct object_status *edge = told_of(&world, "Gateway edge/edge");
        assert_string_equal(said(&edge->conditions, "Programmed"), "True Programmed: is served");
        assert_string_equal(said(listener_of(edge, 1), "Programmed"), "True Programmed: is served");
        world_done(&world);
}

static void a_port_that_is_taken_is_the_fault_of_its_listener_alone(void **state)
{
        (void)state;
        struct world world;
        world_init(&world);
        add_fault(&world, "192.0.2.1:8081", EADDRINUSE);
        tell(&world);
        const struct object_status *edge = told_of(&world, "Gateway edge/edge");
        assert_string_equal(said(&edge->conditions, "Programmed"), "True Programmed: is served");
        assert_string_equal(said(&edge->conditions, "Accepted"),
                            "True ListenersNotValid: 192.0.2.1:8081 can't be bound (Address "
                            "already in use)");
        assert_string_equal(said(listener_of(edge, 0), "Accepted"), "True Accepted: is valid");
        assert_string_equal(said(listener_of(edge, 1), "Accepted"),
                            "False PortUnavailable: 192.0.2.1:8081 can't be bound (Address already "
                            "in use)");
        assert_string_equal(said(listener_of(edge, 1), "Programmed"),
                            "False PortUnavailable: 192.0.2.1:8081 can't be bound (Address already "
                            "in use)");
        const struct object_status *other = told_of(&world, "Gateway edge/other");
        assert_string_equal(said(&other->conditions, "Accepted"), "True Accepted: is valid");
        assert_string_equal(said(listener_of(other, 0), "Accepted"), "True Accepted: is valid");
        world_done(&world);
}

static void a_gateway_whose_ports_are_all_taken_is_not_accepted(void **state)
{
        (void)state;
        struct world world;
        world_init(&world);
        add_fault(&world, "192.0.2.1:8081", EADDRINUSE);
        add_fault(&world, "192.0.2.1:8080", EACCES);
        tell(&world);
        const struct object_status *edge = told_of(&world, "Gateway edge/edge");
        assert_starts(said(&edge->conditions, "Accepted"), "False ListenersNotValid");
        assert_starts(said(&edge->conditions, "Programmed"), "False Invalid");
        world_done(&world);
}

static void an_address_that_is_not_ours_is_the_gateways_fault(void **state)
{
        (void)state;
        struct world world;
        world_init(&world);
        add_fault(&world, "192.0.2.1:8081", EADDRNOTAVAIL);
        tell(&world);
        const struct object_status *edge = told_of(&world, "Gateway edge/edge");
        assert_starts(said(&edge->conditions, "Accepted"), "True Accepted");
        assert_starts(said(&edge->conditions, "Programmed"), "False AddressNotUsable");
        world_done(&world);
}

static void nothing_is_programmed_before_every_worker_serves_it(void **state)
{
        (void)state;
        struct world world;
        world_init(&world);
        world.facts.unserved = SLICE("generation 7 is served by 1 of 2 workers");
        tell(&world);
        const struct object_status *edge = told_of(&world, "Gateway edge/edge");
        assert_string_equal(said(&edge->conditions, "Programmed"),
                            "False Pending: generation 7 is served by 1 of 2 workers");
        assert_string_equal(said(listener_of(edge, 0), "Programmed"),
                            "False Pending: generation 7 is served by 1 of 2 workers");
        assert_string_equal(said(listener_of(edge, 0), "Accepted"), "True Accepted: is valid");
        world_done(&world);
}

static void what_is_denied_stays_denied_for_its_own_reason(void **state)
{
        (void)state;
        struct world world;
        world_init(&world);
        add_fault(&world, "192.0.2.1:8081", EADDRINUSE);
        world.facts.unserved = SLICE("not yet");
        tell(&world);
        const struct object_status *edge = told_of(&world, "Gateway edge/edge");
        assert_starts(said(listener_of(edge, 1), "Programmed"), "False PortUnavailable");
        world_done(&world);
}

/* PinningEnforced, which wants certificates of translation, is put in by hand. */
static void pinning_is_enforced_only_once_all_of_it_is_proven(void **state)
{
        (void)state;
        struct world world;
        world_init(&world);
        struct object_status *given = &world.translation->statuses.items[0];
        assert_int_equal(given->kind, KIND_GATEWAY);
        struct condition_list *list = &given->listeners.items[0].conditions;
        condition_set(list, CONDITION_PINNING, true, "Enforced", SLICE("2 pins in force"));
        const struct object_status *told;
        world.facts.proof = SLICE("replicas 2, probed");
        tell(&world);
        told = world.told.items[0];
        assert_string_equal(said(listener_of(told, 0), CONDITION_PINNING),
                            "True Enforced: 2 pins in force, replicas 2, probed");
        world.facts.unjudged = SLICE("replica b serves another digest");
        tell(&world);
        told = world.told.items[0];
        assert_string_equal(said(listener_of(told, 0), CONDITION_PINNING),
                            "False Pending: replica b serves another digest");
        assert_string_equal(said(listener_of(told, 0), "Programmed"), "True Programmed: is served");
        world.facts.probe_failure = SLICE("came in");
        tell(&world);
        told = world.told.items[0];
        assert_string_equal(said(listener_of(told, 0), CONDITION_PINNING),
                            "False ProbeFailed: came in");
        assert_string_equal(said(list, CONDITION_PINNING), "True Enforced: 2 pins in force");
        world_done(&world);
}

static void one_port_of_a_listener_is_judged_by_itself(void **state)
{
        (void)state;
        struct world world;
        world_init(&world);
        add_fault(&world, "192.0.2.1:8081", EADDRINUSE);
        const struct snapshot *snapshot = world.translation->snapshot;
        size_t denied = 0;
        for (size_t p = 0; p < snapshot->port_count; p++) {
                const struct port *port = &snapshot->ports[p];
                struct condition_list list =
                        served_listener(&world.facts, port, &port->listeners[0], &world.arena);
                assert_true(list.count > 0);
                denied += strncmp(said(&list, "Programmed"), "False", 5) == 0;
        }
        assert_int_equal(denied, 1);
        world_done(&world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_facts_everything_is_as_translation_says),
                cmocka_unit_test(a_port_that_is_taken_is_the_fault_of_its_listener_alone),
                cmocka_unit_test(a_gateway_whose_ports_are_all_taken_is_not_accepted),
                cmocka_unit_test(an_address_that_is_not_ours_is_the_gateways_fault),
                cmocka_unit_test(nothing_is_programmed_before_every_worker_serves_it),
                cmocka_unit_test(what_is_denied_stays_denied_for_its_own_reason),
                cmocka_unit_test(pinning_is_enforced_only_once_all_of_it_is_proven),
                cmocka_unit_test(one_port_of_a_listener_is_judged_by_itself),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
