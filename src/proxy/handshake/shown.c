#include "proxy/handshake/shown.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/must.h"
#include "trust/hash.h"

static struct slice der_of(X509 *certificate, struct arena *arena)
{
        int len = i2d_X509(certificate, NULL);
        if (len <= 0)
                return SLICE_NONE;
        unsigned char *bytes = arena_alloc(arena, (size_t)len);
        unsigned char *at = bytes;
        i2d_X509(certificate, &at);
        return slice_from(bytes, (size_t)len);
}

static struct slice find_sent(const struct chain *chain, const struct digest *wanted,
                              struct arena *arena)
{
        int count = chain->others ? sk_X509_num(chain->others) : 0;
        for (int i = 0; i < count; i++) {
                struct slice der = der_of(sk_X509_value(chain->others, i), arena);
                struct digest digest = sha256(der);
                if (digest_equal(&digest, wanted))
                        return der;
        }
        return SLICE_NONE;
}

/* An intermediate that is itself configured as an anchor was perhaps not sent; then the path ends
 * there, and what is above it is not shown either. */
static void chain_read(const struct chain *chain, const struct standing *standing,
                       struct arena *arena, struct shown *out)
{
        out->chain = ARENA_ARRAY(arena, struct slice, PATH_CERTIFICATES_MAX);
        for (size_t i = 1; i + 1 < standing->path_count; i++) {
                struct slice der = find_sent(chain, &standing->path[i], arena);
                if (der.len == 0)
                        return;
                out->chain[out->chain_count++] = der;
        }
}

static struct slice subject_read(X509 *leaf, struct arena *arena)
{
        BIO *bio = BIO_new(BIO_s_mem());
        char *text = NULL;
        if (!bio)
                return SLICE_NONE;
        X509_NAME_print_ex(bio, X509_get_subject_name(leaf), 0, XN_FLAG_RFC2253);
        long len = BIO_get_mem_data(bio, &text);
        struct slice subject = arena_slice(arena, slice_from(text, len > 0 ? (size_t)len : 0));
        BIO_free(bio);
        return subject;
}

static void names_read(X509 *leaf, struct arena *arena, struct shown *out)
{
        GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
        int count = names ? sk_GENERAL_NAME_num(names) : 0;
        out->uris = ARENA_ARRAY(arena, struct slice, (size_t)count + 1);
        out->dns_names = ARENA_ARRAY(arena, struct slice, (size_t)count + 1);
        for (int i = 0; i < count; i++) {
                int type;
                const ASN1_STRING *text =
                        GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
                if (type != GEN_URI && type != GEN_DNS)
                        continue;
                struct slice name =
                        arena_slice(arena, slice_from(ASN1_STRING_get0_data(text),
                                                      (size_t)ASN1_STRING_length(text)));
                if (type == GEN_URI)
                        out->uris[out->uri_count++] = name;
                else
                        out->dns_names[out->dns_name_count++] = name;
        }
        GENERAL_NAMES_free(names);
}

void shown_read(const struct chain *chain, const struct standing *standing, bool all,
                struct arena *arena, struct shown *out)
{
        must(standing->verified && chain);
        *out = (struct shown){.leaf = der_of(chain->leaf, arena)};
        if (all) {
                out->subject = subject_read(chain->leaf, arena);
                chain_read(chain, standing, arena, out);
                names_read(chain->leaf, arena, out);
        }
        ERR_clear_error();
}
