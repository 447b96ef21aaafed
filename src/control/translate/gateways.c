/* Which Gateways are ours, and what they are told. */
#include <stdlib.h>

#include "control/translate/stages.h"

/* --- whose --- */

static const struct gateway_class *class_of(struct work *w, const struct gateway *gateway)
{
        return (const struct gateway_class *)objects_find(w->objects, KIND_GATEWAY_CLASS,
                                                          SLICE_NONE, gateway->class_name);
}

static bool class_is_ours(const struct gateway_class *class, const struct gateway *gateway)
{
        if (class)
                return slice_is(class->controller_name, CONTROLLER_NAME);
        return slice_is(gateway->class_name, CLASS_NAME);
}

static void gateway_take(struct work *w, const struct gateway *gateway)
{
        const struct gateway_class *class = class_of(w, gateway);
        if (class_is_ours(class, gateway))
                w->gateways[w->gateway_count++] = (struct gateway_work){
                        .api = gateway,
                        .class_refused =
                                class && (class->parameters || class->object.fault.len > 0)};
        else
                work_warn(w, "%.*s: class %.*s is not ours, so it is passed over",
                          SLICE_ARG(gateway->object.id), SLICE_ARG(gateway->class_name));
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
        for (size_t i = 0; i < list->count; i++)
                gateway_take(w, (const struct gateway *)list->items[i]);
        qsort(w->gateways, w->gateway_count, sizeof(*w->gateways), by_age);
        for (size_t i = 0; i < w->gateway_count; i++) {
                struct gateway_work *gateway = &w->gateways[i];
                const struct object *object = &gateway->api->object;
                gateway->name = arena_printf(w->frozen, "%.*s/%.*s", SLICE_ARG(object->namespace),
                                             SLICE_ARG(object->name));
                map_set(&w->works, object->id, gateway);
        }
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

static void extras_tell(struct work *w, struct gateway_work *gateway)
{
        struct condition_list *conditions = &gateway->status->conditions;
        if (gateway->insecure_mode)
                condition_set(conditions, "InsecureFrontendValidationMode", true,
                              "ConfigurationChanged",
                              SLICE("mode AllowInsecureFallback: clients without a valid "
                                    "certificate come in, without identity"));
        affected_tell(w, gateway->status, gateway->policy, gateway->listeners, gateway->own_count);
        backend_certificate_tell(gateway);
}

bool gateway_is_refused(const struct gateway_work *gateway)
{
        return gateway->api->object.fault.len > 0 || gateway->class_refused ||
               gateway->address_refused ||
               (gateway->api->infrastructure && gateway->api->infrastructure->parameters);
}

/* `own` of its own listeners, `all` of those of its ListenerSets as well: the Gateway stands as
 * long as one of them does. */
static void accepted_tell(struct work *w, struct gateway_work *gateway, size_t own, size_t all)
{
        struct condition_list *conditions = &gateway->status->conditions;
        size_t count = gateway->own_count;
        if (gateway->api->object.fault.len > 0)
                condition_set(conditions, "Accepted", false, "Invalid",
                              tell(w, "%.*s", SLICE_ARG(gateway->api->object.fault)));
        else if (gateway->address_refused)
                condition_set(conditions, "Accepted", false, "UnsupportedAddress",
                              gateway->address_message);
        else if (gateway_is_refused(gateway))
                condition_set(conditions, "Accepted", false, "InvalidParameters",
                              gateway->class_refused
                                      ? SLICE("the GatewayClass is not accepted")
                                      : SLICE("infrastructure.parametersRef: no kind of parameters "
                                              "is known"));
        else
                condition_set(conditions, "Accepted", all > 0,
                              own == count ? "Accepted" : "ListenersNotValid",
                              own == count ? SLICE("is valid")
                                           : tell(w, "%zu of %zu listeners are not valid",
                                                  count - own, count));
}

static void gateway_tell(struct work *w, struct gateway_work *gateway)
{
        struct condition_list *conditions = &gateway->status->conditions;
        struct listeners_told own = listeners_tell(w, gateway->listeners, gateway->own_count);
        size_t accepted = own.accepted, programmed = own.programmed;
        for (struct listener_set_work *set = gateway->sets; set; set = set->next) {
                set->told = listeners_tell(w, gateway->listeners + set->first, set->count);
                accepted += set->told.accepted;
                programmed += set->told.programmed;
        }
        overlaps_tell(w, gateway);
        accepted_tell(w, gateway, own.accepted, accepted);
        if (gateway->address_refused || gateway->address_reason)
                condition_set(conditions, "Programmed", false,
                              gateway->address_reason ? gateway->address_reason
                                                      : "AddressNotUsable",
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
