#include "snapshot/expiries.h"

static void take_earlier(int64_t *earliest, int64_t at)
{
        if (at < *earliest)
                *earliest = at;
}

/* Of one port's CAs, the first to end of those that have not; the last to have ended where all
 * have: then nobody comes in there. */
static int64_t cas_expiry(const struct ca_set *set, int64_t now)
{
        int64_t next = EXPIRY_NONE, last = INT64_MIN;
        for (size_t i = 0; i < ca_set_anchor_count(set); i++) {
                int64_t at = ca_set_anchor_not_after(set, i);
                if (at > now)
                        take_earlier(&next, at);
                else
                        last = at > last ? at : last;
        }
        return next == EXPIRY_NONE && last > INT64_MIN ? last : next;
}

static bool port_before_has(const struct snapshot *snapshot, size_t port)
{
        for (size_t p = 0; p < port; p++)
                if (snapshot->ports[p].client &&
                    snapshot->ports[p].client->cas == snapshot->ports[port].client->cas)
                        return true;
        return false;
}

static bool backend_before_has(const struct snapshot *snapshot, size_t backend)
{
        const struct backend_tls *const *all = snapshot->backend_tls;
        for (size_t i = 0; i < backend; i++)
                if (all[i]->peer->cas == all[backend]->peer->cas)
                        return true;
        return false;
}

static void take_cas(struct expiries *e, const struct ca_set *cas, int64_t now)
{
        take_earlier(&e->cas, cas_expiry(cas, now));
        for (size_t i = 0; i < ca_set_crl_count(cas); i++)
                take_earlier(&e->crls, ca_set_crl_next_update(cas, i));
}

struct expiries port_expiries(const struct port *port, int64_t now)
{
        struct expiries e = {EXPIRY_NONE, EXPIRY_NONE, EXPIRY_NONE};
        if (port->client && port->client->cas)
                take_cas(&e, port->client->cas, now);
        return e;
}

struct expiries snapshot_expiries(const struct snapshot *snapshot, int64_t now)
{
        struct expiries e = {EXPIRY_NONE, EXPIRY_NONE, EXPIRY_NONE};
        for (size_t p = 0; p < snapshot->port_count; p++) {
                const struct client_policy *policy = snapshot->ports[p].client;
                if (policy && policy->cas && !port_before_has(snapshot, p))
                        take_cas(&e, policy->cas, now);
        }
        for (size_t i = 0; i < snapshot->backend_tls_count; i++) {
                const struct client_policy *peer = snapshot->backend_tls[i]->peer;
                if (peer->cas && !backend_before_has(snapshot, i))
                        take_cas(&e, peer->cas, now);
        }
        for (size_t i = 0; i < snapshot->certificate_count; i++)
                take_earlier(&e.server_certificates, snapshot->certificates[i]->not_after);
        return e;
}
