#include "control/report/report_events.h"

#include "control/report/status_events.h"
#include "snapshot/expiries.h"
#include "text/time.h"

enum {
        DAY_S = 86400,
        SERVER_SOON_S = 14 * DAY_S, /* as deploy/prometheus/alerts.yaml has it */
        CA_SOON_S = 30 * DAY_S,
        CRL_SOON_S = DAY_S,
};

static void say(const struct report_events *to, enum object_kind kind, struct slice full_name,
                struct kube_event event)
{
        struct slice name = full_name, namespace = SLICE_NONE;
        if (!object_is_cluster(kind))
                slice_split(&name, '/', &namespace);
        const struct kube_entry *entry = kube_store_find(to->store, kind, namespace, name);
        event.api_version = slice_of(object_api_version(kind));
        event.kind = slice_of(object_kind_name(kind));
        event.namespace = namespace;
        event.name = name;
        event.uid = entry ? entry->uid : SLICE_NONE;
        kube_events_say(to->events, &event);
}

void report_events_status(const struct report_events *to, const struct object_status *status)
{
        struct status_event found[STATUS_EVENTS_MAX];
        size_t count = status_events(status, found, to->scratch);
        for (size_t i = 0; i < count; i++) {
                struct slice name = status->namespace.len
                                            ? arena_printf(to->scratch, "%.*s/%.*s",
                                                           SLICE_ARG(status->namespace),
                                                           SLICE_ARG(status->name))
                                            : status->name;
                say(to, status->kind, name,
                    (struct kube_event){.reason = found[i].reason,
                                        .action = "Translate",
                                        .text = found[i].text});
        }
}

/* ---- what ends ---- */

static void say_end(const struct report_events *to, enum object_kind kind, struct slice name,
                    const char *what, int64_t at_s)
{
        char time[TIME_SIZE];
        say(to, kind, name,
            (struct kube_event){.reason = "EndsSoon",
                                .action = "Serve",
                                .text = arena_printf(to->scratch,
                                                     "%s ends at %s: replace it before", what,
                                                     time_print(at_s, time))});
}

/* "Secret edge/tls" */
static void certificate_look(const struct report_events *to,
                             const struct server_certificate *certificate, int64_t now)
{
        struct slice name = certificate->source;
        if (certificate->not_after - now < SERVER_SOON_S &&
            slice_starts_with(name, SLICE("Secret ")))
                say_end(to, KIND_SECRET, slice_skip(name, sizeof("Secret ") - 1),
                        "the certificate that a Gateway serves with", certificate->not_after);
}

static void port_look(const struct report_events *to, const struct port *port, int64_t now)
{
        struct expiries ends = port_expiries(port, now);
        if (ends.cas != EXPIRY_NONE && ends.cas - now < CA_SOON_S)
                say_end(to, KIND_GATEWAY, port->gateway, "a CA that clients are verified by",
                        ends.cas);
        if (ends.crls != EXPIRY_NONE && ends.crls - now < CRL_SOON_S)
                say_end(to, KIND_GATEWAY, port->gateway, "a CRL that clients are looked up in",
                        ends.crls);
}

void report_events_expiries(const struct report_events *to, const struct snapshot *snapshot,
                            int64_t now)
{
        for (size_t i = 0; i < snapshot->certificate_count; i++)
                certificate_look(to, snapshot->certificates[i], now);
        for (size_t i = 0; i < snapshot->port_count; i++)
                port_look(to, &snapshot->ports[i], now);
}

/* ---- the CRD ---- */

void report_events_crd(const struct report_events *to, const struct gateway_crd_facts *crd,
                       const struct translation *translation)
{
        if (!crd->known || !crd->prunes_pins)
                return;
        for (size_t i = 0; i < translation->statuses.count; i++) {
                const struct object_status *status = &translation->statuses.items[i];
                if (status->kind != KIND_GATEWAY_CLASS)
                        break; /* they are told first */
                say(to, KIND_GATEWAY_CLASS, status->name,
                    (struct kube_event){
                            .reason = "PinsArePruned",
                            .action = "ReadCRD",
                            .text = SLICE(
                                    "the Gateway CRD drops certificatePinning of Gateways "
                                    "unseen: pins that a replica read before hold there until "
                                    "the Gateway is edited, no others are in force. Patch it, "
                                    "and require pins of Gateways")});
        }
}
