/* libcurl's memory: as malloc gives it, and wiped when it is let go of (I43). Tokens, Secrets and
 * the client's key go through buffers of libcurl's that nobody else can reach. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/must.h"
#include "base/secret.h"
#include "control/kube/client_parts.h"

static void *grow(void *block, size_t size)
{
        void *larger = malloc(size);
        size_t old = block ? malloc_usable_size(block) : 0;
        if (!larger)
                return NULL;
        if (old > 0)
                memcpy(larger, block, old < size ? old : size);
        secret_free(block);
        return larger;
}

bool client_library_open(struct error *err)
{
        /* Counted by libcurl: only the first does anything. */
        must(curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, secret_free, grow, strdup, calloc) ==
             CURLE_OK);
        const curl_version_info_data *library = curl_version_info(CURLVERSION_NOW);
        const int wanted = CURL_VERSION_SSL | CURL_VERSION_HTTP2 | CURL_VERSION_ASYNCHDNS;
        if ((library->features & wanted) == wanted)
                return true;
        curl_global_cleanup();
        return error_set(err, ERROR_SYSTEM,
                         "libcurl %s: wants TLS, HTTP/2 and names resolved beside the loop",
                         library->version);
}
