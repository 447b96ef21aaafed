/* Pins in force, and what becomes of them: sets and names are built as translate builds them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "event/facts.h"
#include "observe/pin_ledger.h"
#include "snapshot/snapshot.h"
#include "text/json.h"

#define POLICY "ClientCertificatePolicy edge/partners"

enum {
        NOW_S = 1790000000
};

static struct digest digest_of(uint64_t number)
{
        struct digest digest = {{1}};
        memcpy(&digest.bytes[8], &number, sizeof(number));
        return digest;
}

/* Of the client with that key. */
static struct digest certificate_of(uint64_t key)
{
        return digest_of(UINT64_MAX - key);
}

/* `count` pins of keys first, first + 1, …, named name-0, name-1, …, or as `name` says alone. */
struct set_plan {
        const char *source, *name;
        uint64_t first, count;
        int64_t opens_at, not_after;
        bool many_names, twice; /* as certificates, too */
};

static struct pin_set *set_build(const struct set_plan *plan)
{
        struct pin_set_builder *builder = pin_set_builder_new();
        for (uint64_t i = 0; i < plan->count; i++) {
                char name[64];
                snprintf(name, sizeof(name), plan->many_names ? "%s-%llu" : "%s",
                         plan->name ? plan->name : "", (unsigned long long)i);
                struct pin pin = {.kind = PIN_SPKI,
                                  .digest = digest_of(plan->first + i),
                                  .name = slice_of(name),
                                  .not_before = plan->opens_at ? plan->opens_at : PIN_ALWAYS_FROM,
                                  .not_after =
                                          plan->not_after ? plan->not_after : PIN_ALWAYS_UNTIL};
                pin_set_builder_add(builder, &pin, i + 1);
                pin.kind = PIN_CERTIFICATE;
                pin.digest = certificate_of(plan->first + i);
                if (plan->twice)
                        pin_set_builder_add(builder, &pin, i + 1);
        }
        return pin_set_build(builder);
}

/* One HTTPS port with two listeners, and one policy over it, or over the second alone. */
static struct snapshot *snapshot_of(const struct set_plan *plans, size_t count, bool narrow)
{
        struct snapshot *s = snapshot_new();
        struct pin_set **sets = ARENA_ARRAY(&s->arena, struct pin_set *, count + 1);
        struct slice *sources = ARENA_ARRAY(&s->arena, struct slice, count + 1);
        struct pin_scope *scope = ARENA_NEW(&s->arena, struct pin_scope);
        struct client_policy *policy = ARENA_NEW(&s->arena, struct client_policy);
        struct listener *listeners = ARENA_ARRAY(&s->arena, struct listener, 2);
        uint32_t *second = ARENA_NEW(&s->arena, uint32_t);
        struct port *port = ARENA_NEW(&s->arena, struct port);
        for (size_t i = 0; i < count; i++) {
                sets[i] = set_build(&plans[i]);
                sources[i] = arena_slice(&s->arena, slice_of(plans[i].source));
        }
        *scope = (struct pin_scope){.kind = SCOPE_GATEWAY,
                                    .source = SLICE(POLICY),
                                    .sets = sets,
                                    .set_count = count,
                                    .set_sources = sources,
                                    .listeners = second,
                                    .listener_count = narrow};
        *policy = (struct client_policy){.scopes = scope, .scope_count = 1};
        listeners[0] = (struct listener){.gateway = SLICE("edge/edge"), .name = SLICE("https")};
        listeners[1] = (struct listener){
                .gateway = SLICE("edge/edge"), .name = SLICE("narrow"), .index = *second = 1};
        *port = (struct port){.gateway = SLICE("edge/edge"),
                              .listeners = listeners,
                              .listener_count = 2,
                              .client = policy};
        s->ports = port;
        s->port_count = 1;
        return s;
}

static void publish(struct pin_ledger *ledger, const struct set_plan *plans, size_t count,
                    int64_t at_ms)
{
        struct snapshot *s = snapshot_of(plans, count, false);
        pin_ledger_set_snapshot(ledger, s, at_ms);
        snapshot_unref(s);
        snapshot_reap();
}

static void admit_by(struct pin_ledger *ledger, const char *listener, uint64_t key, int64_t at_ms)
{
        struct handshake_facts facts = {.admitted = true,
                                        .verified = true,
                                        .gateway = SLICE("edge/edge"),
                                        .listener = slice_of(listener)};
        facts.leaf.certificate = certificate_of(key);
        facts.leaf.spki = digest_of(key);
        pin_ledger_note(ledger, &facts, at_ms);
}

struct fixture {
        struct pin_ledger *ledger;
        struct arena arena;
        struct buffer text;
};

static int setup(void **state)
{
        struct fixture *f = NEW(struct fixture);
        f->ledger = pin_ledger_new();
        arena_init(&f->arena, 65536);
        buffer_init(&f->text, 8 << 20);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;
        pin_ledger_free(f->ledger);
        snapshot_reap();
        arena_done(&f->arena);
        buffer_done(&f->text);
        free(f);
        return 0;
}

static struct node *status(struct fixture *f)
{
        struct json_writer w;
        struct node *root;
        struct error err = {0};
        buffer_clear(&f->text);
        json_writer_init(&w, &f->text);
        pin_ledger_print(f->ledger, NOW_S * INT64_C(1000), &w);
        assert_true(json_writer_done(&w));
        if (!json_parse(&f->arena, arena_slice(&f->arena, buffer_slice(&f->text)), "pins", &root,
                        &err))
                fail_msg("%s", err.text);
        return root;
}

static void measure(struct fixture *f)
{
        buffer_clear(&f->text);
        assert_true(pin_ledger_measure(f->ledger, NOW_S * INT64_C(1000), &f->text));
        assert_true(buffer_append(&f->text, slice_from("", 1)));
}

/* A whole line of the metrics. */
static void assert_line(struct fixture *f, const char *line)
{
        char text[512];
        snprintf(text, sizeof(text), "\n%s\n", line);
        if (!strstr(f->text.data, text))
                fail_msg("no line %s in %s", line, f->text.data);
}

static size_t lines_with(const struct fixture *f, const char *start)
{
        size_t count = 0;
        for (const char *at = f->text.data; (at = strstr(at, start)); at++)
                count += at > f->text.data && at[-1] == '\n';
        return count;
}

static void an_admission_counts_for_its_set_and_its_name(void **state)
{
        struct fixture *f = *state;
        const struct set_plan plans[] = {
                {.source = "pins", .name = "acme-robot", .first = 1, .count = 2},
                {.source = "ConfigMap edge/devices", .first = 100, .count = 3}};
        publish(f->ledger, plans, 2, 5000);
        admit_by(f->ledger, "https", 2, 7500);
        admit_by(f->ledger, "https", 102, 8000);
        admit_by(f->ledger, "https", 999, 8500);
        admit_by(f->ledger, "other", 1, 9000);
        measure(f);
        assert_line(f, "pingate_pin_set_pins{policy=\"" POLICY "\",set=\"pins\"} 2");
        assert_line(f, "pingate_pin_set_matches_total{policy=\"" POLICY "\",set=\"pins\"} 1");
        assert_line(f, "pingate_pin_set_matches_total{policy=\"" POLICY
                       "\",set=\"ConfigMap edge/devices\"} 1");
        assert_line(f, "pingate_pin_set_changed_timestamp_seconds{policy=\"" POLICY
                       "\",set=\"pins\"} 5.000");
        assert_line(f, "pingate_pin_matches_total{policy=\"" POLICY "\",name=\"acme-robot\"} 1");
        assert_line(f, "pingate_pin_last_matched_timestamp_seconds{policy=\"" POLICY
                       "\",name=\"acme-robot\"} 7.500");
        assert_line(f, "pingate_pin_names 1");
        assert_line(f, "pingate_pin_names_never_matched 0");
}

static void who_matches_twice_counts_once(void **state)
{
        struct fixture *f = *state;
        const struct set_plan plans[] = {
                {.source = "pins", .name = "a", .first = 1, .count = 1, .twice = true},
                {.source = "File x", .name = "a", .first = 1, .count = 1}};
        publish(f->ledger, plans, 2, 5000);
        admit_by(f->ledger, "https", 1, 6000);
        measure(f);
        assert_line(f, "pingate_pin_set_matches_total{policy=\"" POLICY "\",set=\"pins\"} 1");
        assert_line(f, "pingate_pin_set_matches_total{policy=\"" POLICY "\",set=\"File x\"} 1");
        assert_line(f, "pingate_pin_matches_total{policy=\"" POLICY "\",name=\"a\"} 1");
}

static void a_pin_counts_only_while_its_window_is_open(void **state)
{
        struct fixture *f = *state;
        const struct set_plan plan = {
                .source = "pins", .name = "a", .first = 1, .count = 1, .opens_at = 6};
        publish(f->ledger, &plan, 1, 5000);
        admit_by(f->ledger, "https", 1, 5999);
        measure(f);
        assert_line(f, "pingate_pin_matches_total{policy=\"" POLICY "\",name=\"a\"} 0");
        admit_by(f->ledger, "https", 1, 6000);
        measure(f);
        assert_line(f, "pingate_pin_matches_total{policy=\"" POLICY "\",name=\"a\"} 1");
}

static void a_scope_counts_only_whom_it_was_asked_about(void **state)
{
        struct fixture *f = *state;
        const struct set_plan plan = {.source = "pins", .name = "a", .first = 1, .count = 1};
        struct snapshot *s = snapshot_of(&plan, 1, true);
        pin_ledger_set_snapshot(f->ledger, s, 5000);
        snapshot_unref(s);
        admit_by(f->ledger, "https", 1, 6000);
        measure(f);
        assert_line(f, "pingate_pin_matches_total{policy=\"" POLICY "\",name=\"a\"} 0");
        admit_by(f->ledger, "narrow", 1, 6000);
        measure(f);
        assert_line(f, "pingate_pin_matches_total{policy=\"" POLICY "\",name=\"a\"} 1");
}

/* The policy holds on the only rule there is, too. */
static void add_rule(struct snapshot *s)
{
        struct rule_policy *policy = ARENA_NEW(&s->arena, struct rule_policy);
        policy->pins = (struct request_policy){s->ports[0].client->scopes, 1};
        pin_scope_ref(policy->pins.scopes);
        s->rule_policies = policy;
        s->rule_policy_count = 1;
        s->generation = 3;
}

static void a_request_counts_in_the_scopes_of_its_rule(void **state)
{
        struct fixture *f = *state;
        const struct set_plan plan = {.source = "pins", .name = "a", .first = 1, .count = 1};
        const struct request_facts let_in = {.generation = 3,
                                             .rule_policy = 1,
                                             .certificate = certificate_of(1),
                                             .spki = digest_of(1)};
        struct request_facts refused = let_in, elsewhere = let_in, before = let_in;
        refused.reason = REASON_NOT_PINNED;
        elsewhere.rule_policy = 0;
        before.generation = 2;
        struct snapshot *s = snapshot_of(&plan, 1, true);
        add_rule(s);
        pin_ledger_set_snapshot(f->ledger, s, 5000);
        snapshot_unref(s);
        pin_ledger_note_request(f->ledger, &refused, 6000);
        pin_ledger_note_request(f->ledger, &elsewhere, 6000);
        pin_ledger_note_request(f->ledger, &before, 6000);
        measure(f);
        assert_line(f, "pingate_pin_matches_total{policy=\"" POLICY "\",name=\"a\"} 0");
        pin_ledger_note_request(f->ledger, &let_in, 7000);
        measure(f);
        assert_line(f, "pingate_pin_matches_total{policy=\"" POLICY "\",name=\"a\"} 1");
        assert_line(f, "pingate_pin_last_matched_timestamp_seconds{policy=\"" POLICY
                       "\",name=\"a\"} 7.000");
}

static void only_who_came_in_with_an_identity_counts(void **state)
{
        struct fixture *f = *state;
        const struct set_plan plan = {.source = "pins", .name = "a", .first = 1, .count = 1};
        publish(f->ledger, &plan, 1, 5000);
        struct handshake_facts facts = {.gateway = SLICE("edge/edge"), .listener = SLICE("https")};
        facts.leaf.certificate = digest_of(9);
        facts.leaf.spki = digest_of(1);
        pin_ledger_note(f->ledger, &facts, 6000);
        facts.admitted = true;
        pin_ledger_note(f->ledger, &facts, 6000);
        const struct node *never = node_find(status(f), "never_matched");
        assert_int_equal(never->child_count, 1);
        assert_true(slice_is(node_text(never->children[0], "name"), "a"));
        assert_true(slice_is(node_text(never->children[0], "policy"), POLICY));
}

static void counts_outlive_a_generation_and_a_changed_set_says_when(void **state)
{
        struct fixture *f = *state;
        struct set_plan plans[] = {{.source = "pins", .name = "a", .first = 1, .count = 1},
                                   {.source = "File x", .name = "b", .first = 5, .count = 1}};
        publish(f->ledger, plans, 2, 5000);
        admit_by(f->ledger, "https", 1, 5500);
        admit_by(f->ledger, "https", 5, 5600);
        plans[1].count = 2;
        publish(f->ledger, plans, 2, 6000);
        measure(f);
        assert_line(f, "pingate_pin_matches_total{policy=\"" POLICY "\",name=\"a\"} 1");
        assert_line(f, "pingate_pin_set_matches_total{policy=\"" POLICY "\",set=\"File x\"} 1");
        assert_line(f, "pingate_pin_set_changed_timestamp_seconds{policy=\"" POLICY
                       "\",set=\"pins\"} 5.000");
        assert_line(f, "pingate_pin_set_changed_timestamp_seconds{policy=\"" POLICY
                       "\",set=\"File x\"} 6.000");
        publish(f->ledger, plans, 1, 7000);
        measure(f);
        assert_int_equal(lines_with(f, "pingate_pin_set_pins{"), 1);
        assert_false(pin_ledger_may_have(f->ledger, SLICE("b")));
        assert_true(pin_ledger_may_have(f->ledger, SLICE("a")));
}

static void names_beyond_the_maximum_are_summed_up(void **state)
{
        struct fixture *f = *state;
        const struct set_plan plans[] = {
                {.source = "big", .name = "n", .first = 1, .count = 6000, .many_names = true},
                {.source = "pins", .name = "by-hand", .first = 9001, .count = 1}};
        publish(f->ledger, plans, 2, 5000);
        for (uint64_t key = 1; key <= 6000; key++)
                admit_by(f->ledger, "https", key, 6000);
        measure(f);
        assert_int_equal(lines_with(f, "pingate_pin_matches_total{"), LEDGER_NAMES_MAX + 1);
        assert_line(f, "pingate_pin_matches_total{policy=\"other\",name=\"other\"} 1905");
        assert_line(f, "pingate_pins_untracked 1905");
        assert_line(f, "pingate_pin_names_never_matched 1"); /* small sets are followed first */
        assert_true(pin_ledger_may_have(f->ledger, SLICE("n-5999")));
}

static void a_million_pins_are_not_all_walked(void **state)
{
        struct fixture *f = *state;
        const struct set_plan plan = {
                .source = "big", .name = "one-owner", .first = 1, .count = LEDGER_WALK_MAX + 10};
        publish(f->ledger, &plan, 1, 5000);
        measure(f);
        assert_line(f, "pingate_pins_untracked 10");
        assert_line(f, "pingate_pin_names 1");
}

static void sets_beyond_the_maximum_are_summed_up(void **state)
{
        struct fixture *f = *state;
        static struct set_plan plans[LEDGER_SETS_MAX + 4];
        static char sources[LEDGER_SETS_MAX + 4][32];
        for (size_t i = 0; i < COUNT_OF(plans); i++) {
                snprintf(sources[i], sizeof(sources[i]), "File %03zu", i);
                plans[i] = (struct set_plan){.source = sources[i], .first = i + 1, .count = 1};
        }
        publish(f->ledger, plans, COUNT_OF(plans), 5000);
        admit_by(f->ledger, "https", COUNT_OF(plans), 6000);
        admit_by(f->ledger, "https", COUNT_OF(plans) - 1, 6000);
        measure(f);
        assert_int_equal(lines_with(f, "pingate_pin_set_pins{"), LEDGER_SETS_MAX + 1);
        assert_line(f, "pingate_pin_set_pins{policy=\"other\",set=\"other\"} 4");
        assert_line(f, "pingate_pin_set_matches_total{policy=\"other\",set=\"other\"} 2");
}

static void the_next_name_to_end_is_told_and_those_over_are_counted(void **state)
{
        struct fixture *f = *state;
        const struct set_plan plans[] = {
                {.source = "a", .name = "over", .first = 1, .count = 1, .not_after = NOW_S},
                {.source = "b", .name = "soon", .first = 2, .count = 1, .not_after = NOW_S + 1},
                {.source = "c", .name = "renewed", .first = 3, .count = 1, .not_after = NOW_S + 1},
                {.source = "d", .name = "renewed", .first = 4, .count = 1, .not_after = NOW_S + 9},
                {.source = "e", .name = "ever", .first = 5, .count = 1}};
        publish(f->ledger, plans, COUNT_OF(plans), 5000);
        measure(f);
        assert_line(f, "pingate_pin_earliest_not_after_timestamp_seconds 1790000001.000");
        assert_line(f, "pingate_pin_not_after_timestamp_seconds{policy=\"" POLICY
                       "\",name=\"renewed\"} 1790000009");
        assert_line(f, "pingate_pin_names_expired 1");
        assert_int_equal(lines_with(f, "pingate_pin_not_after_timestamp_seconds{"), 3);
        const struct node *next = node_find(status(f), "next_to_end");
        assert_true(slice_is(node_text(next, "name"), "soon"));
}

static void a_new_ledger_knows_no_pins(void **state)
{
        struct fixture *f = *state;
        admit_by(f->ledger, "https", 1, 6000);
        measure(f);
        assert_line(f, "pingate_pin_names 0");
        assert_int_equal(lines_with(f, "pingate_pin_set_pins{"), 0);
        assert_int_equal(node_find(status(f), "sets")->child_count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(an_admission_counts_for_its_set_and_its_name),
                TEST(who_matches_twice_counts_once),
                TEST(a_pin_counts_only_while_its_window_is_open),
                TEST(a_scope_counts_only_whom_it_was_asked_about),
                TEST(a_request_counts_in_the_scopes_of_its_rule),
                TEST(only_who_came_in_with_an_identity_counts),
                TEST(counts_outlive_a_generation_and_a_changed_set_says_when),
                TEST(names_beyond_the_maximum_are_summed_up),
                TEST(a_million_pins_are_not_all_walked),
                TEST(sets_beyond_the_maximum_are_summed_up),
                TEST(the_next_name_to_end_is_told_and_those_over_are_counted),
                TEST(a_new_ledger_knows_no_pins),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
