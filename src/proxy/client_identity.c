#include "proxy/client_identity.h"

#include "proxy/handshake/shown.h"

static void take_shown(struct identity *identity, const struct shown *shown)
{
        identity->leaf = shown->leaf;
        identity->chain = shown->chain;
        identity->chain_count = shown->chain_count;
        identity->subject = shown->subject;
        identity->uris = shown->uris;
        identity->uri_count = shown->uri_count;
        identity->dns_names = shown->dns_names;
        identity->dns_name_count = shown->dns_name_count;
}

void client_identity_build(const struct client_shown *client, struct arena *arena,
                           struct header_list *out)
{
        const struct standing *standing = client->standing;
        struct identity identity = {.verify = IDENTITY_NONE};
        struct arena scratch;
        arena_init(&scratch, 4096);
        if (standing->verified) {
                struct shown shown;
                bool all = (client->forward & ~(unsigned)IDENTITY_CLIENT_CERT) != 0;
                shown_read(client->chain, standing, all, &scratch, &shown);
                identity = (struct identity){.verify = IDENTITY_SUCCESS,
                                             .forward = client->forward,
                                             .name = client->name,
                                             .leaf_digest = standing->leaf};
                take_shown(&identity, &shown);
        } else if (client->chain) {
                identity.verify = IDENTITY_FAILED;
                identity.reason = slice_of(reason_token(standing->reason));
        }
        identity_headers_build(&identity, arena, out);
        arena_done(&scratch);
}
