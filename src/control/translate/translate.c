#include "control/translate/translate.h"

#include <stdarg.h>

#include "control/translate/refs.h"
#include "control/translate/sets.h"
#include "control/translate/stages.h"

struct slice freeze(struct work *w, struct slice text)
{
        return text.len ? arena_slice(w->frozen, text) : SLICE_NONE;
}

struct slice tell(struct work *w, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        struct slice text = arena_vprintf(&w->out->arena, format, args);
        va_end(args);
        return text;
}

struct slice faults_join(struct work *w, struct slice faults, struct slice fault)
{
        enum {
                TOLD_BYTES_MAX = 1024
        };
        if (faults.len == 0)
                return fault;
        return faults.len > TOLD_BYTES_MAX
                       ? faults
                       : tell(w, "%.*s; %.*s", SLICE_ARG(faults), SLICE_ARG(fault));
}

void work_warn(struct work *w, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        struct slice text = arena_vprintf(&w->out->arena, format, args);
        va_end(args);
        vec_push(&w->warnings, text);
}

void work_trouble(struct work *w, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        struct slice text = arena_vprintf(&w->out->arena, format, args);
        va_end(args);
        vec_push(&w->warnings, text);
        vec_push(&w->troubles, text);
}

static void routes_index(struct work *w)
{
        for (; w->routes_indexed < w->route_count; w->routes_indexed++) {
                struct route_work *route = &w->routes[w->routes_indexed];
                map_set(&w->works, route->api->object.id, route);
        }
}

void *work_find(struct work *w, enum object_kind kind, struct slice namespace, struct slice name)
{
        if (kind >= KIND_HTTP_ROUTE && kind <= KIND_TCP_ROUTE)
                routes_index(w);
        const struct object *object = objects_find(w->objects, kind, namespace, name);
        return object ? map_find(&w->works, object->id) : NULL;
}

/* --- statuses --- */

static struct object_status *status_new(struct work *w, const struct object *object)
{
        struct translation *out = w->out;
        struct slice id = arena_slice(&out->arena, object->id); /* "KIND NAMESPACE/NAME" */
        size_t name_at = id.len - object->name.len;
        struct object_status *status = &out->statuses.items[out->statuses.count++];
        *status = (struct object_status){
                .kind = object->kind,
                .id = id,
                .namespace =
                        slice_sub(id, name_at - object->namespace.len - (object->namespace.len > 0),
                                  object->namespace.len),
                .name = slice_skip(id, name_at),
                .generation = object->generation};
        return status;
}

/* What its parameters would have asked for nobody knows: it could be a restriction. */
static void class_tell(struct work *w, const struct gateway_class *class)
{
        struct condition_list *conditions = &status_new(w, &class->object)->conditions;
        if (class->object.fault.len > 0)
                condition_set(conditions, "Accepted", false, "Invalid",
                              tell(w, "%.*s; no Gateway of this class is served",
                                   SLICE_ARG(class->object.fault)));
        else if (class->parameters)
                condition_set(conditions, "Accepted", false, "InvalidParameters",
                              SLICE("parametersRef: no kind of parameters is known, so no Gateway "
                                    "of this class is served"));
        else
                condition_set(conditions, "Accepted", true, "Accepted",
                              SLICE("is served by pingate"));
}

static void classes_tell(struct work *w)
{
        vec_each (object, &w->objects->kinds[KIND_GATEWAY_CLASS]) {
                const struct gateway_class *class = (const struct gateway_class *)*object;
                if (slice_is(class->controller_name, CONTROLLER_NAME))
                        class_tell(w, class);
        }
}

static void statuses_allocate(struct work *w)
{
        static const enum object_kind told[] = {
                KIND_GATEWAY_CLASS, KIND_GATEWAY,    KIND_LISTENER_SET,
                KIND_HTTP_ROUTE,    KIND_GRPC_ROUTE, KIND_TLS_ROUTE,
                KIND_TCP_ROUTE,     KIND_POLICY,     KIND_BACKEND_TLS_POLICY};
        size_t count = 0;
        for (size_t i = 0; i < COUNT_OF(told); i++)
                count += w->objects->kinds[told[i]].count;
        w->out->statuses.items = ARENA_ARRAY(&w->out->arena, struct object_status, count);
}

static bool conditions_good(const struct condition_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                if (condition_is_bad(&list->items[i]))
                        return false;
        return true;
}

static bool statuses_good(const struct translation *t)
{
        bool good = true;
        for (size_t i = 0; i < t->statuses.count; i++) {
                const struct object_status *status = &t->statuses.items[i];
                good &= conditions_good(&status->conditions);
                for (size_t l = 0; l < status->listeners.count; l++)
                        good &= conditions_good(&status->listeners.items[l].conditions);
                for (size_t p = 0; p < status->parents.count; p++)
                        good &= conditions_good(&status->parents.items[p].conditions);
        }
        return good;
}

/* --- what does not decode --- */

void broken_warn(struct work *w, const struct object *object, bool unsaid)
{
        if (object->fault.len == 0 || !unsaid)
                return;
        w->broken = true;
        work_trouble(w, "%.*s can't be used: %.*s", SLICE_ARG(object->id),
                     SLICE_ARG(object->fault));
}

static bool slices_are_broken(const struct objects *objects)
{
        vec_each (object, &objects->kinds[KIND_ENDPOINT_SLICE])
                if ((*object)->fault.len > 0)
                        return true;
        return false;
}

/* Kinds that have no status to say it in. What refers to a Secret, ConfigMap or Service says it. */
static void silent_kinds_warn(struct work *w)
{
        static const enum object_kind silent[] = {KIND_REFERENCE_GRANT, KIND_NAMESPACE,
                                                  KIND_ENDPOINT_SLICE};
        for (size_t i = 0; i < COUNT_OF(silent); i++)
                vec_each (object, &w->objects->kinds[silent[i]])
                        broken_warn(w, *object, true);
        w->out->slices_broken = slices_are_broken(w->objects);
}

/* --- the stages --- */

static void stages_run(struct work *w)
{
        statuses_allocate(w);
        grants_index(w);
        classes_tell(w);
        gateways_collect(w);
        addresses_assign(w);
        listener_sets_collect(w);
        client_certificates_resolve(w);
        policies_collect(w);
        backend_tls_collect(w);
        slices_index(w);
        routes_collect(w);
        for (size_t i = 0; i < w->gateway_count; i++)
                w->gateways[i].status = status_new(w, &w->gateways[i].api->object);
        for (size_t i = 0; i < w->listener_set_count; i++)
                w->listener_sets[i].status = status_new(w, &w->listener_sets[i].api->object);
        for (size_t i = 0; i < w->gateway_count; i++)
                listeners_check(w, &w->gateways[i]);
        services_plan(w);
        policies_attach(w);
        rule_policies_build(w);
        for (size_t i = 0; i < w->gateway_count; i++)
                clients_build(w, &w->gateways[i]);
        for (size_t i = 0; i < w->route_count; i++)
                w->routes[i].status = status_new(w, &w->routes[i].api->object);
        for (size_t i = 0; i < w->policy_count; i++)
                w->policies[i].status = status_new(w, &w->policies[i].api->object);
        for (size_t i = 0; i < w->tls_policy_count; i++)
                w->tls_policies[i].status = status_new(w, &w->tls_policies[i].api->object);
        routes_attach(w);
        routes_warn(w);
        ports_build(w);
        gateways_tell(w);
        listener_sets_tell(w);
        policies_tell(w);
        backend_tls_tell(w);
        silent_kinds_warn(w);
}

static void snapshot_fill(struct work *w)
{
        struct snapshot *snapshot = w->out->snapshot;
        struct port *ports;
        struct backend *backends;
        const struct backend_tls **backend_tls;
        struct rule_policy *rule_policies;
        const struct server_certificate **certificates;
        snapshot->generation = w->request->generation;
        for (size_t i = 0; i < w->route_count; i++)
                snapshot->route_count += w->routes[i].serves;
        vec_each (port, &w->ports)
                if (port->client)
                        snapshot->pin_count +=
                                client_policy_pin_count(port->client, LISTENER_UNKNOWN);
        vec_each (policy, &w->rule_policies)
                for (size_t i = 0; i < policy->pins.scope_count; i++)
                        if (!policy->pins.scopes[i].report_only)
                                snapshot->pin_count += pin_scope_count(&policy->pins.scopes[i]);
        vec_freeze(&w->rule_policies, w->frozen, &rule_policies, &snapshot->rule_policy_count);
        snapshot->rule_policies = rule_policies;
        vec_freeze(&w->ports, w->frozen, &ports, &snapshot->port_count);
        vec_freeze(&w->backends, w->frozen, &backends, &snapshot->backend_count);
        vec_freeze(&w->backend_tls, w->frozen, &backend_tls, &snapshot->backend_tls_count);
        vec_freeze(&w->certificates, w->frozen, &certificates, &snapshot->certificate_count);
        snapshot->ports = ports;
        snapshot->backends = backends;
        snapshot->backend_tls = backend_tls;
        snapshot->certificates = certificates;
}

static void warnings_take(struct work *w)
{
        vec_each (warning, &w->objects->warnings) {
                struct slice copy = arena_slice(&w->out->arena, *warning);
                vec_push(&w->warnings, copy);
        }
        struct slice *items;
        vec_freeze(&w->warnings, &w->out->arena, &items, &w->out->warnings.count);
        w->out->warnings.items = items;
        vec_freeze(&w->troubles, &w->out->arena, &items, &w->out->troubles.count);
        w->out->troubles.items = items;
}

static void wanted_take(struct work *w)
{
        struct wanted_object *items;
        vec_freeze(&w->wanted, &w->out->arena, &items, &w->out->wanted.count);
        w->out->wanted.items = items;
        vec_freeze(&w->missing_pairs, &w->out->arena, &items, &w->out->missing_pairs.count);
        w->out->missing_pairs.items = items;
}

static void work_done(struct work *w)
{
        for (size_t i = 0; i < w->gateway_count; i++)
                map_done(&w->gateways[i].own_rules);
        for (size_t i = 0; i < w->gateway_count; i++)
                for (size_t l = 0; l < w->gateways[i].listener_count; l++) {
                        struct listener_work *listener = &w->gateways[i].listeners[l];
                        vec_done(&listener->routes);
                        host_claims_done(&listener->http_claims);
                        host_claims_done(&listener->other_claims);
                }
        vec_each (set, &w->pin_sets)
                pin_set_unref(*set);
        vec_each (set, &w->ca_sets)
                ca_set_unref(*set);
        vec_done(&w->pin_sets);
        vec_done(&w->ca_sets);
        vec_done(&w->service_uses);
        map_done(&w->backend_tls_index);
        map_done(&w->works);
        map_done(&w->wanted_index);
        map_done(&w->backend_index);
        map_done(&w->resolved_index);
        buffer_done(&w->ref_key);
        map_done(&w->table_index);
        buffer_done(&w->table_key);
        map_done(&w->slice_index);
        map_done(&w->grant_index);
        map_done(&w->grants_asked);
        map_done(&w->certificate_index);
        set_cache_rest(w->out->cache);
        free(w->gateways);
        free(w->listener_sets);
        free(w->policies);
        free(w->tls_policies);
        free(w->routes);
}

static struct translation *translation_new(struct snapshot *snapshot)
{
        struct translation *translation = NEW(struct translation);
        arena_init(&translation->arena, 64 * 1024);
        translation->snapshot = snapshot;
        translation->references = 1;
        return translation;
}

bool translate(const struct translate_request *request, struct translation **out, struct error *err)
{
        struct translation *translation = translation_new(snapshot_new());
        translation->cache = set_cache_new();
        struct work w = {.request = request,
                         .objects = request->objects,
                         .out = translation,
                         .frozen = &translation->snapshot->arena};
        buffer_init(&w.ref_key, SIZE_MAX);
        buffer_init(&w.table_key, SIZE_MAX);
        (void)err;
        stages_run(&w);
        warnings_take(&w);
        wanted_take(&w);
        snapshot_fill(&w);
        work_done(&w);
        translation->good = statuses_good(translation) && !w.lost && !w.broken;
        snapshot_seal(translation->snapshot);
        *out = translation;
        return true;
}

static struct translation *translation_new_like(struct translation *former)
{
        struct translation *root = former->base ? former->base : former;
        struct translation *translation = translation_new(snapshot_new_like(former->snapshot));
        root->references++;
        translation->base = root;
        translation->statuses = root->statuses;
        translation->warnings = root->warnings;
        translation->troubles = root->troubles;
        translation->wanted = root->wanted;
        translation->services = root->services;
        translation->good = root->good;
        translation->cache = root->cache;
        return translation;
}

bool translate_endpoints(const struct translate_request *request, struct translation *former,
                         struct translation **out)
{
        if (former->slices_broken || slices_are_broken(request->objects))
                return false;
        struct translation *next = translation_new_like(former);
        struct work w = {.request = request,
                         .objects = request->objects,
                         .out = next,
                         .frozen = &next->snapshot->arena};
        enum renewal renewal = backends_renew(&w, former->snapshot);
        map_done(&w.slice_index);
        if (renewal != BACKENDS_RENEWED) {
                translation_free(next);
                *out = NULL;
                return renewal == BACKENDS_SAME;
        }
        next->snapshot->generation = request->generation;
        snapshot_seal(next->snapshot);
        *out = next;
        return true;
}

void translation_free(struct translation *translation)
{
        if (!translation || --translation->references > 0)
                return;
        snapshot_unref(translation->snapshot);
        if (translation->base)
                translation_free(translation->base);
        else
                set_cache_free(translation->cache);
        arena_done(&translation->arena);
        free(translation);
}
