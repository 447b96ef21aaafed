/* The probe must see every way in which enforcing could be broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/memory.h"
#include "proxy/handshake/handshake.h"
#include "proxy/handshake/probe.h"
#include "trust/hash.h"
#include "trust/test_pki.h"

/* A snapshot with one port, whose policy has one pin by one CA. */
struct fixture {
        struct ca_set *cas;
        struct pin_set *pins;
        struct pin_scope scope;
        struct client_policy policy;
        struct listener listeners[2];
        struct port port;
        struct snapshot snapshot;
};

static void seal(struct fixture *f, const char *pinned)
{
        struct pin_set_builder *builder = pin_set_builder_new();
        struct pin pin = {.kind = PIN_SPKI,
                          .digest = sha256(slice_of(pinned)),
                          .not_before = PIN_ALWAYS_FROM,
                          .not_after = PIN_ALWAYS_UNTIL};
        pin_set_builder_add(builder, &pin, 1);
        pin_set_unref(f->pins);
        f->pins = pin_set_build(builder);
        client_policy_seal(&f->policy);
}

static int setup(void **state)
{
        static struct fixture f;
        int64_t now = time(NULL);
        struct pki_cert ca = pki_make(NULL, &(struct pki_spec){.subject = "root",
                                                               .ca = true,
                                                               .not_before = now - 60,
                                                               .not_after = now + 3600});
        struct ca_set_builder *builder = ca_set_builder_new(CA_FLOOR_FULL);
        assert_true(ca_set_builder_add(builder, pki_pem(ca.x509), NULL, NULL));
        f = (struct fixture){.cas = ca_set_build(builder)};
        f.scope = (struct pin_scope){
                .kind = SCOPE_INLINE, .source = SLICE("test"), .sets = &f.pins, .set_count = 1};
        f.policy = (struct client_policy){
                .cas = f.cas, .rules = path_rules_default(), .scopes = &f.scope, .scope_count = 1};
        seal(&f, "somebody");
        f.listeners[0] =
                (struct listener){.kind = LISTENER_HTTPS, .name = SLICE("https"), .index = 0};
        f.listeners[1] =
                (struct listener){.kind = LISTENER_HTTPS, .name = SLICE("other"), .index = 1};
        f.port = (struct port){.text = SLICE("127.0.0.1:8443"),
                               .protocol = PORT_TLS,
                               .listeners = f.listeners,
                               .listener_count = 2,
                               .client = &f.policy};
        f.snapshot.ports = &f.port;
        f.snapshot.port_count = 1;
        *state = &f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;
        snapshot_reap();
        ca_set_unref(f->cas);
        pin_set_unref(f->pins);
        pki_done();
        return 0;
}

static bool run_with(struct fixture *f, const struct tls_hooks *hooks, build_contexts_fn build,
                     struct error *err)
{
        struct tls_options options = {.workers = 4, .hooks = hooks};
        struct probe *probe = probe_new(&options, build, err);
        size_t count;
        assert_non_null(probe);
        bool ok = probe_run(probe, &f->snapshot, &count, err);
        assert_int_equal(count, 1);
        probe_free(probe);
        return ok;
}

static void assert_fails(struct fixture *f, const struct tls_hooks *hooks, build_contexts_fn build,
                         const char *how)
{
        struct error err = {.text = ""};
        if (run_with(f, hooks, build, &err))
                fail_msg("the probe did not see it, wanted: %s", how);
        if (!strstr(err.text, how))
                fail_msg("%s: not in: %s", how, err.text);
        assert_non_null(strstr(err.text, "the probe of port 127.0.0.1:8443, listener https: "));
}

/* In place of libc's: what the gateway takes for now. */
static int64_t clock_is_off_by;

time_t time(time_t *out)
{
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        now.tv_sec += clock_is_off_by;
        if (out)
                *out = now.tv_sec;
        return now.tv_sec;
}

/* A machine that starts without a clock gets one later; one that ran ahead is set back. Policies
 * must go on being published then. */
static void a_clock_that_is_set_fails_no_policy(void **state)
{
        struct fixture *f = *state;
        static const int64_t years[] = {-30, 0, 30};
        struct tls_options options = {.workers = 1, .hooks = handshake_hooks()};
        struct error err = {.text = ""};
        struct probe *probe = probe_new(&options, tls_contexts_build, &err);
        for (size_t i = 0; i < COUNT_OF(years); i++) {
                size_t count;
                clock_is_off_by = years[i] * 365 * 86400;
                seal(f, i % 2 ? "somebody" : "somebody else");
                if (!probe_run(probe, &f->snapshot, &count, &err))
                        fail_msg("%d years: %s", (int)years[i], err.text);
                assert_int_equal(count, 1);
        }
        clock_is_off_by = 0;
        probe_free(probe);
}

static void contexts_and_hooks_as_they_are_pass(void **state)
{
        struct fixture *f = *state;
        struct error err = {.text = ""};
        if (!run_with(f, handshake_hooks(), tls_contexts_build, &err))
                fail_msg("%s", err.text);
        f->policy.mode = ALLOW_INSECURE_FALLBACK;
        if (!run_with(f, handshake_hooks(), tls_contexts_build, &err))
                fail_msg("%s", err.text);
}

/* ---- contexts that are built wrongly ---- */

static bool build_and_set(struct snapshot *snapshot, const struct tls_options *options, int mode,
                          struct error *err)
{
        if (!tls_contexts_build(snapshot, options, err))
                return false;
        SSL_CTX_set_verify(tls_context_find(snapshot, 0, 0), mode, NULL);
        return true;
}

static bool build_without_asking(struct snapshot *snapshot, const struct tls_options *options,
                                 struct error *err)
{
        return build_and_set(snapshot, options, SSL_VERIFY_NONE, err);
}

static bool build_and_lose_the_pins(struct snapshot *snapshot, const struct tls_options *options,
                                    struct error *err)
{
        struct client_policy *policy = (struct client_policy *)(uintptr_t)snapshot->ports[0].client;
        client_policy_unref(policy);
        policy->scope_count = 0;
        client_policy_ref(policy);
        return tls_contexts_build(snapshot, options, err);
}

static void a_context_that_asks_for_no_certificate_is_seen(void **state)
{
        assert_fails(*state, handshake_hooks(), build_without_asking,
                     "with TLS 1.3 a client that is not pinned was not refused as not_pinned");
}

static void a_policy_that_lost_its_pins_is_seen(void **state)
{
        assert_fails(*state, handshake_hooks(), build_and_lose_the_pins,
                     "a client that is not pinned was let in (accepted)");
}

/* ---- hooks that are broken ---- */

static int verify_nothing(X509_STORE_CTX *store, void *arg)
{
        (void)arg;
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
}

static int verify_and_forgive(X509_STORE_CTX *store, void *arg)
{
        handshake_hooks()->on_verify(store, arg);
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
}

static int verify_none(X509_STORE_CTX *store, void *arg)
{
        handshake_hooks()->on_verify(store, arg);
        X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
        return 0;
}

static struct tls_hooks hooks_with(int (*on_verify)(X509_STORE_CTX *, void *))
{
        struct tls_hooks hooks = *handshake_hooks();
        hooks.on_verify = on_verify;
        return hooks;
}

static void a_hook_that_does_not_judge_is_seen(void **state)
{
        struct tls_hooks hooks = hooks_with(verify_nothing);
        assert_fails(*state, &hooks, tls_contexts_build, "was not refused as not_pinned");
}

static void a_hook_that_turns_a_refusal_into_success_is_seen(void **state)
{
        struct tls_hooks hooks = hooks_with(verify_and_forgive);
        assert_fails(*state, &hooks, tls_contexts_build, "was let through by OpenSSL");
}

static void a_hook_that_refuses_everybody_is_seen(void **state)
{
        struct tls_hooks hooks = hooks_with(verify_none);
        assert_fails(*state, &hooks, tls_contexts_build,
                     "a client that is pinned was not let in (accepted)");
}

/* ---- what is probed ---- */

static void a_policy_is_probed_once_until_it_changes(void **state)
{
        struct fixture *f = *state;
        struct error err = {.text = ""};
        struct tls_options options = {.workers = 4, .hooks = handshake_hooks()};
        struct probe *probe = probe_new(&options, tls_contexts_build, &err);
        size_t count;
        assert_true(probe_run(probe, &f->snapshot, &count, &err));
        assert_int_equal(count, 1); /* two listeners, alike in what holds on them */
        assert_true(probe_run(probe, &f->snapshot, &count, &err));
        assert_int_equal(count, 0);
        seal(f, "somebody else");
        assert_true(probe_run(probe, &f->snapshot, &count, &err));
        assert_int_equal(count, 1);
        probe_free(probe);
}

static void listeners_that_differ_in_what_holds_are_probed_each(void **state)
{
        struct fixture *f = *state;
        struct error err = {.text = ""};
        struct tls_options options = {.workers = 1, .hooks = handshake_hooks()};
        struct probe *probe = probe_new(&options, tls_contexts_build, &err);
        const uint32_t second = 1;
        size_t count;
        f->scope.listeners = &second;
        f->scope.listener_count = 1;
        assert_true(probe_run(probe, &f->snapshot, &count, &err));
        assert_int_equal(count, 1); /* on the first nothing holds */
        struct pin_scope scopes[] = {f->scope, f->scope};
        scopes[1].listener_count = 0;
        f->policy.scopes = scopes;
        f->policy.scope_count = 2;
        client_policy_seal(&f->policy);
        assert_true(probe_run(probe, &f->snapshot, &count, &err));
        assert_int_equal(count, 2);
        probe_free(probe);
}

static void who_admits_nobody_or_has_no_pins_is_not_probed(void **state)
{
        struct fixture *f = *state;
        struct error err = {.text = ""};
        struct tls_options options = {.workers = 1, .hooks = handshake_hooks()};
        struct probe *probe = probe_new(&options, build_without_asking, &err);
        size_t count;
        f->policy.refuses_all = true;
        assert_true(probe_run(probe, &f->snapshot, &count, &err));
        assert_int_equal(count, 0);
        f->policy.refuses_all = false;
        f->scope.report_only = true; /* the unpinned come in: nothing is enforced */
        assert_true(probe_run(probe, &f->snapshot, &count, &err));
        assert_int_equal(count, 0);
        f->policy.scope_count = 0;
        assert_true(probe_run(probe, &f->snapshot, &count, &err));
        assert_int_equal(count, 0);
        f->port.client = NULL;
        assert_true(probe_run(probe, &f->snapshot, &count, &err));
        assert_int_equal(count, 0);
        probe_free(probe);
}

static void what_failed_is_probed_again(void **state)
{
        struct fixture *f = *state;
        struct error err = {.text = ""};
        struct tls_options options = {.workers = 1, .hooks = handshake_hooks()};
        struct probe *probe = probe_new(&options, build_without_asking, &err);
        size_t count;
        assert_false(probe_run(probe, &f->snapshot, &count, &err));
        assert_false(probe_run(probe, &f->snapshot, &count, &err));
        assert_int_equal(count, 1);
        probe_free(probe);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define PROBE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
                PROBE_TEST(contexts_and_hooks_as_they_are_pass),
                PROBE_TEST(a_clock_that_is_set_fails_no_policy),
                PROBE_TEST(a_context_that_asks_for_no_certificate_is_seen),
                PROBE_TEST(a_policy_that_lost_its_pins_is_seen),
                PROBE_TEST(a_hook_that_does_not_judge_is_seen),
                PROBE_TEST(a_hook_that_turns_a_refusal_into_success_is_seen),
                PROBE_TEST(a_hook_that_refuses_everybody_is_seen),
                PROBE_TEST(a_policy_is_probed_once_until_it_changes),
                PROBE_TEST(listeners_that_differ_in_what_holds_are_probed_each),
                PROBE_TEST(who_admits_nobody_or_has_no_pins_is_not_probed),
                PROBE_TEST(what_failed_is_probed_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
