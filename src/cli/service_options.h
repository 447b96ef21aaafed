/* What `pingate run` is told of the Services that bear Gateways. */
#pragma once

#include "control/control.h"

#define SERVICE_PORTS_DEFAULT    "20000-29999"
#define SERVICE_SELECTOR_DEFAULT "app.kubernetes.io/name=pingate"

/* "20000-29999": unprivileged, and none of those that nodes give out themselves (30000-32767). */
bool service_ports_parse(struct slice text, struct service_plan *out, struct error *err);
/* "key=value", a label of pingate's own pods; views into the text. */
bool service_selector_parse(struct slice text, struct service_selector *out, struct error *err);
