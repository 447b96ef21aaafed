#include "fuzz.h"

#include <string.h>

#include "base/error.h"
#include "control/kube/access.h"

/* What is taken can only be a server that will be verified, and nothing that breaks a header. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct kube_access *access = NULL;
        struct error err = {.text = ""};
        if (!kube_access_parse(slice_from(data, size), "/none/f", SLICE_NONE, &access, &err)) {
                must(slice_starts_with(slice_of(err.text), SLICE("/none/f:")));
                must(access == NULL);
                return 0;
        }
        must(slice_starts_with(access->server, SLICE("https://")));
        must(access->host.len > 0 && access->port.len > 0 && access->ca.len > 0);
        must((access->certificate.len > 0) == (access->key.len > 0));
        must(access->namespace.len > 0);
        for (size_t i = 0; i < access->token.len; i++)
                must(access->token.data[i] > ' ' && access->token.data[i] <= '~');
        kube_access_free(access);
        return 0;
}
