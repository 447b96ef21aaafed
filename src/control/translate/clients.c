/* Who may come in by an HTTPS port: its CAs, its pins and its mode, as one client_policy. The unit
 * is the port, never the server name. Whatever was demanded and can't be had refuses. */
#include "base/must.h"
#include "control/translate/cas.h"
#include "control/translate/refs.h"
#include "control/translate/stages.h"
#include "text/pem.h"
#include "trust/hash.h"
#include "trust/key_pair.h"

static void ref_note(struct client_work *client, const char *reason, struct slice message)
{
        if (client->ref_reason)
                return;
        client->ref_reason = reason;
        client->ref_message = message;
}

static void refuse(struct work *w, struct client_policy *policy, const char *why)
{
        if (!policy->refuses_all)
                policy->refuses_why = freeze(w, slice_of(why));
        policy->refuses_all = true;
}

/* --- CAs --- */

static void cas_build(struct work *w, const struct gateway *gateway, struct client_work *client,
                      struct client_policy *policy)
{
        static const char *const reasons[] = {
                [CAS_WRONG_KIND] = "InvalidCACertificateKind",
                [CAS_NOT_PERMITTED] = "RefNotPermitted",
                [CAS_INVALID] = "InvalidCACertificateRef",
        };
        struct ca_answer cas;
        cas_resolve(w, &gateway->object, client->validation->ca_refs.items,
                    client->validation->ca_refs.count, &cas);
        policy->cas = cas.set;
        if (cas.fault != CAS_RESOLVED)
                ref_note(client, reasons[cas.fault], cas.message);
        if (policy->cas)
                return;
        client->refusal = "NoValidCACertificate";
        client->refusal_message = tell(w, "%.*s; no CA is left, so nobody is admitted",
                                       SLICE_ARG(client->ref_message));
        refuse(w, policy, "no reference to a CA certificate is usable");
}

/* --- inline pins --- */

static struct pin_set *pinned_certificates_parse(struct slice pem, struct error *err)
{
        struct pin_set_builder *builder = pin_set_builder_new();
        struct pem_reader reader;
        struct pem_block block;
        enum pem_step step;
        struct arena scratch;
        bool ok = true;
        arena_init(&scratch, 8192);
        pem_reader_init(&reader, pem, PEM_SKIP_KEYS);
        while (ok && (step = pem_next(&reader, &scratch, &block, err)) != PEM_END) {
                ok = step == PEM_BLOCK;
                if (!ok || !slice_is(block.label, "CERTIFICATE"))
                        continue;
                struct pin pin = {.kind = PIN_CERTIFICATE,
                                  .digest = sha256(block.der),
                                  .not_before = PIN_ALWAYS_FROM,
                                  .not_after = PIN_ALWAYS_UNTIL};
                if (certificate_der_check(block.der))
                        pin_set_builder_add(builder, &pin, block.ordinal);
                else
                        ok = error_set(err, ERROR_INPUT, "block %zu is no X.509 certificate",
                                       block.ordinal);
        }
        arena_done(&scratch);
        struct pin_set *set = pin_set_build(builder);
        if (ok && pin_set_count(set) == 0)
                ok = error_set(err, ERROR_INPUT, "has no PEM block CERTIFICATE");
        if (ok)
                return set;
        pin_set_unref(set);
        return NULL;
}

static struct pin_set *pinned_ref_resolve(struct work *w, const struct gateway *gateway,
                                          struct client_work *client, const struct object_ref *ref)
{
        struct ref_target target = {0};
        struct error fault = {0};
        const struct slice *pem;
        const char *reason = "InvalidPinnedCertificateRef";
        switch (data_ref_resolve(w, &gateway->object, ref, BIT(KIND_SECRET) | BIT(KIND_CONFIG_MAP),
                                 &target)) {
        case REF_WRONG_KIND:
                reason = "InvalidPinnedCertificateKind";
                error_set(&fault, ERROR_INPUT, "is not supported, wants a ConfigMap or Secret");
                break;
        case REF_NOT_PERMITTED:
                reason = "RefNotPermitted";
                error_set(&fault, ERROR_INPUT, "no ReferenceGrant permits it");
                break;
        case REF_MISSING:
                error_set(&fault, ERROR_INPUT, "%.*s", SLICE_ARG(target.why));
                break;
        case REF_FOUND:
                pem = data_find(target.object, "tls.crt");
                struct pin_set *set = pem ? pinned_certificates_parse(*pem, &fault) : NULL;
                if (set) {
                        vec_push(&w->pin_sets, set);
                        return set;
                }
                if (!pem)
                        error_set(&fault, ERROR_INPUT, "has no key tls.crt");
        }
        ref_note(client, reason,
                 tell(w, "pinnedCertificateRefs: %.*s: %s", SLICE_ARG(target.id), fault.text));
        return NULL;
}

static struct pin_set *hashes_build(struct work *w, const struct certificate_pinning *pinning)
{
        struct pin_set_builder *builder = pin_set_builder_new();
        const struct pin_list *lists[] = {&pinning->spki_hashes, &pinning->certificate_hashes};
        for (size_t l = 0; l < COUNT_OF(lists); l++)
                for (size_t i = 0; i < lists[l]->count; i++)
                        pin_set_builder_add(builder, &lists[l]->items[i], i + 1);
        struct pin_set *set = pin_set_build(builder);
        vec_push(&w->pin_sets, set);
        return set;
}

static size_t inline_scope_build(struct work *w, const struct gateway_work *gateway,
                                 struct client_work *client, struct pin_scope *scope)
{
        const struct certificate_pinning *pinning = client->validation->pinning;
        struct pin_set **sets =
                ARENA_ARRAY(w->frozen, struct pin_set *, pinning->certificate_refs.count + 1);
        struct slice *sources =
                ARENA_ARRAY(w->frozen, struct slice, pinning->certificate_refs.count + 1);
        size_t count = 0, pins = 0;
        sources[0] = SLICE("hashes");
        if (pinning->spki_hashes.count + pinning->certificate_hashes.count)
                sets[count++] = hashes_build(w, pinning);
        for (size_t i = 0; i < pinning->certificate_refs.count; i++) {
                const struct object_ref *ref = &pinning->certificate_refs.items[i];
                struct pin_set *set = pinned_ref_resolve(w, gateway->api, client, ref);
                if (!set)
                        continue;
                struct slice namespace =
                        ref->namespace.len ? ref->namespace : gateway->api->object.namespace;
                sources[count] = arena_printf(w->frozen, "%.*s %.*s/%.*s", SLICE_ARG(ref->kind),
                                              SLICE_ARG(namespace), SLICE_ARG(ref->name));
                sets[count++] = set;
        }
        for (size_t i = 0; i < count; i++)
                pins += pin_set_count(sets[i]);
        *scope = (struct pin_scope){.kind = SCOPE_INLINE,
                                    .source = arena_printf(w->frozen,
                                                           "Gateway %.*s certificatePinning",
                                                           SLICE_ARG(gateway->name)),
                                    .sets = sets,
                                    .set_count = count,
                                    .set_sources = sources,
                                    .removal = removal_default()};
        return pins;
}

/* --- the policy --- */

static void inline_scope_add(struct work *w, const struct gateway_work *gateway,
                             struct client_work *client, struct client_policy *policy,
                             struct pin_scope *scope)
{
        size_t pins = inline_scope_build(w, gateway, client, scope);
        policy->scope_count++;
        if (pins == 0 && !client->refusal) {
                client->refusal = "NoValidPin";
                client->refusal_message = tell(w, "%.*s; no pin is left, so nobody is admitted",
                                               SLICE_ARG(client->ref_message));
        }
        if (pins == 0)
                refuse(w, policy, "no inline pin is usable");
        if (pins == 1 && !gateway->policy) {
                client->warning_reason = "SolePin";
                client->warning = SLICE("there is one pin and no backup: the day its key is "
                                        "replaced, nobody gets in");
        }
}

static const struct policy_target *set_policy(const struct listener_work *listener)
{
        return listener->set ? listener->set->policy : NULL;
}

/* On the listeners of one ListenerSet, which stand side by side. Returns how many they are. */
static size_t set_scope_build(struct work *w, const struct client_work *client, size_t start,
                              struct pin_scope *scope)
{
        const struct listener_set_work *set = client->listeners[start]->set;
        size_t count = client->listener_count, end = start, held = 0;
        uint32_t *indexes = ARENA_ARRAY(w->frozen, uint32_t, count - start);
        for (; end < count && client->listeners[end]->set == set; end++)
                if (client->listeners[end]->client == client)
                        indexes[held++] = client->listeners[end]->index;
        *scope = policy_scope(w, set->policy, SCOPE_LISTENER_SET);
        scope->listeners = indexes;
        scope->listener_count = held;
        return end - start;
}

static void set_scopes_build(struct work *w, const struct client_work *client,
                             struct client_policy *policy, struct pin_scope *scopes)
{
        for (size_t i = 0; i < client->listener_count;) {
                const struct listener_work *listener = client->listeners[i];
                if (!set_policy(listener)) {
                        i++;
                        continue;
                }
                struct pin_scope *scope = &scopes[policy->scope_count];
                i += set_scope_build(w, client, i, scope);
                policy->scope_count += scope->listener_count > 0; /* 0 would mean all of them */
        }
}

static void section_scopes_build(struct work *w, const struct client_work *client,
                                 struct client_policy *policy, struct pin_scope *scopes)
{
        for (size_t i = 0; i < client->listener_count; i++) {
                const struct listener_work *listener = client->listeners[i];
                if (listener->client != client || !listener->policy)
                        continue;
                struct pin_scope *scope = &scopes[policy->scope_count++];
                uint32_t *index = ARENA_NEW(w->frozen, uint32_t);
                *scope = policy_scope(w, listener->policy, SCOPE_LISTENER);
                *index = listener->index;
                scope->listeners = index;
                scope->listener_count = 1;
        }
}

static void scopes_build(struct work *w, const struct gateway_work *gateway,
                         struct client_work *client, struct client_policy *policy)
{
        size_t max = 2 + 2 * client->listener_count;
        struct pin_scope *scopes = ARENA_ARRAY(w->frozen, struct pin_scope, max);
        if (client->validation && client->validation->pinning)
                inline_scope_add(w, gateway, client, policy, &scopes[0]);
        if (gateway->policy)
                scopes[policy->scope_count++] = policy_scope(w, gateway->policy, SCOPE_GATEWAY);
        if (policy_enforces(gateway->policy) &&
            !pin_scope_is_usable(&scopes[policy->scope_count - 1]))
                refuse(w, policy, "a ClientCertificatePolicy has no usable pin");
        set_scopes_build(w, client, policy, scopes);
        section_scopes_build(w, client, policy, scopes);
        policy->scopes = policy->scope_count ? scopes : NULL;
}

static bool any_in_force(const struct client_policy *policy)
{
        for (size_t i = 0; i < policy->scope_count; i++)
                if (!policy->scopes[i].report_only)
                        return true;
        return false;
}

/* Pins are demanded of clients that nobody asks for a certificate: of the whole Gateway they close
 * the port, of a ListenerSet or a listener no more than that. */
static void close_unvalidated(struct work *w, const struct client_work *client)
{
        for (size_t i = 0; i < client->listener_count; i++) {
                struct listener_work *listener = client->listeners[i];
                if (listener->client == client &&
                    (policy_enforces(listener->policy) || policy_enforces(set_policy(listener))))
                        listener->closed = freeze(
                                w, SLICE("a policy demands pins where no client is validated"));
        }
}

/* spec.tls.frontend is for HTTPS. Where only TLS listeners stand, it holds once pins are demanded
 * there: by a policy, or of the whole Gateway, where a policy that is deleted must not open them.
 */
static bool client_is_asked(const struct work *w, const struct gateway_work *gateway,
                            const struct client_work *client)
{
        for (size_t i = 0; i < client->listener_count; i++) {
                const struct listener_work *listener = client->listeners[i];
                if (listener->client == client &&
                    (listener->kind == LISTENER_HTTPS || listener->policy || set_policy(listener) ||
                     gateway->policy || pins_are_required(w, gateway)))
                        return true;
        }
        return false;
}

static void client_build(struct work *w, struct gateway_work *gateway, struct client_work *client)
{
        if (client_is_asked(w, gateway, client))
                client->validation = gateway_validation(gateway->api, client->port);
        if (!client->validation)
                close_unvalidated(w, client);
        if (!client->validation && !policy_enforces(gateway->policy))
                return;
        struct client_policy *policy = ARENA_NEW(w->frozen, struct client_policy);
        policy->rules = path_rules_default();
        if (client->validation) {
                bool insecure = slice_is(client->validation->mode, "AllowInsecureFallback");
                policy->mode = insecure ? ALLOW_INSECURE_FALLBACK : ALLOW_VALID_ONLY;
                cas_build(w, gateway->api, client, policy);
        } else {
                refuse(w, policy, "a policy demands pins where no client is validated");
        }
        scopes_build(w, gateway, client, policy);
        policy->pins_required = pins_are_required(w, gateway);
        if (policy->pins_required && !any_in_force(policy))
                refuse(w, policy, "pins are required and there are none");
        client_policy_seal(policy);
        client->policy = policy;
}

/* The client of a port, if TLS ends on some of its listeners. */
static void group_join(struct work *w, struct gateway_work *gateway,
                       struct listener_work *const *group, size_t count)
{
        struct client_work *client = &gateway->clients[gateway->client_count];
        bool ends = false;
        *client = (struct client_work){
                .port = group[0]->api->port, .listeners = group, .listener_count = count};
        for (size_t i = 0; i < count; i++) {
                struct listener_work *l = group[i];
                if (!listener_is_served(l))
                        continue;
                if (l->kind == LISTENER_HTTPS || l->kind == LISTENER_TLS_TERMINATE)
                        l->client = client;
                else if (policy_enforces(l->policy))
                        l->closed = freeze(w, SLICE("a policy demands pins of a listener that "
                                                    "can't ask for a certificate"));
                ends |= l->client != NULL;
        }
        gateway->client_count += ends;
}

void clients_build(struct work *w, struct gateway_work *gateway)
{
        size_t listeners = gateway->listener_count;
        gateway->clients = ARENA_ARRAY(&w->out->arena, struct client_work, listeners + 1);
        for (size_t start = 0, end; start < listeners; start = end) {
                end = port_group_end(gateway, start);
                group_join(w, gateway, gateway->by_port + start, end - start);
        }
        for (size_t i = 0; i < gateway->client_count; i++) {
                struct client_work *client = &gateway->clients[i];
                client_build(w, gateway, client);
                if (client->validation &&
                    slice_is(client->validation->mode, "AllowInsecureFallback"))
                        gateway->insecure_mode = true;
        }
        for (size_t i = 0; i < listeners; i++)
                if (gateway->listeners[i].client)
                        pinning_decide(w, gateway, &gateway->listeners[i]);
}
