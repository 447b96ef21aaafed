/* BackendTLSPolicies: for which Service and port each holds, and what its backends must prove. What
 * was demanded and can't be had refuses: nothing goes there in the clear instead. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "control/translate/cas.h"
#include "control/translate/refs.h"
#include "control/translate/stages.h"
#include "trust/pin_set.h"

static int by_age(const void *a, const void *b)
{
        const struct backend_tls_work *left = a, *right = b;
        return object_age_compare(&left->api->object, &right->api->object);
}

static void refuse(struct backend_tls_work *policy, const char *reason, struct slice message)
{
        if (policy->refusal)
                return;
        policy->refusal = reason;
        policy->refusal_message = message;
}

static void warn(struct work *w, struct backend_tls_work *policy, const char *reason,
                 struct slice message)
{
        if (!policy->warning_reason)
                policy->warning_reason = reason;
        policy->warning = tell(w, "%.*s%s%.*s", SLICE_ARG(policy->warning),
                               policy->warning.len ? "; " : "", SLICE_ARG(message));
}

/* --- whom they must prove to be --- */

static void names_build(struct work *w, const struct backend_tls_policy *api,
                        struct client_policy *peer)
{
        size_t count = api->alt_names.count ? api->alt_names.count : 1;
        struct peer_name *names = ARENA_ARRAY(w->frozen, struct peer_name, count);
        names[0] = (struct peer_name){PEER_NAME_DNS, freeze(w, api->hostname)};
        for (size_t i = 0; i < api->alt_names.count; i++) {
                const struct subject_alt_name *name = &api->alt_names.items[i];
                names[i] = name->type == SAN_URI
                                   ? (struct peer_name){PEER_NAME_URI, freeze(w, name->uri)}
                                   : (struct peer_name){PEER_NAME_DNS, freeze(w, name->hostname)};
        }
        peer->names = names;
        peer->name_count = count;
}

/* A server name is never an address (RFC 6066, 3), and a dNSName does not say one. */
static bool is_ip(struct work *w, struct slice text)
{
        struct in_addr address;
        return inet_pton(AF_INET, arena_text(&w->out->arena, text), &address) == 1;
}

static void cas_build(struct work *w, struct backend_tls_work *policy, struct client_policy *peer)
{
        static const char *const reasons[] = {
                [CAS_WRONG_KIND] = "InvalidKind",
                [CAS_NOT_PERMITTED] = "RefNotPermitted",
                [CAS_INVALID] = "InvalidCACertificateRef",
        };
        const struct backend_tls_policy *api = policy->api;
        struct ca_answer cas;
        if (api->well_known.len > 0) {
                refuse(policy, "Invalid",
                       tell(w,
                            "validation.wellKnownCACertificates: %.*s is not supported, as the "
                            "system's trust store is never loaded; wants caCertificateRefs",
                            SLICE_ARG(api->well_known)));
                return;
        }
        cas_resolve(w, &api->object, api->ca_refs.items, api->ca_refs.count, &cas);
        peer->cas = cas.set;
        if (cas.fault != CAS_RESOLVED) {
                policy->ref_reason = reasons[cas.fault];
                policy->ref_message = tell(w, "validation.%.*s", SLICE_ARG(cas.message));
        }
        if (!peer->cas)
                refuse(policy, "NoValidCACertificate",
                       tell(w, "%.*s; no CA is left", SLICE_ARG(policy->ref_message)));
}

/* --- pins --- */

static bool is_separator(char c)
{
        return c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool word_next(struct slice *rest, struct slice *word)
{
        size_t from = 0, to;
        while (from < rest->len && is_separator(rest->data[from]))
                from++;
        for (to = from; to < rest->len && !is_separator(rest->data[to]);)
                to++;
        *word = slice_sub(*rest, from, to - from);
        *rest = slice_skip(*rest, to);
        return word->len > 0;
}

/* False with the fault told: not one pin of a list with a bad one is taken, and an empty list is no
 * list of pins (I3, I5). */
static bool pins_read(struct work *w, struct backend_tls_work *policy,
                      const struct text_pair *option, enum pin_kind kind,
                      struct pin_set_builder *builder)
{
        struct slice rest = option->value, word;
        size_t count = 0;
        while (word_next(&rest, &word)) {
                struct pin pin = {
                        .kind = kind, .not_before = PIN_ALWAYS_FROM, .not_after = PIN_ALWAYS_UNTIL};
                struct error fault;
                if (!pin_text_parse(word, kind, &pin.digest, &fault)) {
                        refuse(policy, "Invalid",
                               tell(w, "options.%.*s: item %zu: %s", SLICE_ARG(option->key), count,
                                    fault.text));
                        return false;
                }
                pin_set_builder_add(builder, &pin, ++count);
        }
        if (count == 0)
                refuse(policy, "Invalid",
                       tell(w, "options.%.*s lists no pin (leave it out for no pinning)",
                            SLICE_ARG(option->key)));
        return count > 0;
}

static void scope_build(struct work *w, const struct backend_tls_work *policy, struct pin_set *set,
                        struct client_policy *peer)
{
        struct pin_scope *scope = ARENA_NEW(w->frozen, struct pin_scope);
        struct pin_set **sets = ARENA_NEW(w->frozen, struct pin_set *);
        struct slice *sources = ARENA_NEW(w->frozen, struct slice);
        *sets = set;
        *sources = SLICE("options");
        *scope = (struct pin_scope){.kind = SCOPE_INLINE,
                                    .source = freeze(w, policy->api->object.id),
                                    .sets = sets,
                                    .set_count = 1,
                                    .set_sources = sources,
                                    .removal = removal_default()};
        peer->scopes = scope;
        peer->scope_count = 1;
}

/* An option under our own prefix that we do not know could be a restriction. */
static void options_read(struct work *w, struct backend_tls_work *policy,
                         struct client_policy *peer)
{
        const struct text_map *options = &policy->api->options;
        struct pin_set_builder *builder = pin_set_builder_new();
        bool pins = false;
        for (size_t i = 0; i < options->count; i++) {
                const struct text_pair *option = &options->items[i];
                if (slice_is(option->key, OPTION_SPKI_HASHES))
                        pins |= pins_read(w, policy, option, PIN_SPKI, builder);
                else if (slice_is(option->key, OPTION_CERTIFICATE_HASHES))
                        pins |= pins_read(w, policy, option, PIN_CERTIFICATE, builder);
                else if (slice_starts_with(option->key, SLICE(GROUP_PINGATE "/")))
                        refuse(policy, "Invalid",
                               tell(w, "options: %.*s is not known", SLICE_ARG(option->key)));
                else
                        warn(w, policy, "UnknownOption",
                             tell(w, "options: %.*s is not known and has no effect",
                                  SLICE_ARG(option->key)));
        }
        struct pin_set *set = pin_set_build(builder);
        vec_push(&w->pin_sets, set);
        if (pins)
                scope_build(w, policy, set, peer);
        if (pins && pin_set_count(set) == 1)
                warn(w, policy, "SolePin",
                     SLICE("there is one pin and no backup: the day the backends' key is "
                           "replaced, their requests get 502"));
}

/* --- the frozen form --- */

static void validation_build(struct work *w, struct backend_tls_work *policy,
                             struct client_policy *peer)
{
        const struct backend_tls_policy *api = policy->api;
        if (is_ip(w, api->hostname))
                refuse(policy, "Invalid",
                       tell(w, "validation.hostname: %.*s is an IP address, wants a DNS name",
                            SLICE_ARG(api->hostname)));
        cas_build(w, policy, peer);
}

static void policy_build(struct work *w, struct backend_tls_work *policy)
{
        const struct backend_tls_policy *api = policy->api;
        struct client_policy *peer = ARENA_NEW(w->frozen, struct client_policy);
        *peer = (struct client_policy){.mode = ALLOW_VALID_ONLY, .rules = path_rules_default()};
        peer->rules.use = USE_SERVER_AUTH;
        names_build(w, api, peer);
        if (api->object.fault.len > 0) {
                refuse(policy, "Invalid", tell(w, "%.*s", SLICE_ARG(api->object.fault)));
        } else {
                validation_build(w, policy, peer);
                options_read(w, policy, peer);
        }
        peer->refuses_all = policy->refusal != NULL;
        peer->refuses_why = freeze(w, policy->refusal_message);
        client_policy_seal(peer);
        policy->tls = ARENA_NEW(w->frozen, struct backend_tls);
        *policy->tls = (struct backend_tls){.snapshot = w->out->snapshot,
                                            .source = freeze(w, api->object.id),
                                            .server_name = freeze(w, api->hostname),
                                            .peer = peer};
        backend_tls_seal(policy->tls);
}

void backend_tls_keep(struct work *w, struct backend_tls *tls)
{
        tls->index = (uint32_t)w->backend_tls.count;
        client_policy_ref(tls->peer); /* snapshot_reap gives it back */
        const struct backend_tls *kept = tls;
        vec_push(&w->backend_tls, kept);
}

/* --- where they hold --- */

static bool section_exists(const struct service *service, struct slice name)
{
        for (size_t i = 0; i < service->ports.count; i++)
                if (slice_equal(service->ports.items[i].name, name))
                        return true;
        return false;
}

static struct slice target_key(struct work *w, struct slice service, struct slice section)
{
        return tell(w, "%.*s#%.*s", SLICE_ARG(service), SLICE_ARG(section));
}

static void target_attach(struct work *w, struct backend_target_work *target)
{
        const struct object *object = &target->policy->api->object;
        const struct backend_target *api = target->api;
        target->outcome = BACKEND_TARGET_FOREIGN;
        if (api->group.len > 0 || !slice_is(api->kind, "Service"))
                return;
        target->service = ARENA_JOIN(&w->out->arena, object->namespace, SLICE("/"), api->name);
        target->why = SLICE("does not exist");
        const struct service *service =
                object_find_whole(w, KIND_SERVICE, object->namespace, api->name, &target->why);
        target->outcome = BACKEND_TARGET_MISSING;
        if (!service || (api->section_name.len && !section_exists(service, api->section_name)))
                return;
        struct slice key = target_key(w, target->service, api->section_name);
        target->holder = map_find(&w->backend_tls_index, key); /* older: they come by age */
        target->outcome = target->holder ? BACKEND_TARGET_CONFLICTED : BACKEND_TARGET_ATTACHED;
        if (!target->holder)
                map_set(&w->backend_tls_index, key, target);
}

void backend_tls_collect(struct work *w)
{
        const struct object_list *list = &w->objects->kinds[KIND_BACKEND_TLS_POLICY];
        w->tls_policies = memory_new(sizeof(*w->tls_policies) * (list->count + 1));
        for (size_t i = 0; i < list->count; i++)
                w->tls_policies[w->tls_policy_count++].api =
                        (const struct backend_tls_policy *)list->items[i];
        qsort(w->tls_policies, w->tls_policy_count, sizeof(*w->tls_policies), by_age);
        for (size_t i = 0; i < w->tls_policy_count; i++) {
                struct backend_tls_work *policy = &w->tls_policies[i];
                size_t count = policy->api->targets.count;
                policy_build(w, policy);
                broken_warn(w, &policy->api->object, count == 0);
                policy->targets = ARENA_ARRAY(&w->out->arena, struct backend_target_work, count);
                for (size_t t = 0; t < count; t++) {
                        policy->targets[t].policy = policy;
                        policy->targets[t].api = &policy->api->targets.items[t];
                        target_attach(w, &policy->targets[t]);
                }
        }
}

const struct backend_tls *backend_tls_find(struct work *w, const struct service *service,
                                           const struct service_port *port)
{
        if (w->tls_policy_count == 0)
                return NULL;
        struct slice name = ARENA_JOIN(&w->out->arena, service->object.namespace, SLICE("/"),
                                       service->object.name);
        struct backend_target_work *target = NULL;
        if (port && port->name.len > 0)
                target = map_find(&w->backend_tls_index, target_key(w, name, port->name));
        if (!target)
                target = map_find(&w->backend_tls_index, target_key(w, name, SLICE_NONE));
        if (!target)
                return NULL;
        if (!target->policy->used)
                backend_tls_keep(w, target->policy->tls);
        target->policy->used = true;
        return target->policy->tls;
}
