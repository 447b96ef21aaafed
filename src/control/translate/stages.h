/* The stages of a translation, in their order, and what they share. Private to translate/. */
#pragma once

#include "control/translate/work.h"

/* The stages, in their order. */
void gateways_collect(struct work *w);
void listener_sets_collect(struct work *w);
void listeners_check(struct work *w, struct gateway_work *gateway);
void policies_collect(struct work *w);
void policies_attach(struct work *w); /* once listeners are checked and routes collected */
void rule_policies_build(struct work *w);
void clients_build(struct work *w, struct gateway_work *gateway);
void client_certificates_resolve(struct work *w);
void backend_tls_collect(struct work *w); /* before any backend is made */
void slices_index(struct work *w);
void routes_collect(struct work *w);
void routes_attach(struct work *w);
void ports_build(struct work *w);
void gateways_tell(struct work *w); /* their listeners too, and those of ListenerSets */
void listener_sets_tell(struct work *w);
bool gateway_is_refused(const struct gateway_work *gateway); /* all of it: nothing is bound */
void policies_tell(struct work *w);
void backend_tls_tell(struct work *w);
void routes_warn(struct work *w);

/* policy_targets.c: whether it is meant for that listener of its Gateway. */
bool target_covers(const struct policy_target *target, const struct listener_work *listener);
/* What a policy demands where it holds. */
struct pin_scope policy_scope(struct work *w, const struct policy_target *target,
                              enum pin_scope_kind kind);
bool policy_enforces(const struct policy_target *target); /* NULL, ReportOnly: not */
/* enum identity_forward of the first that says it; NULLs and those that say nothing are passed
 * over.
 */
unsigned policy_forward(const struct policy_target *const *targets, size_t count, bool *given);
/* pinning.c: PinningEnforced of a listener, once its client is built. */
bool pins_are_required(const struct work *w, const struct gateway_work *gateway);
void pinning_decide(struct work *w, struct gateway_work *gateway, struct listener_work *listener);

/* listeners.c */
bool listener_is_served(const struct listener_work *listener);
enum port_protocol listener_protocol(enum listener_kind kind); /* of the port that it needs */
/* Where the listeners of a port end in by_port, that of `start` being the first. */
size_t port_group_end(const struct gateway_work *gateway, size_t start);
void listener_ref_fault(struct listener_work *listener, const char *reason, struct slice message);
/* listener_tell.c */
struct listeners_told listeners_tell(struct work *w, struct listener_work *listeners, size_t count);
/* GEP-713: an object that policies hold on says so. `whole` holds on all of it. */
void affected_tell(struct work *w, struct object_status *status, const struct policy_target *whole,
                   const struct listener_work *listeners, size_t count);
void overlaps_tell(struct work *w, struct gateway_work *gateway); /* overlaps.c */
/* allowed.c: `own` is the namespace of who allows. NULL: Same. */
bool namespace_allowed(struct work *w, const struct allowed_namespaces *allowed, struct slice own,
                       struct slice namespace);

/* From each kind of route to what the data plane has of it. */
void http_rules_compile(struct work *w, struct route_work *route);   /* rules.c */
void grpc_rules_compile(struct work *w, struct route_work *route);   /* grpc_rules.c */
void stream_route_compile(struct work *w, struct route_work *route); /* streams.c */
/* resilience.c: what the rule does about slow and failing backends */
void resilience_compile(struct work *w, const struct http_rule *api, struct route_rule *rule);
/* proxies.c: load balancers in front of a port; closes listeners where that is not clear. */
void proxies_read(struct work *w, const struct gateway_work *gateway,
                  struct listener_work *const *group, size_t count, struct port *port);
/* streams.c: NULL: nothing is attached, or the listener is closed. */
const struct host_table *streams_build(struct work *w, const struct listener_work *listener);
/* backends.c: index into the snapshot's backends, or ROUTE_BACKEND_INVALID with reason and message.
 */
enum renewal {
        BACKENDS_SAME,
        BACKENDS_RENEWED,
        BACKENDS_UNKNOWN, /* the Service of one is not as it was */
};
/* The former's with the endpoints that the EndpointSlices now say. */
enum renewal backends_renew(struct work *w, const struct snapshot *former);
uint32_t backend_resolve(struct work *w, const struct route_object *route,
                         const struct backend_ref *ref, const char **reason, struct slice *message);
/* backend_tls.c: what holds on a Service's port (NULL: a Service that has none); NULL: nothing. */
const struct backend_tls *backend_tls_find(struct work *w, const struct service *service,
                                           const struct service_port *port);
void backend_tls_keep(struct work *w, struct backend_tls *tls); /* into the snapshot */
/* backend_tls_tell.c: of every backendRef of every route and filter that may be followed. */
void service_use_note(struct work *w, const struct route_object *route, struct slice namespace,
                      struct slice name);
/* client_certificates.c: the same backend and rules as this Gateway reaches them, with its own
 * certificate. Whatever leads from a listener to a backend asks here. */
uint32_t backend_of_gateway(struct work *w, const struct gateway_work *gateway, uint32_t index);
const struct route_rule *route_rules_of_gateway(struct work *w, struct gateway_work *gateway,
                                                const struct route_work *route);
/* certificates.c: NULL with reason and message. */
const struct server_certificate *certificate_resolve(struct work *w, const struct object *referrer,
                                                     const struct object_ref *ref,
                                                     const char **reason, struct slice *message);

/* The work of an object; NULL: it is not ours, or not there. */
void *work_find(struct work *w, enum object_kind kind, struct slice namespace, struct slice name);

/* A copy in the snapshot's arena / in the translation's. */
struct slice freeze(struct work *w, struct slice text);
struct slice tell(struct work *w, const char *format, ...) PRINTF_LIKE(2, 3);
/* One condition for several faults says them all, up to what somebody reads (and a status holds).
 */
struct slice faults_join(struct work *w, struct slice faults, struct slice fault);
/* routes.c: for ResolvedRefs=False, whose reason is the first fault's. */
void route_ref_fault(struct work *w, struct route_work *route, const char *reason,
                     struct slice message);
/* Of an object that does not decode, where no status says it. */
void broken_warn(struct work *w, const struct object *object, bool unsaid);
void work_warn(struct work *w, const char *format, ...) PRINTF_LIKE(2, 3);
/* The same for whoever runs the gateway: no status says it to anybody else. */
void work_trouble(struct work *w, const char *format, ...) PRINTF_LIKE(2, 3);
