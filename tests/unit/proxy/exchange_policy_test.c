/* What the policies of a route and its rule do to a request: who may have it, and by which name. */
#include <time.h>

#include "exchange_harness.h"
#include "proxy/client_identity.h"
#include "proxy/exchange_judge.h"
#include "trust/hash.h"
#include "trust/test_pki.h"

#define OK_REPLY   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define HALF_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok"
#define GET        "GET /good HTTP/1.1\r\nHost: a\r\n\r\n"

enum {
        SCOPES_MAX = 4
};

struct stage {
        struct harness h;
        struct pki_cert ca, robot;
        struct chain *chain;
        struct standing *standing;
        struct client_policy client;
        struct rule_policy *policy; /* of /good */
        struct pin_scope *scopes;
        struct header_list identity;
};

static void stage_open_at(struct stage *s, const char *reply, bool close)
{
        static struct step ok[1];
        static const struct script scripts[] = {{ok, 1}, {ok, 1}, {ok, 1}, {ok, 1}};
        ok[0] = (struct step){"\r\n\r\n", reply, close};
        *s = (struct stage){0};
        harness_init(&s->h, scripts, COUNT_OF(scripts));
        struct arena *arena = &s->h.snapshot->arena;
        s->ca = pki_make(NULL, &(struct pki_spec){.subject = "CA", .ca = true});
        s->robot = pki_make(&s->ca,
                            &(struct pki_spec){.subject = "robot", .san = "DNS:robot.example"});
        s->chain = chain_new(s->robot.x509, NULL, SLICE_NONE, 0);
        s->policy = ARENA_NEW(arena, struct rule_policy);
        s->scopes = ARENA_ARRAY(arena, struct pin_scope, SCOPES_MAX);
        s->policy->pins.scopes = s->scopes;
        s->h.snapshot->rule_policies = s->policy;
        s->h.snapshot->rule_policy_count = 1;
        s->h.rules[0].policy = 0;
        s->h.port->client = NULL; /* until stage_client */
}

static void stage_open(struct stage *s)
{
        stage_open_at(s, OK_REPLY, true);
}

static void identity_make(struct stage *s)
{
        struct exchange_client *client = &s->h.client;
        const struct client_shown shown = {s->standing, s->chain, client->client_name,
                                           client->forward};
        client_identity_build(&shown, &s->h.arena, &s->identity);
        client->identity = &s->identity;
}

/* A connection of a port that asks for certificates; ACCEPTED: verified, and pinned by this name.
 */
static void stage_client(struct stage *s, enum reason reason, const char *name)
{
        struct exchange_client *client = &s->h.client;
        s->h.port->client = &s->client;
        const struct verdict verdict = {.admitted = true,
                                        .verified = reason == REASON_ACCEPTED,
                                        .reason = reason,
                                        .leaf = s->chain->leaf_digest,
                                        .spki = s->chain->spki_digest,
                                        .subject = "CN=robot"};
        free(s->standing);
        client->standing = s->standing = standing_new(&verdict);
        client->chain = reason == REASON_NO_CERTIFICATE ? NULL : s->chain;
        client->client_name = slice_of(name);
        client->forward = IDENTITY_CLIENT_CERT;
        for (size_t i = 0; i < 3; i++)
                s->h.listeners[i].forward = IDENTITY_CLIENT_CERT;
        identity_make(s);
}

static void stage_close(struct stage *s)
{
        free(s->standing);
        s->standing = NULL;
        harness_done(&s->h);
        chain_free(s->chain);
        pki_done();
}

static struct pin_set *set_of(const struct digest *spki, const char *name)
{
        struct pin_set_builder *builder = pin_set_builder_new();
        struct pin pin = {.kind = PIN_SPKI,
                          .digest = *spki,
                          .name = slice_of(name),
                          .not_before = PIN_ALWAYS_FROM,
                          .not_after = PIN_ALWAYS_UNTIL};
        pin_set_builder_add(builder, &pin, 1);
        return pin_set_build(builder);
}

/* With a pin of the robot, by that name; NULL: with a pin of somebody else. */
static struct pin_scope *scope_add(struct stage *s, enum pin_scope_kind kind, const char *name)
{
        static const struct digest other = {{1}};
        struct pin_set **sets = ARENA_NEW(&s->h.snapshot->arena, struct pin_set *);
        struct pin_scope *scope = &s->scopes[s->policy->pins.scope_count++];
        sets[0] = set_of(name ? &s->chain->spki_digest : &other, name ? name : "else");
        *scope = (struct pin_scope){.kind = kind,
                                    .source = kind == SCOPE_RULE ? SLICE("policy of the rule")
                                                                 : SLICE("policy of the route"),
                                    .sets = sets,
                                    .set_count = 1};
        return scope;
}

static struct request_facts ask(struct stage *s, const char *request)
{
        harness_open(&s->h, request);
        harness_finish(&s->h);
        harness_close(&s->h);
        return harness_record(&s->h);
}

static size_t hits(const struct stage *s)
{
        return s->h.backend.peer_count;
}

static bool seen(const struct stage *s, size_t peer, const char *text)
{
        struct slice all = buffer_slice(&s->h.backend.peers[peer].seen);
        return all.len && memmem(all.data, all.len, text, strlen(text)) != NULL;
}

static void expect_refused(struct stage *s, const struct request_facts *facts, enum reason reason)
{
        assert_int_equal(s->h.final.status, 403);
        assert_int_equal(facts->status, 403);
        assert_int_equal(facts->reason, reason);
        assert_true(slice_is(facts->fault, "refused_by_policy"));
        assert_int_equal(hits(s), 0);
}

static void who_is_pinned_comes_through_by_the_name_of_the_connection(void **state)
{
        static struct stage s;
        (void)state;
        stage_open(&s);
        stage_client(&s, REASON_ACCEPTED, "robot");
        scope_add(&s, SCOPE_ROUTE, "");
        struct request_facts facts = ask(&s, GET);
        assert_int_equal(s.h.final.status, 200);
        assert_int_equal(facts.reason, REASON_ACCEPTED);
        assert_int_equal(facts.scope.len, 0);
        assert_int_equal(facts.subject.len, 0);
        assert_true(slice_is(facts.client_name, "robot"));
        assert_true(digest_equal(&facts.certificate, &s.chain->leaf_digest));
        assert_true(digest_equal(&facts.spki, &s.chain->spki_digest));
        assert_true(seen(&s, 0, "pingate-client-name: robot\r\n"));
        stage_close(&s);
}

static void who_is_not_pinned_gets_403_and_an_id_and_no_word_of_the_policy(void **state)
{
        static struct stage s;
        char body[128];
        (void)state;
        stage_open(&s);
        stage_client(&s, REASON_ACCEPTED, "robot");
        scope_add(&s, SCOPE_ROUTE, "robot");
        scope_add(&s, SCOPE_RULE, NULL);
        struct request_facts facts = ask(&s, GET);
        expect_refused(&s, &facts, REASON_NOT_PINNED);
        snprintf(body, sizeof(body), "403 Forbidden\nrequest %.*s\n", SLICE_ARG(facts.request_id));
        assert_true(slice_is(buffer_slice(&s.h.body), body));
        assert_int_equal(s.h.final.headers.count, 1); /* Content-Type */
        assert_true(slice_is(facts.scope, "policy of the rule"));
        assert_true(slice_is(facts.subject, "CN=robot"));
        assert_true(digest_equal(&facts.certificate, &s.chain->leaf_digest));
        assert_true(digest_equal(&facts.spki, &s.chain->spki_digest));
        assert_int_equal(facts.generation, 7);
        assert_int_equal(
                counter_get(&event_sink_counters(s.h.sink)->requests_refused[REASON_NOT_PINNED]),
                1);
        ask(&s, "GET /invalid HTTP/1.1\r\nHost: a\r\n\r\n"); /* another rule, without a policy */
        assert_int_equal(s.h.final.status, 500);
        stage_close(&s);
}

static void who_is_denied_gets_403(void **state)
{
        static struct stage s;
        (void)state;
        stage_open(&s);
        stage_client(&s, REASON_ACCEPTED, "robot");
        scope_add(&s, SCOPE_ROUTE, "robot")->deny = set_of(&s.chain->spki_digest, "bad");
        struct request_facts facts = ask(&s, GET);
        expect_refused(&s, &facts, REASON_DENIED);
        stage_close(&s);
}

static void a_policy_without_a_usable_pin_admits_nobody(void **state)
{
        static struct stage s;
        (void)state;
        stage_open(&s);
        stage_client(&s, REASON_ACCEPTED, "robot");
        scope_add(&s, SCOPE_ROUTE, "robot");
        scope_add(&s, SCOPE_RULE, "robot")->unusable = true;
        struct request_facts facts = ask(&s, GET);
        expect_refused(&s, &facts, REASON_NO_USABLE_PIN);
        stage_close(&s);
}

/* On an HTTP listener, on one that asks nobody, and under AllowInsecureFallback. */
static void who_is_not_verified_never_passes_and_the_record_says_why(void **state)
{
        static const enum reason whys[] = {REASON_NO_CERTIFICATE, REASON_UNTRUSTED, REASON_EXPIRED,
                                           REASON_NOT_PINNED};
        static struct stage s;
        (void)state;
        stage_open(&s);
        scope_add(&s, SCOPE_RULE, "robot");
        struct request_facts facts = ask(&s, GET);
        expect_refused(&s, &facts, REASON_NO_CLIENT_AUTH);
        assert_true(digest_is_none(&facts.spki));
        for (size_t i = 0; i < COUNT_OF(whys); i++) {
                stage_client(&s, whys[i], NULL);
                facts = ask(&s, GET);
                expect_refused(&s, &facts, whys[i]);
                assert_true(digest_is_none(&facts.certificate));
                assert_true(digest_is_none(&facts.spki));
                assert_int_equal(facts.subject.len, 0);
        }
        stage_close(&s);
}

/* The connection was verified once, but by what its port asks today nobody is. */
static void a_port_that_asks_nobody_any_more_vouches_for_nobody(void **state)
{
        static struct stage s;
        (void)state;
        stage_open(&s);
        stage_client(&s, REASON_ACCEPTED, "robot");
        scope_add(&s, SCOPE_RULE, "robot");
        s.h.port->client = NULL;
        struct request_facts facts = ask(&s, GET);
        expect_refused(&s, &facts, REASON_NO_CLIENT_AUTH);
        stage_close(&s);
}

static void report_only_lets_through_and_records(void **state)
{
        static struct stage s;
        (void)state;
        stage_open(&s);
        stage_client(&s, REASON_ACCEPTED, "robot");
        scope_add(&s, SCOPE_ROUTE, "other-name")->report_only = true;
        scope_add(&s, SCOPE_RULE, NULL)->report_only = true;
        struct request_facts facts = ask(&s, GET);
        assert_int_equal(s.h.final.status, 200);
        assert_int_equal(facts.reason, REASON_ACCEPTED);
        assert_int_equal(facts.report_only, REASON_NOT_PINNED);
        assert_true(slice_is(facts.report_scope, "policy of the rule"));
        assert_true(slice_is(facts.subject, "CN=robot"));
        assert_true(seen(&s, 0, "pingate-client-name: robot\r\n")); /* it names nobody either */
        stage_client(&s, REASON_EXPIRED, NULL);
        facts = ask(&s, GET);
        assert_int_equal(s.h.final.status, 200);
        assert_int_equal(facts.report_only, REASON_EXPIRED);
        assert_true(seen(&s, 1, "pingate-client-verify: FAILED:expired\r\n"));
        stage_close(&s);
}

/* Rule before route before connection; a pin without a name takes none away. */
static void the_name_is_of_the_most_specific_scope_that_has_one(void **state)
{
        static const struct {
                const char *route, *rule, *wanted;
        } cases[] = {{"of-route", "of-rule", "of-rule"},
                     {"of-route", "", "of-route"},
                     {"", "", "of-connection"}};
        static struct stage s;
        char line[64];
        (void)state;
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                stage_open(&s);
                stage_client(&s, REASON_ACCEPTED, "of-connection");
                scope_add(&s, SCOPE_ROUTE, cases[i].route);
                scope_add(&s, SCOPE_RULE, cases[i].rule);
                struct request_facts facts = ask(&s, GET);
                snprintf(line, sizeof(line), "\r\npingate-client-name: %s\r\n", cases[i].wanted);
                assert_true(seen(&s, 0, line));
                assert_true(slice_is(facts.client_name, cases[i].wanted));
                assert_true(seen(&s, 0, "pingate-client-verify: SUCCESS\r\n"));
                assert_true(seen(&s, 0, "client-cert: :"));
                assert_false(seen(&s, 0, "forged"));
                stage_close(&s);
        }
}

/* The same bytes as a connection whose listener says the same. */
static void forward_of_the_rule_overrides_that_of_the_listener(void **state)
{
        static struct stage s;
        (void)state;
        stage_open(&s);
        stage_client(&s, REASON_ACCEPTED, "robot");
        s.policy->forward_given = true;
        s.policy->forward = IDENTITY_XFCC;
        ask(&s, GET);
        assert_false(seen(&s, 0, "\r\nclient-cert: "));
        assert_true(seen(&s, 0, "\r\nx-forwarded-client-cert: Hash="));
        assert_true(seen(&s, 0, ";Subject=\"CN=robot\";DNS=robot.example\r\n"));
        s.h.client.forward = IDENTITY_XFCC;
        identity_make(&s);
        struct slice value = header_value(&s.identity, SLICE("x-forwarded-client-cert"));
        assert_non_null(memmem(s.h.backend.peers[0].seen.data, s.h.backend.peers[0].seen.len,
                               value.data, value.len));
        s.h.client.forward = IDENTITY_CLIENT_CERT;
        identity_make(&s);
        s.policy->forward = 0;
        ask(&s, GET);
        assert_false(seen(&s, 1, "client-cert"));
        assert_true(seen(&s, 1, "pingate-client-name: robot\r\n"));
        stage_close(&s);
}

/* A generation that forwards something else holds for connections of before, too. */
static void forward_is_of_the_generation_that_the_request_sees(void **state)
{
        static struct stage s;
        (void)state;
        stage_open(&s);
        stage_client(&s, REASON_ACCEPTED, "robot");
        s.h.rules[0].policy = ROUTE_POLICY_NONE;
        s.h.listeners[0].forward = 0;
        ask(&s, GET);
        assert_false(seen(&s, 0, "client-cert"));
        stage_close(&s);
}

/* PinnedOnly: a pin stands for the path, so the client is verified and there is no chain to show.
 */
static void a_waived_path_shows_the_leaf_and_no_chain(void **state)
{
        static struct stage s;
        (void)state;
        stage_open(&s);
        stage_client(&s, REASON_ACCEPTED, "robot");
        scope_add(&s, SCOPE_RULE, "robot");
        s.policy->forward_given = true;
        s.policy->forward = IDENTITY_CLIENT_CERT | IDENTITY_CLIENT_CERT_CHAIN;
        ask(&s, GET);
        assert_int_equal(s.h.final.status, 200);
        assert_true(seen(&s, 0, "\r\nclient-cert: :"));
        assert_false(seen(&s, 0, "client-cert-chain"));
        assert_true(seen(&s, 0, "pingate-client-verify: SUCCESS\r\n"));
        stage_close(&s);
}

/* Who may not have a rule does not learn whether it works. */
static void the_policy_is_asked_before_the_rule_is_looked_at(void **state)
{
        static struct stage s;
        (void)state;
        stage_open(&s);
        stage_client(&s, REASON_ACCEPTED, "robot");
        scope_add(&s, SCOPE_RULE, NULL);
        s.h.rules[5].policy = 0; /* /refuses */
        ask(&s, "GET /refuses HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_int_equal(s.h.final.status, 403);
        s.h.rules[5].policy = ROUTE_POLICY_NONE;
        ask(&s, "GET /refuses HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_int_equal(s.h.final.status, 500);
        stage_close(&s);
}

/* ---- while it is in flight ---- */

/* Let in by one scope, with a head and two of five bytes; or without an answer. */
static void stage_begin(struct stage *s, const char *reply, struct removal removal)
{
        static const size_t seen_all = sizeof(GET) - 1;
        stage_open_at(s, reply, false);
        stage_client(s, REASON_ACCEPTED, "robot");
        scope_add(s, SCOPE_RULE, "robot")->removal = removal;
        harness_open(&s->h, GET);
        if (reply)
                harness_until(&s->h, &s->h.body.len, 2);
        else
                harness_until(&s->h, &s->h.backend.peers[0].seen.len, seen_all);
}

static void judge_now(struct stage *s)
{
        const struct exchange_law law = {
                .snapshot = s->h.snapshot, .port = s->h.port, .standing = s->standing, .now = 1};
        exchange_judge(s->h.exchange, &law);
}

static struct request_facts record_of(struct stage *s)
{
        harness_close(&s->h);
        return harness_record(&s->h);
}

static const struct removal at_once = {REMOVAL_CLOSE, 0};

static void in_flight_it_is_cut_off_when_its_pin_is_gone(void **state)
{
        static struct stage s;
        (void)state;
        stage_begin(&s, HALF_REPLY, at_once);
        judge_now(&s);
        assert_false(s.h.aborted);
        scope_add(&s, SCOPE_ROUTE, NULL)->removal = at_once;
        judge_now(&s);
        harness_finish(&s.h);
        assert_true(s.h.aborted);
        struct request_facts facts = record_of(&s);
        assert_int_equal(facts.status, 200);
        assert_int_equal(facts.reason, REASON_NOT_PINNED);
        assert_true(slice_is(facts.scope, "policy of the route"));
        assert_true(slice_is(facts.fault, "no_longer_admitted"));
        stage_close(&s);
}

static void in_flight_without_an_answer_it_gets_403(void **state)
{
        static struct stage s;
        (void)state;
        stage_begin(&s, NULL, at_once);
        scope_add(&s, SCOPE_ROUTE, NULL)->removal = at_once;
        judge_now(&s);
        harness_finish(&s.h);
        assert_true(s.h.end);
        assert_int_equal(s.h.final.status, 403);
        assert_int_equal(record_of(&s).reason, REASON_NOT_PINNED);
        stage_close(&s);
}

static void in_flight_it_may_be_kept_and_a_drain_has_its_grace(void **state)
{
        static struct stage s;
        (void)state;
        stage_begin(&s, HALF_REPLY, at_once);
        struct pin_scope *scope = scope_add(&s, SCOPE_ROUTE, NULL);
        scope->removal = (struct removal){REMOVAL_KEEP, 0};
        judge_now(&s);
        assert_int_equal(exchange_valid_until(s.h.exchange), INT64_MAX);
        scope->removal = (struct removal){REMOVAL_DRAIN, 400};
        judge_now(&s);
        uint64_t before_ms = s.h.now_ms;
        scope->removal.grace_ms = 3600 * 1000; /* which prolongs nothing */
        judge_now(&s);
        harness_finish(&s.h);
        assert_true(s.h.aborted);
        assert_in_range(s.h.now_ms - before_ms, 350, 5000);
        assert_int_equal(record_of(&s).reason, REASON_NOT_PINNED);
        stage_close(&s);
}

static void in_flight_it_goes_with_its_rule_unless_nothing_was_asked(void **state)
{
        static struct stage s;
        (void)state;
        for (int asked = 0; asked < 2; asked++) {
                stage_begin(&s, HALF_REPLY, at_once);
                if (!asked) { /* its policy goes first, and then the rule */
                        s.policy->pins.scope_count = 0;
                        judge_now(&s);
                }
                const struct host_table *hosts = s.h.port->hosts;
                s.h.port->hosts = host_table_build(NULL, 0, &s.h.arena);
                judge_now(&s);
                s.h.port->hosts = hosts;
                s.policy->pins.scope_count = 1; /* whose set the snapshot gives back */
                if (asked)
                        harness_finish(&s.h);
                assert_int_equal(s.h.aborted, asked);
                struct request_facts facts = record_of(&s);
                assert_int_equal(facts.reason, REASON_ACCEPTED);
                assert_true(slice_is(facts.fault, asked ? "route_changed" : "client_gone"));
                stage_close(&s);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(who_is_pinned_comes_through_by_the_name_of_the_connection),
                cmocka_unit_test(who_is_not_pinned_gets_403_and_an_id_and_no_word_of_the_policy),
                cmocka_unit_test(who_is_denied_gets_403),
                cmocka_unit_test(a_policy_without_a_usable_pin_admits_nobody),
                cmocka_unit_test(who_is_not_verified_never_passes_and_the_record_says_why),
                cmocka_unit_test(a_port_that_asks_nobody_any_more_vouches_for_nobody),
                cmocka_unit_test(report_only_lets_through_and_records),
                cmocka_unit_test(the_name_is_of_the_most_specific_scope_that_has_one),
                cmocka_unit_test(forward_of_the_rule_overrides_that_of_the_listener),
                cmocka_unit_test(forward_is_of_the_generation_that_the_request_sees),
                cmocka_unit_test(a_waived_path_shows_the_leaf_and_no_chain),
                cmocka_unit_test(the_policy_is_asked_before_the_rule_is_looked_at),
                cmocka_unit_test(in_flight_it_is_cut_off_when_its_pin_is_gone),
                cmocka_unit_test(in_flight_without_an_answer_it_gets_403),
                cmocka_unit_test(in_flight_it_may_be_kept_and_a_drain_has_its_grace),
                cmocka_unit_test(in_flight_it_goes_with_its_rule_unless_nothing_was_asked),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
