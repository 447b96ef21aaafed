/* Which Gateways are ours, whether their listeners can be served, and what they are told. */
#include <stdlib.h>

#include "control/translate/stages.h"
#include "control/translate/refs.h"
#include "route/host_match.h"

/* --- whose --- */

static bool class_is_ours(struct work *w, const struct gateway *gateway)
{
        const struct gateway_class *class = (const struct gateway_class *)objects_find(
                w->objects, KIND_GATEWAY_CLASS, SLICE_NONE, gateway->class_name);
        if (class)
                return slice_is(class->controller_name, CONTROLLER_NAME);
        return slice_is(gateway->class_name, CLASS_NAME);
}

static int by_age(const void *a, const void *b)
{
        const struct gateway_work *left = a, *right = b;
        return object_age_compare(&left->api->object, &right->api->object);
}

void gateways_collect(struct work *w)
{
        const struct object_list *list = &w->objects->kinds[KIND_GATEWAY];
        w->gateways = memory_new(sizeof(*w->gateways) * (list->count + 1));
        for (size_t i = 0; i < list->count; i++) {
                const struct gateway *gateway = (const struct gateway *)list->items[i];
                if (class_is_ours(w, gateway))
                        w->gateways[w->gateway_count++].api = gateway;
                else
                        work_warn(w, "%.*s: class %.*s is not ours, so it is passed over",
                                  SLICE_ARG(gateway->object.id), SLICE_ARG(gateway->class_name));
        }
        qsort(w->gateways, w->gateway_count, sizeof(*w->gateways), by_age);
        for (size_t i = 0; i < w->gateway_count; i++) {
                struct gateway_work *gateway = &w->gateways[i];
                const struct object *object = &gateway->api->object;
                gateway->name = arena_printf(w->frozen, "%.*s/%.*s", SLICE_ARG(object->namespace),
                                             SLICE_ARG(object->name));
        }
}

/* --- listeners --- */

static bool kind_of(struct slice text, enum listener_kind *kind)
{
        *kind = slice_is(text, "HTTPS") ? LISTENER_HTTPS : LISTENER_HTTP;
        return slice_is(text, "HTTP") || slice_is(text, "HTTPS");
}

static void listener_ref_fault(struct listener_work *listener, const char *reason,
                               struct slice message)
{
        if (listener->refs_broken)
                return;
        listener->refs_broken = true;
        condition_set(&listener->status->conditions, "ResolvedRefs", false, reason, message);
}

static void kinds_check(struct work *w, struct listener_work *listener)
{
        const struct allowed_routes *allowed = listener->api->allowed_routes;
        if (!allowed || allowed->kinds.count == 0)
                listener->status->kinds = BIT(KIND_HTTP_ROUTE);
        for (size_t i = 0; allowed && i < allowed->kinds.count; i++) {
                const struct route_kind *kind = &allowed->kinds.items[i];
                if (slice_is(kind->group, GROUP_GATEWAY) && slice_is(kind->kind, "HTTPRoute"))
                        listener->status->kinds |= BIT(KIND_HTTP_ROUTE);
                else
                        listener_ref_fault(listener, "InvalidRouteKinds",
                                           tell(w,
                                                "allowedRoutes.kinds: %.*s is not supported "
                                                "with protocol %.*s, wants HTTPRoute",
                                                SLICE_ARG(kind->kind),
                                                SLICE_ARG(listener->api->protocol)));
        }
}

static void certificates_check(struct work *w, const struct gateway *gateway,
                               struct listener_work *listener)
{
        const struct listener_tls *tls = listener->api->tls;
        for (size_t i = 0; tls && i < tls->options.count; i++)
                work_warn(w,
                          "%.*s: listener %.*s: tls.options: %.*s is not known and has no effect",
                          SLICE_ARG(gateway->object.id), SLICE_ARG(listener->api->name),
                          SLICE_ARG(tls->options.items[i].key));
        if (!tls || tls->certificate_refs.count == 0) {
                listener_ref_fault(listener, "InvalidCertificateRef",
                                   SLICE("tls.certificateRefs names no certificate"));
                return;
        }
        listener->certificates = ARENA_ARRAY(w->frozen, const struct server_certificate *,
                                             tls->certificate_refs.count);
        for (size_t i = 0; i < tls->certificate_refs.count; i++) {
                const char *reason;
                struct slice message;
                const struct server_certificate *certificate = certificate_resolve(
                        w, &gateway->object, &tls->certificate_refs.items[i], &reason, &message);
                if (certificate)
                        listener->certificates[listener->certificate_count++] = certificate;
                else
                        listener_ref_fault(
                                listener, reason,
                                tell(w, "tls.certificateRefs[%zu]: %.*s", i, SLICE_ARG(message)));
        }
}

/* The schema already forbids two listeners with one port, protocol and hostname; what is left is
 * HTTP and HTTPS on one port. Neither is served: nobody can say which was meant. */
static void conflicts_check(struct gateway_work *gateway)
{
        size_t count = gateway->api->listeners.count;
        for (size_t i = 0; i < count; i++)
                for (size_t j = 0; j < count; j++) {
                        const struct listener_work *other = &gateway->listeners[j];
                        struct listener_work *listener = &gateway->listeners[i];
                        if (listener->protocol_known && other->protocol_known &&
                            listener->api->port == other->api->port &&
                            listener->kind != other->kind)
                                listener->conflicted = true;
                }
}

static void overlaps_tell(struct work *w, struct gateway_work *gateway)
{
        size_t count = gateway->api->listeners.count;
        for (size_t i = 0; i < count; i++)
                for (size_t j = 0; j < count; j++) {
                        struct listener_work *a = &gateway->listeners[i],
                                             *b = &gateway->listeners[j];
                        struct slice both;
                        if (i == j || !a->client || a->client != b->client ||
                            !host_intersect(a->api->hostname, b->api->hostname, &both))
                                continue;
                        condition_set(&a->status->conditions, "OverlappingTLSConfig", true,
                                      "OverlappingHostnames",
                                      tell(w, "the hostname overlaps that of listener %.*s",
                                           SLICE_ARG(b->api->name)));
                        break;
                }
}

void listeners_check(struct work *w, struct gateway_work *gateway)
{
        size_t count = gateway->api->listeners.count;
        gateway->listeners = ARENA_ARRAY(&w->out->arena, struct listener_work, count);
        gateway->status->listeners.items =
                ARENA_ARRAY(&w->out->arena, struct listener_status, count);
        gateway->status->listeners.count = count;
        for (size_t i = 0; i < count; i++) {
                struct listener_work *listener = &gateway->listeners[i];
                listener->api = &gateway->api->listeners.items[i];
                listener->status = &gateway->status->listeners.items[i];
                listener->status->name = arena_slice(&w->out->arena, listener->api->name);
                listener->protocol_known = kind_of(listener->api->protocol, &listener->kind);
        }
        conflicts_check(gateway);
        for (size_t i = 0; i < count; i++) {
                struct listener_work *listener = &gateway->listeners[i];
                if (!listener->protocol_known || listener->conflicted)
                        continue;
                kinds_check(w, listener);
                if (listener->kind == LISTENER_HTTPS)
                        certificates_check(w, gateway->api, listener);
        }
}

/* --- what a listener is told --- */

static void client_tell(struct listener_work *listener)
{
        struct condition_list *conditions = &listener->status->conditions;
        const struct client_work *client = listener->client;
        if (client->ref_reason)
                listener_ref_fault(listener, client->ref_reason, client->ref_message);
        if (listener->pinning)
                condition_set(conditions, CONDITION_PINNING, listener->pinning_holds,
                              listener->pinning, listener->pinning_message);
        if (client->warning_reason)
                condition_set(conditions, CONDITION_WARNING, true, client->warning_reason,
                              client->warning);
}

/* Accepted, and Programmed=False where that follows from it. True: accepted. */
static bool accepted_tell(struct work *w, struct listener_work *listener)
{
        struct condition_list *conditions = &listener->status->conditions;
        const char *reason = NULL, *programmed = "Invalid";
        struct slice message = SLICE_NONE;
        if (!listener->protocol_known) {
                reason = "UnsupportedProtocol";
                message = tell(w, "protocol %.*s is not supported, wants HTTP or HTTPS",
                               SLICE_ARG(listener->api->protocol));
        } else if (listener->conflicted) {
                reason = programmed = "ProtocolConflict";
                message = tell(w, "port %lld is also that of a listener with another protocol",
                               (long long)listener->api->port);
                condition_set(conditions, "Conflicted", true, reason, message);
        } else if (listener->client && listener->client->refusal) {
                reason = listener->client->refusal;
                message = listener->client->refusal_message;
        }
        condition_set(conditions, "Accepted", !reason, reason ? reason : "Accepted",
                      reason ? message : SLICE("is valid"));
        if (reason)
                condition_set(conditions, "Programmed", false, programmed, message);
        return !reason;
}

static bool listener_tell(struct work *w, struct listener_work *listener, bool *programmed)
{
        struct condition_list *conditions = &listener->status->conditions;
        bool accepted = accepted_tell(w, listener);
        bool bare = listener->protocol_known && listener->kind == LISTENER_HTTPS &&
                    listener->certificate_count == 0;
        *programmed = accepted && !bare && listener->unbound.len == 0;
        if (*programmed)
                condition_set(conditions, "Programmed", true, "Programmed", SLICE("is served"));
        else if (accepted)
                condition_set(conditions, "Programmed", false, "Invalid",
                              bare ? SLICE("has no usable certificate, so its handshakes are "
                                           "refused")
                                   : listener->unbound);
        if (listener->client)
                client_tell(listener);
        if (!listener->refs_broken)
                condition_set(conditions, "ResolvedRefs", true, "ResolvedRefs",
                              SLICE("all references are resolved"));
        return accepted;
}

/* --- what a Gateway is told --- */

static void backend_certificate_tell(const struct gateway_work *gateway)
{
        bool usable = gateway->client_certificate != NULL;
        if (gateway->shows_certificate)
                condition_set(&gateway->status->conditions, "ResolvedRefs", usable,
                              usable ? "ResolvedRefs" : gateway->certificate_reason,
                              usable ? SLICE("all references are resolved")
                                     : gateway->certificate_message);
}

/* GEP-713: an object that policies hold on says so. */
static void affected_tell(struct work *w, struct gateway_work *gateway)
{
        struct slice message = SLICE_NONE;
        if (gateway->policy)
                message = tell(w, "%.*s holds on all HTTPS listeners",
                               SLICE_ARG(gateway->policy->policy->api->object.id));
        for (size_t i = 0; i < gateway->api->listeners.count; i++) {
                const struct listener_work *listener = &gateway->listeners[i];
                if (listener->policy)
                        message = tell(w, "%.*s%s%.*s holds on listener %.*s", SLICE_ARG(message),
                                       message.len ? "; " : "",
                                       SLICE_ARG(listener->policy->policy->api->object.id),
                                       SLICE_ARG(listener->api->name));
        }
        if (message.len > 0)
                condition_set(&gateway->status->conditions, CONDITION_AFFECTED, true,
                              "PolicyAttached", message);
}

static void extras_tell(struct work *w, struct gateway_work *gateway)
{
        struct condition_list *conditions = &gateway->status->conditions;
        if (gateway->insecure_mode)
                condition_set(conditions, "InsecureFrontendValidationMode", true,
                              "ConfigurationChanged",
                              SLICE("mode AllowInsecureFallback: clients without a valid "
                                    "certificate come in, without identity"));
        affected_tell(w, gateway);
        backend_certificate_tell(gateway);
}

static void gateway_tell(struct work *w, struct gateway_work *gateway)
{
        struct condition_list *conditions = &gateway->status->conditions;
        size_t count = gateway->api->listeners.count, accepted = 0, programmed = 0;
        for (size_t i = 0; i < count; i++) {
                bool serves;
                accepted += listener_tell(w, &gateway->listeners[i], &serves);
                programmed += serves;
        }
        overlaps_tell(w, gateway);
        const struct node *parameters = node_find(gateway->api->infrastructure, "parametersRef");
        if (gateway->address_refused)
                condition_set(conditions, "Accepted", false, "UnsupportedAddress",
                              gateway->address_message);
        else if (parameters)
                condition_set(conditions, "Accepted", false, "InvalidParameters",
                              SLICE("infrastructure.parametersRef: no kind of parameters is "
                                    "known"));
        else
                condition_set(conditions, "Accepted", accepted > 0,
                              accepted == count ? "Accepted" : "ListenersNotValid",
                              accepted == count ? SLICE("is valid")
                                                : tell(w, "%zu of %zu listeners are not valid",
                                                       count - accepted, count));
        if (gateway->address_refused || gateway->address_unusable)
                condition_set(conditions, "Programmed", false, "AddressNotUsable",
                              gateway->address_message);
        else
                condition_set(conditions, "Programmed", programmed > 0,
                              programmed ? "Programmed" : "Invalid",
                              programmed ? SLICE("is served") : SLICE("no listener is served"));
        extras_tell(w, gateway);
}

void gateways_tell(struct work *w)
{
        for (size_t i = 0; i < w->gateway_count; i++)
                gateway_tell(w, &w->gateways[i]);
}
