#include "trust/hash.h"

#include <pthread.h>

#include <openssl/evp.h>

#include "base/must.h"

/* Fetched once: an implicit fetch in each call costs as much as hashing a certificate does. */
static EVP_MD *md;
static pthread_once_t md_once = PTHREAD_ONCE_INIT;

static void md_fetch(void)
{
        md = EVP_MD_fetch(NULL, "SHA2-256", NULL);
        must(md != NULL);
}

struct digest sha256(struct slice bytes)
{
        struct digest digest;
        pthread_once(&md_once, md_fetch);
        must(EVP_Digest(bytes.len > 0 ? bytes.data : "", bytes.len, digest.bytes, NULL, md, NULL) ==
             1);
        return digest;
}

void hasher_init(struct hasher *hasher, const char *domain)
{
        pthread_once(&md_once, md_fetch);
        hasher->ctx = EVP_MD_CTX_new();
        must(hasher->ctx != NULL && EVP_DigestInit_ex2(hasher->ctx, md, NULL) == 1);
        hasher_bytes(hasher, slice_of(domain));
}

void hasher_raw(struct hasher *hasher, const void *bytes, size_t len)
{
        must(EVP_DigestUpdate(hasher->ctx, bytes, len) == 1);
}

void hasher_number(struct hasher *hasher, int64_t part)
{
        unsigned char bytes[8];
        for (int i = 0; i < 8; i++)
                bytes[i] = (unsigned char)((uint64_t)part >> (56 - 8 * i));
        hasher_raw(hasher, bytes, sizeof(bytes));
}

void hasher_bytes(struct hasher *hasher, struct slice part)
{
        hasher_number(hasher, (int64_t)part.len);
        if (part.len > 0)
                hasher_raw(hasher, part.data, part.len);
}

void hasher_digest(struct hasher *hasher, const struct digest *part)
{
        hasher_bytes(hasher, slice_from(part->bytes, DIGEST_BYTES));
}

struct digest hasher_done(struct hasher *hasher)
{
        struct digest digest;
        must(EVP_DigestFinal_ex(hasher->ctx, digest.bytes, NULL) == 1);
        EVP_MD_CTX_free(hasher->ctx);
        hasher->ctx = NULL;
        return digest;
}
