/* The stages of a translation, in their order, and what they share. Private to translate/. */
#pragma once

#include "control/translate/work.h"

/* The stages, in their order. */
void gateways_collect(struct work *w);
void listeners_check(struct work *w, struct gateway_work *gateway);
void policies_collect(struct work *w); /* after gateways_collect */
void clients_build(struct work *w, struct gateway_work *gateway);
void slices_index(struct work *w);
void routes_collect(struct work *w);
void routes_attach(struct work *w);
bool ports_build(struct work *w, struct error *err);
void gateways_tell(struct work *w);
void policies_tell(struct work *w);
void routes_warn(struct work *w);

/* rules.c */
void route_compile(struct work *w, struct route_work *route);
/* backends.c: index into the snapshot's backends, or ROUTE_BACKEND_INVALID with reason and message.
 */
uint32_t backend_resolve(struct work *w, const struct http_route *route,
                         const struct backend_ref *ref, const char **reason, struct slice *message);
/* certificates.c: NULL with reason and message. */
const struct server_certificate *certificate_resolve(struct work *w, const struct object *referrer,
                                                     const struct object_ref *ref,
                                                     const char **reason, struct slice *message);

/* A copy in the snapshot's arena / in the translation's. */
struct slice freeze(struct work *w, struct slice text);
struct slice tell(struct work *w, const char *format, ...) PRINTF_LIKE(2, 3);
void work_warn(struct work *w, const char *format, ...) PRINTF_LIKE(2, 3);
