#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "snapshot/pin_changes.h"

#define A "spki:1111111111111111111111111111111111111111111111111111111111111111\n"
#define B "spki:2222222222222222222222222222222222222222222222222222222222222222\n"
#define C "spki:3333333333333333333333333333333333333333333333333333333333333333\n"
#define D "cert:1111111111111111111111111111111111111111111111111111111111111111\n"

enum {
        SETS_MAX = 3,
        TOLD_MAX = 8,
};

static struct pin_set *set_of(const char *pins_txt)
{
        struct pin_set_builder *builder = pin_set_builder_new();
        pin_set_builder_add_text(builder, slice_of(pins_txt));
        return pin_set_build(builder);
}

/* One port with one scope of these sets; NULL ends them. */
static struct snapshot *snapshot_of(const char *const *texts, const char *deny)
{
        struct snapshot *s = snapshot_new();
        struct port *port = ARENA_NEW(&s->arena, struct port);
        struct client_policy *client = ARENA_NEW(&s->arena, struct client_policy);
        struct pin_scope *scope = ARENA_NEW(&s->arena, struct pin_scope);
        struct pin_set **sets = ARENA_ARRAY(&s->arena, struct pin_set *, SETS_MAX);
        scope->source = SLICE("ClientCertificatePolicy edge/partners");
        scope->sets = sets;
        for (; scope->set_count < SETS_MAX && texts[scope->set_count]; scope->set_count++)
                sets[scope->set_count] = set_of(texts[scope->set_count]);
        scope->deny = deny ? set_of(deny) : NULL;
        client->scopes = scope;
        client->scope_count = 1;
        port->client = client;
        s->ports = port;
        s->port_count = 1;
        return s;
}

struct told {
        char text[TOLD_MAX + 1]; /* a letter a pin: its digest's first nibble; + and - in front */
        size_t len;
};

static void on_change(bool added, const struct pin *pin, const struct pin_list_place *place,
                      void *self)
{
        struct told *told = self;
        assert_true(slice_is(place->source, "ClientCertificatePolicy edge/partners"));
        if (told->len + 2 > TOLD_MAX)
                return;
        told->text[told->len++] = added ? '+' : '-';
        told->text[told->len++] = (char)((place->deny             ? 'x'
                                          : pin->kind == PIN_SPKI ? 'a'
                                                                  : 'A') +
                                         (place->deny ? 0 : (pin->digest.bytes[0] & 15) - 1));
}

static void what_came_and_what_went_is_told_wherever_it_stands(void **state)
{
        (void)state;
        static const struct {
                const char *from[SETS_MAX + 1], *from_deny, *to[SETS_MAX + 1], *to_deny, *told;
        } rows[] = {
                {{A B}, NULL, {A B}, NULL, ""},
                {{A B}, NULL, {A C}, NULL, "+c-b"},
                {{A}, NULL, {A D}, NULL, "+A"},
                {{A, B}, NULL, {B, A}, NULL, ""}, /* in another place, and still there */
                {{A, B}, NULL, {A B}, NULL, ""},
                {{A, B}, NULL, {B}, NULL, "-a"},
                {{A}, NULL, {C, A}, NULL, "+c"},
                {{A}, NULL, {NULL}, A, "+x-a"}, /* denied now: not the same pin */
                {{A}, B, {A}, NULL, "-x"},
                {{A}, B, {A B}, B, "+b"},
                {{NULL}, NULL, {A B}, NULL, "+a+b"},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct snapshot *from = snapshot_of(rows[i].from, rows[i].from_deny);
                struct snapshot *to = snapshot_of(rows[i].to, rows[i].to_deny);
                struct told told = {{0}};
                struct pin_changes changes =
                        snapshot_pin_changes(from, to, TOLD_MAX, &told, on_change);
                if (strcmp(told.text, rows[i].told) != 0)
                        fail_msg("row %zu: %s", i, told.text);
                assert_int_equal(changes.added + changes.removed, told.len / 2);
                snapshot_unref(from);
                snapshot_unref(to);
                snapshot_reap();
        }
}

/* The Gateway's policy has A all along; a policy of a rule has these pins, in the same set or a
 * set of its own. */
static struct snapshot *snapshot_with_rule(const char *pins_txt, bool shared)
{
        const char *const gateway[] = {A, NULL};
        struct snapshot *s = snapshot_of(gateway, NULL);
        struct rule_policy *rule = ARENA_NEW(&s->arena, struct rule_policy);
        struct pin_scope *scope = ARENA_NEW(&s->arena, struct pin_scope);
        struct pin_set **sets = ARENA_ARRAY(&s->arena, struct pin_set *, 1);
        const struct pin_scope *gateways = s->ports[0].client->scopes;
        sets[0] = shared ? pin_set_ref(gateways->sets[0]) : set_of(pins_txt);
        scope->source = SLICE("ClientCertificatePolicy edge/reports");
        scope->sets = sets;
        scope->set_count = 1;
        rule->pins.scopes = scope;
        rule->pins.scope_count = 1;
        s->rule_policies = rule;
        s->rule_policy_count = 1;
        return s;
}

static void count_of_reports(bool added, const struct pin *pin, const struct pin_list_place *place,
                             void *self)
{
        (void)pin;
        assert_true(slice_is(place->source, "ClientCertificatePolicy edge/reports"));
        *(int *)self += added ? 1 : -1;
}

static void a_pin_of_another_object_is_another_pin(void **state)
{
        (void)state;
        const char *const gateway[] = {A, NULL};
        for (int shared = 0; shared <= 1; shared++) {
                struct snapshot *without = snapshot_of(gateway, NULL);
                struct snapshot *with = snapshot_with_rule(A, shared);
                int balance = 0;
                snapshot_pin_changes(without, with, TOLD_MAX, &balance, count_of_reports);
                assert_int_equal(balance, 1);
                snapshot_pin_changes(with, without, TOLD_MAX, &balance, count_of_reports);
                assert_int_equal(balance, 0);
                snapshot_unref(without);
                snapshot_unref(with);
                snapshot_reap();
        }
}

static void all_are_counted_and_the_first_are_told(void **state)
{
        (void)state;
        const char *const many[] = {A B C, D, NULL}, *const none[] = {NULL};
        struct snapshot *full = snapshot_of(many, NULL), *empty = snapshot_of(none, NULL);
        const struct {
                const struct snapshot *from, *to;
                uint64_t added, removed;
        } rows[] = {{NULL, full, 4, 0}, {empty, full, 4, 0}, {full, empty, 0, 4}};
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                for (size_t max = 0; max <= 5; max++) {
                        struct told told = {{0}};
                        struct pin_changes changes = snapshot_pin_changes(rows[i].from, rows[i].to,
                                                                          max, &told, on_change);
                        assert_int_equal(changes.added, rows[i].added);
                        assert_int_equal(changes.removed, rows[i].removed);
                        assert_int_equal(told.len / 2, max < 4 ? max : 4);
                }
        }
        snapshot_unref(full);
        snapshot_unref(empty);
        snapshot_reap();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_came_and_what_went_is_told_wherever_it_stands),
                cmocka_unit_test(a_pin_of_another_object_is_another_pin),
                cmocka_unit_test(all_are_counted_and_the_first_are_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
