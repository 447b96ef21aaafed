#include "snapshot/backend_tls.h"

#include "base/must.h"
#include "snapshot/port.h"
#include "trust/hash.h"

void backend_tls_seal(struct backend_tls *tls)
{
        struct hasher hasher;
        struct slice why;
        must(tls->peer->rules.use == USE_SERVER_AUTH && tls->peer->mode == ALLOW_VALID_ONLY);
        must(tls->peer->name_count > 0 || client_policy_is_closed(tls->peer, &why));
        hasher_init(&hasher, "backend_tls 1");
        hasher_bytes(&hasher, tls->server_name);
        hasher_digest(&hasher, &tls->peer->digest);
        hasher_number(&hasher, tls->certificate != NULL);
        if (tls->certificate)
                hasher_digest(&hasher, &tls->certificate->digest);
        tls->digest = hasher_done(&hasher);
}
