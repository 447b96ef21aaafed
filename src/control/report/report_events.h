/* The Events of what is reported: of a status as it is given, of what ends soon, of the Gateway
 * CRD. Said again and again; kube_events keeps what was said within the hour. The leader's alone.
 */
#pragma once

#include "control/kube/store.h"
#include "control/report/gateway_crd.h"
#include "control/report/kube_events.h"
#include "control/translate/translate.h"

struct report_events {
        struct kube_events *events;
        const struct kube_store *store; /* for the objects' uid */
        struct arena *scratch;
};

void report_events_status(const struct report_events *to, const struct object_status *status);
/* Server certificates within 14 days of their end, CAs of clients within 30, a CRL within one. */
void report_events_expiries(const struct report_events *to, const struct snapshot *snapshot,
                            int64_t now);
/* At the GatewayClasses of ours among the statuses. */
void report_events_crd(const struct report_events *to, const struct gateway_crd_facts *crd,
                       const struct translation *translation);
