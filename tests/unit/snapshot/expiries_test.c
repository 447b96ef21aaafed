#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "snapshot/expiries.h"
#include "trust/test_pki.h"

enum {
        DAY = 86400
};

static struct slice ca_pem(int64_t not_after)
{
        struct pki_spec spec = {.subject = "ca", .ca = true, .not_after = not_after};
        if (not_after < PKI_NOW)
                spec.not_before = not_after - DAY;
        return pki_pem(pki_make(NULL, &spec).x509);
}

static void port_add(struct snapshot *s, struct slice ca, const struct slice *crl)
{
        struct ca_set_builder *builder = ca_set_builder_new(CA_FLOOR_FULL);
        struct client_policy *policy = ARENA_NEW(&s->arena, struct client_policy);
        struct port *ports = ARENA_ARRAY(&s->arena, struct port, s->port_count + 1);
        struct error err = {0};
        if (!ca_set_builder_add(builder, ca, crl, &err))
                fail_msg("%s", err.text);
        policy->cas = ca_set_build(builder);
        for (size_t i = 0; i < s->port_count; i++)
                ports[i] = s->ports[i];
        ports[s->port_count].client = policy;
        s->ports = ports;
        s->port_count++;
}

static void drop(struct snapshot *s)
{
        snapshot_unref(s);
        snapshot_reap();
        pki_done();
}

static void nothing_ends_where_there_is_nothing(void **state)
{
        (void)state;
        struct snapshot *s = snapshot_new();
        struct expiries e = snapshot_expiries(s, PKI_NOW);
        assert_true(e.cas == EXPIRY_NONE && e.crls == EXPIRY_NONE &&
                    e.server_certificates == EXPIRY_NONE);
        drop(s);
}

static void an_old_ca_in_a_bundle_hides_none_that_ends_next(void **state)
{
        (void)state;
        struct snapshot *s = snapshot_new();
        port_add(s,
                 pki_join(ca_pem(PKI_NOW - 9 * DAY),
                          pki_join(ca_pem(PKI_NOW + 90 * DAY), ca_pem(PKI_NOW + 7 * DAY))),
                 NULL);
        assert_int_equal(snapshot_expiries(s, PKI_NOW).cas, PKI_NOW + 7 * DAY);
        drop(s);
}

static void a_port_whose_cas_are_all_over_is_told(void **state)
{
        (void)state;
        struct snapshot *s = snapshot_new();
        port_add(s, ca_pem(PKI_NOW + 90 * DAY), NULL);
        port_add(s, pki_join(ca_pem(PKI_NOW - 9 * DAY), ca_pem(PKI_NOW - 2 * DAY)), NULL);
        assert_int_equal(snapshot_expiries(s, PKI_NOW).cas, PKI_NOW - 2 * DAY);
        drop(s);
}

static void a_ca_of_backends_counts_as_one_of_clients_does(void **state)
{
        (void)state;
        struct snapshot *s = snapshot_new();
        port_add(s, ca_pem(PKI_NOW + 90 * DAY), NULL);
        port_add(s, ca_pem(PKI_NOW + 7 * DAY), NULL);
        struct backend_tls *tls = ARENA_NEW(&s->arena, struct backend_tls);
        const struct backend_tls **all = ARENA_NEW(&s->arena, const struct backend_tls *);
        *tls = (struct backend_tls){.peer = s->ports[1].client};
        *all = tls;
        s->backend_tls = all; /* takes over the port's reference */
        s->backend_tls_count = 1;
        s->port_count = 1;
        assert_int_equal(snapshot_expiries(s, PKI_NOW).cas, PKI_NOW + 7 * DAY);
        drop(s);
}

static void a_crl_and_a_server_certificate_count_for_as_long_as_they_stand(void **state)
{
        (void)state;
        struct snapshot *s = snapshot_new();
        struct pki_spec spec = {.subject = "ca", .ca = true};
        struct pki_cert ca = pki_make(NULL, &spec);
        struct slice crl = pki_crl_pem(pki_crl(&ca, NULL, 0, PKI_NOW - 3 * DAY, PKI_NOW - DAY));
        struct server_certificate certificates[] = {{.not_after = PKI_NOW + DAY},
                                                    {.not_after = PKI_NOW - DAY}};
        const struct server_certificate *list[] = {&certificates[0], &certificates[1]};
        port_add(s, pki_pem(ca.x509), &crl);
        s->certificates = list;
        s->certificate_count = 2;
        struct expiries e = snapshot_expiries(s, PKI_NOW);
        assert_int_equal(e.crls, PKI_NOW - DAY);
        assert_int_equal(e.server_certificates, PKI_NOW - DAY);
        drop(s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_ends_where_there_is_nothing),
                cmocka_unit_test(an_old_ca_in_a_bundle_hides_none_that_ends_next),
                cmocka_unit_test(a_port_whose_cas_are_all_over_is_told),
                cmocka_unit_test(a_ca_of_backends_counts_as_one_of_clients_does),
                cmocka_unit_test(a_crl_and_a_server_certificate_count_for_as_long_as_they_stand),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
