/* When what is known is told: after the data plane has had its chance, and only by who leads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/must.h"
#include "control/report/lease.h"
#include "control/report/report.h"
#include "kube_calls.h"
#include "translated.h"

enum {
        WAIT_MS = 10000,
};

static const char gateway_yaml[] = "apiVersion: gateway.networking.k8s.io/v1\n"
                                   "kind: Gateway\n"
                                   "metadata: {name: edge, namespace: edge}\n"
                                   "spec:\n"
                                   "  gatewayClassName: pingate\n"
                                   "  addresses: [{type: IPAddress, value: 192.0.2.1}]\n"
                                   "  listeners: [{name: one, port: 8080, protocol: HTTP}]\n";

/* ---- what stands in ---- */

static struct lease *const lease = (struct lease *)(uintptr_t)1;
static bool leading;
static struct lease_replicas replicas;
static size_t served;

bool lease_leads(const struct lease *asked)
{
        (void)asked;
        return leading;
}

struct lease_replicas lease_replicas(const struct lease *asked, const struct digest *digest)
{
        (void)asked;
        (void)digest;
        return replicas;
}

void lease_serve(struct lease *asked, const struct digest *digest, uint64_t generation)
{
        (void)asked;
        assert_false(digest_is_none(digest));
        assert_int_equal(generation, 7);
        served++;
}

static struct kube_entry entry;
static struct object object;

const struct kube_entry *kube_store_find(const struct kube_store *store, enum object_kind kind,
                                         struct slice namespace, struct slice name)
{
        (void)store;
        bool found = kind == KIND_GATEWAY && slice_is(namespace, "edge") && slice_is(name, "edge");
        return found ? &entry : NULL;
}

static const char *unserved, *unjudged;
static struct port_fault fault;
static bool faulty;

static void on_facts(struct served_facts *facts, struct arena *arena, void *self)
{
        (void)self;
        facts->unserved = arena_slice(arena, slice_of(unserved));
        facts->unjudged = arena_slice(arena, slice_of(unjudged));
        facts->faults = &fault;
        facts->fault_count = faulty;
}

/* ---- the world ---- */

static uv_loop_t loop;
static uv_timer_t ticker; /* so that no turn of the loop takes long */
static struct report *report;
static struct translation *translation;

/* PinningEnforced, which wants certificates of translation, is put in by hand. */
static struct translation *translation_new(void)
{
        struct translation *made = translated(gateway_yaml);
        made->snapshot->generation = 7;
        assert_int_equal(made->statuses.items[0].kind, KIND_GATEWAY);
        condition_set(&made->statuses.items[0].listeners.items[0].conditions, CONDITION_PINNING,
                      true, "Enforced", SLICE("2 pins in force"));
        return made;
}

static void on_tick(uv_timer_t *timer)
{
        (void)timer;
}

static int setup(void **state)
{
        (void)state;
        struct report_options options = {.side = {.loop = &loop, .lease = lease},
                                         .on_facts = on_facts};
        call_count = served = 0;
        leading = true;
        faulty = false;
        unserved = unjudged = "";
        replicas = (struct lease_replicas){.known = true, .live = 2, .agreeing = 2};
        object = (struct object){.kind = KIND_GATEWAY, .generation = 1};
        entry = (struct kube_entry){.object = &object, .resource_version = SLICE("1")};
        must(uv_loop_init(&loop) == 0);
        must(uv_timer_init(&loop, &ticker) == 0 && uv_timer_start(&ticker, on_tick, 10, 10) == 0);
        report = report_open(&options);
        translation = translation_new();
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        report_close(report);
        uv_close((uv_handle_t *)&ticker, NULL);
        uv_run(&loop, UV_RUN_DEFAULT);
        must(uv_loop_close(&loop) == 0);
        translation_free(translation);
        snapshot_reap();
        return 0;
}

static const char *written(void)
{
        for (size_t i = call_count; i-- > 0;)
                if (strcmp(calls[i].request.method, "PATCH") == 0)
                        return calls[i].body;
        return NULL;
}

static size_t writes(void)
{
        size_t count = 0;
        for (size_t i = 0; i < call_count; i++)
                count += strcmp(calls[i].request.method, "PATCH") == 0;
        return count;
}

static void run_ms(uint64_t ms)
{
        for (uint64_t until = uv_hrtime() + ms * 1000000; uv_hrtime() < until;)
                uv_run(&loop, UV_RUN_ONCE);
}

static uint64_t wait_for_writes(size_t count)
{
        uint64_t since = uv_hrtime();
        while (writes() < count && uv_hrtime() - since < WAIT_MS * 1000000ull)
                uv_run(&loop, UV_RUN_ONCE);
        assert_int_equal(writes(), count);
        return (uv_hrtime() - since) / 1000000;
}

/* The API server has taken what was written last, and the store has heard of it. */
static void settle_write(void)
{
        static char status[8192], version[16];
        for (size_t i = call_count; i-- > 0;) {
                if (calls[i].over || strcmp(calls[i].request.method, "PATCH") != 0)
                        continue;
                snprintf(status, sizeof(status), "%s",
                         strstr(calls[i].body, "\"status\":") + strlen("\"status\":"));
                status[strlen(status) - 1] = '\0';
                snprintf(version, sizeof(version), "%zu", i + 2);
                entry.status = slice_of(status);
                entry.resource_version = slice_of(version);
                answer(i, 200, "");
        }
        report_heard(report, KIND_GATEWAY, SLICE("edge"), SLICE("edge"));
}

/* Leads, and has told all there is. */
static void lead(void)
{
        report_take(report, translation);
        wait_for_writes(1);
        settle_write();
        run_ms(100);
}

/* ---- tests ---- */

static void what_workers_serve_at_once_is_written_once(void **state)
{
        (void)state;
        report_take(report, translation);
        assert_true(wait_for_writes(1) < 1000);
        assert_non_null(strstr(written(), "2 pins in force, replicas 2, probed"));
        assert_null(strstr(written(), "Pending"));
        settle_write();
        run_ms(300);
        assert_int_equal(writes(), 1);
        assert_int_equal(served, 1);
}

static void nothing_is_written_before_the_workers_serve_it(void **state)
{
        (void)state;
        unserved = "generation 7 is served by 1 of 2 workers";
        report_take(report, translation);
        run_ms(300);
        assert_int_equal(writes(), 0);
        assert_int_equal(served, 0); /* nor does the Lease say that it is served */
        unserved = "";
        wait_for_writes(1);
        assert_null(strstr(written(), "Pending"));
        assert_int_equal(served, 1);
}

static void workers_that_stay_behind_are_told(void **state)
{
        (void)state;
        lead();
        unserved = "generation 7 is served by 1 of 2 workers";
        report_take(report, translation);
        assert_true(wait_for_writes(2) > 1500);
        assert_non_null(strstr(written(), "Pending"));
        settle_write();
        unserved = "";
        wait_for_writes(3);
        assert_null(strstr(written(), "Pending"));
}

static void a_storm_of_changes_does_not_put_it_off_for_ever(void **state)
{
        (void)state;
        unjudged = "1 of 2 workers have judged their open connections";
        uint64_t since = uv_hrtime();
        while (writes() == 0 && uv_hrtime() - since < 5000000000ull) {
                struct translation *next = translation_new();
                report_take(report, next);
                translation_free(translation); /* what was taken before may be gone */
                translation = next;
                run_ms(50);
        }
        assert_int_equal(writes(), 1);
}

static void replicas_that_lag_are_waited_for_and_then_told(void **state)
{
        (void)state;
        report_take(report, translation);
        wait_for_writes(1);
        settle_write();
        replicas.agreeing = 1; /* the other one heard of a change before we did */
        replicas.behind = SLICE("pingate-b");
        report_look(report);
        run_ms(500);
        assert_int_equal(writes(), 1);
        wait_for_writes(2);
        assert_non_null(strstr(written(), "1 of 2 replicas serve it, pingate-b does not"));
        assert_non_null(strstr(written(), "is served")); /* Programmed is another matter */
}

/* It may be dead, or cut off and serve what was before. */
static void a_replica_that_is_not_heard_of_is_told_and_not_passed_over(void **state)
{
        (void)state;
        replicas = (struct lease_replicas){.known = true,
                                           .live = 1,
                                           .agreeing = 1,
                                           .silent = 1,
                                           .unheard = SLICE("pingate-b")};
        report_take(report, translation);
        wait_for_writes(1);
        assert_non_null(strstr(written(), "1 of 2 replicas serve it, pingate-b has not been heard "
                                          "of and may serve what was before"));
}

static void replicas_that_are_not_known_do_not_agree(void **state)
{
        (void)state;
        replicas.known = false;
        report_take(report, translation);
        wait_for_writes(1);
        assert_non_null(strstr(written(), "not known yet"));
}

static void a_port_that_is_lost_is_told_soon(void **state)
{
        (void)state;
        report_take(report, translation);
        wait_for_writes(1);
        settle_write();
        fault = (struct port_fault){SLICE("192.0.2.1:8080"), 98};
        faulty = true;
        assert_true(wait_for_writes(2) < 1500);
        assert_non_null(strstr(written(), "PortUnavailable"));
}

static void who_does_not_lead_says_what_it_serves_and_no_more(void **state)
{
        (void)state;
        leading = false;
        replicas.known = false; /* only the leader sees them */
        report_take(report, translation);
        run_ms(200);
        assert_int_equal(writes(), 0);
        assert_int_equal(served, 1);
        leading = true;
        report_look(report);
        run_ms(50);
        replicas.known = true;
        report_look(report);
        assert_true(wait_for_writes(1) < 1000);
        assert_null(strstr(written(), "Pending"));
}

/* What it knew before, and would have written then. */
static void who_wins_leadership_writes_what_has_no_news(void **state)
{
        (void)state;
        leading = false;
        report_take(report, translation);
        run_ms(200);
        assert_int_equal(writes(), 0);
        leading = true;
        report_look(report);
        assert_true(wait_for_writes(1) < 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_workers_serve_at_once_is_written_once),
                TEST(nothing_is_written_before_the_workers_serve_it),
                TEST(workers_that_stay_behind_are_told),
                TEST(a_storm_of_changes_does_not_put_it_off_for_ever),
                TEST(replicas_that_lag_are_waited_for_and_then_told),
                TEST(a_replica_that_is_not_heard_of_is_told_and_not_passed_over),
                TEST(replicas_that_are_not_known_do_not_agree),
                TEST(a_port_that_is_lost_is_told_soon),
                TEST(who_does_not_lead_says_what_it_serves_and_no_more),
                TEST(who_wins_leadership_writes_what_has_no_news),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
