/* Which ports are bound for the listeners of Gateways in Service mode. Private to translate/. */
#pragma once

#include "control/translate/work.h"

/* What the Services say is held, older Gateways first; what is missing gets what nobody holds, and
 * is bound once a Service says so. */
void service_ports_allot(struct work *w);
