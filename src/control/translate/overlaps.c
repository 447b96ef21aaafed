/* OverlappingTLSConfig (GEP-3567): listeners of a port that a client may take for one another, as a
 * browser does which sends requests for b.example.com on a connection to a.example.com because the
 * certificate is good for both. They get 421 here; the operator may want to know why. */
#include "control/translate/host_claims.h"
#include "control/translate/stages.h"

/* Whom each listener of a group overlaps with; NULL: nobody. */
struct overlap {
        const struct listener_work *by_host, *by_certificate;
};

/* --- certificates --- */

/* A certificate's wildcard stands for one label (RFC 9525, 6.3). */
struct name_claims {
        struct map names;   /* names and wildcards, as they are */
        struct map parents; /* of names that are no wildcard: "b.c" of "a.b.c" */
};

static struct slice parent_of(struct slice name)
{
        size_t dot = slice_find(name, '.');
        return dot < name.len ? slice_skip(name, dot + 1) : SLICE_NONE;
}

static bool is_wildcard(struct slice name)
{
        return slice_starts_with(name, SLICE("*."));
}

/* "*.b.c" of "a.b.c". Names of certificates are at most as long as their certificate. */
static const void *wildcard_holder(struct work *w, const struct name_claims *claims,
                                   struct slice parent)
{
        return parent.len ? map_find(&claims->names, tell(w, "*.%.*s", SLICE_ARG(parent))) : NULL;
}

static const void *name_holder(struct work *w, const struct name_claims *claims, struct slice name)
{
        struct slice parent = parent_of(name);
        const void *holder = map_find(&claims->names, name);
        if (!holder)
                holder = is_wildcard(name) ? map_find(&claims->parents, parent)
                                           : wildcard_holder(w, claims, parent);
        return holder;
}

static void name_claim(struct name_claims *claims, struct slice name, struct listener_work *by)
{
        struct slice parent = parent_of(name);
        map_set(&claims->names, name, by);
        if (!is_wildcard(name) && parent.len > 0)
                map_set(&claims->parents, parent, by);
}

static void certificates_meet(struct work *w, struct name_claims *claims,
                              struct listener_work *listener, struct overlap *overlap)
{
        for (size_t c = 0; c < listener->certificate_count; c++) {
                const struct server_certificate *certificate = listener->certificates[c];
                for (size_t n = 0; n < certificate->name_count && !overlap->by_certificate; n++)
                        overlap->by_certificate = name_holder(w, claims, certificate->names[n]);
        }
        for (size_t c = 0; c < listener->certificate_count; c++)
                for (size_t n = 0; n < listener->certificates[c]->name_count; n++)
                        name_claim(claims, listener->certificates[c]->names[n], listener);
}

/* --- a port --- */

/* Against those that came before: once in each direction, and every pair is seen from both ends. */
static void listener_meets(struct work *w, struct host_claims *hosts, struct name_claims *names,
                           struct listener_work *listener, struct overlap *overlap)
{
        if (!listener->client)
                return;
        struct slice host = listener->api->hostname;
        if (!overlap->by_host)
                overlap->by_host = host_claims_meet(hosts, host);
        host_claims_add(hosts, host, listener);
        certificates_meet(w, names, listener, overlap);
}

static void claims_done(struct host_claims *hosts, struct name_claims *names)
{
        host_claims_done(hosts);
        map_done(&names->names);
        map_done(&names->parents);
        *hosts = (struct host_claims){0};
}

/* Of a stranger's listener no more is said than that it is there. */
static struct slice other_text(struct work *w, const struct listener_work *listener,
                               const struct listener_work *other)
{
        return other->owner == listener->owner
                       ? tell(w, "listener %.*s", SLICE_ARG(other->api->name))
                       : SLICE("a listener of another object");
}

static void overlap_tell(struct work *w, struct listener_work *listener,
                         const struct overlap *overlap)
{
        struct condition_list *conditions = &listener->status->conditions;
        if (overlap->by_certificate)
                condition_set(conditions, "OverlappingTLSConfig", true, "OverlappingCertificates",
                              tell(w, "a certificate shares a name with that of %.*s",
                                   SLICE_ARG(other_text(w, listener, overlap->by_certificate))));
        else if (overlap->by_host)
                condition_set(conditions, "OverlappingTLSConfig", true, "OverlappingHostnames",
                              tell(w, "the hostname overlaps that of %.*s",
                                   SLICE_ARG(other_text(w, listener, overlap->by_host))));
}

static void group_tell(struct work *w, struct listener_work *const *group, size_t count)
{
        struct overlap *overlaps = ARENA_ARRAY(&w->out->arena, struct overlap, count);
        struct host_claims hosts = {0};
        struct name_claims names = {0};
        for (size_t i = 0; i < count; i++)
                listener_meets(w, &hosts, &names, group[i], &overlaps[i]);
        claims_done(&hosts, &names);
        for (size_t i = count; i-- > 0;)
                listener_meets(w, &hosts, &names, group[i], &overlaps[i]);
        claims_done(&hosts, &names);
        for (size_t i = 0; i < count; i++)
                overlap_tell(w, group[i], &overlaps[i]);
}

void overlaps_tell(struct work *w, struct gateway_work *gateway)
{
        for (size_t start = 0, end; start < gateway->listener_count; start = end) {
                end = port_group_end(gateway, start);
                if (end - start > 1)
                        group_tell(w, gateway->by_port + start, end - start);
        }
}
