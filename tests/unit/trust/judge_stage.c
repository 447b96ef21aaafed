#include "judge_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trust/certificate.h"

struct pki_cert root, other_root, issuing, robot, stranger, self_made;

struct pin leaf_pin(const struct pki_cert *cert, const char *name)
{
        return (struct pin){.kind = PIN_SPKI,
                            .digest = certificate_spki_digest(cert->x509),
                            .name = slice_of(name),
                            .not_before = PIN_ALWAYS_FROM,
                            .not_after = PIN_ALWAYS_UNTIL};
}

struct pin issuer_pin(const struct pki_cert *cert, const char *name)
{
        struct pin pin = leaf_pin(cert, name);
        pin.kind = PIN_ISSUER;
        return pin;
}

struct pin_set *set_of(const struct pin *pins, size_t count)
{
        struct pin_set_builder *builder = pin_set_builder_new();
        for (size_t i = 0; i < count; i++)
                pin_set_builder_add(builder, &pins[i], i + 1);
        return pin_set_build(builder);
}

void port_open(struct port *port, const struct slice *crl_pem)
{
        struct ca_set_builder *builder = ca_set_builder_new(CA_FLOOR_FULL);
        struct error err;
        memset(port, 0, sizeof(*port));
        if (!ca_set_builder_add(builder, pki_pem(root.x509), crl_pem, &err))
                fail_msg("%s", err.text);
        port->policy.rules = path_rules_default();
        port->policy.cas = ca_set_build(builder);
        port->policy.scopes = port->scopes;
        port->store = trust_store_new(port->policy.cas);
}

struct pin_scope *port_scope(struct port *port, enum pin_scope_kind kind, const char *source,
                             const struct pin *pins, size_t count)
{
        size_t index = port->policy.scope_count++;
        port->sets[index] = set_of(pins, count);
        port->scopes[index] = (struct pin_scope){.kind = kind,
                                                 .source = slice_of(source),
                                                 .sets = &port->sets[index],
                                                 .set_count = 1,
                                                 .removal = removal_default()};
        return &port->scopes[index];
}

void port_close(struct port *port)
{
        trust_store_unref(port->store);
        client_policy_unref(&port->policy);
}

struct verdict ask(const struct port *port, struct asked asked)
{
        struct chain *chain = chain_new(asked.who->x509, asked.others, SLICE_NONE, 0);
        struct judge_request request = {.policy = &port->policy,
                                        .chain = chain,
                                        .listener = asked.listener,
                                        .now = asked.now ? asked.now : PKI_NOW,
                                        .store = port->store};
        struct verdict verdict;
        judge(&request, &verdict);
        chain_free(chain);
        return verdict;
}

void expect(const struct verdict *verdict, enum reason reason)
{
        if (verdict->reason != reason)
                fail_msg("%s (%s), wants %s", reason_token(verdict->reason), verdict->detail,
                         reason_token(reason));
        assert_int_equal(verdict->verified, reason == REASON_ACCEPTED);
}

int stage_setup(void **state)
{
        (void)state;
        root = pki_make(NULL, &(struct pki_spec){.subject = "root", .ca = true});
        other_root = pki_make(NULL, &(struct pki_spec){.subject = "other root", .ca = true});
        issuing = pki_make(&root, &(struct pki_spec){.subject = "issuing", .ca = true});
        robot = pki_make(&root, &(struct pki_spec){.subject = "robot"});
        stranger = pki_make(&root, &(struct pki_spec){.subject = "stranger"});
        self_made = pki_make(NULL, &(struct pki_spec){.subject = "self-made"});
        return 0;
}

int stage_teardown(void **state)
{
        (void)state;
        pki_done();
        return 0;
}
