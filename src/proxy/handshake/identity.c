#include "proxy/handshake/identity.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "trust/hash.h"

static struct slice subject_der(X509 *leaf)
{
        const X509_NAME *subject = X509_get_subject_name(leaf);
        const unsigned char *der;
        size_t len;
        if (X509_NAME_entry_count(subject) == 0 || X509_NAME_get0_der(subject, &der, &len) != 1)
                return SLICE_NONE;
        return slice_from(der, len);
}

static struct slice alternative_names_der(X509 *leaf)
{
        int at = X509_get_ext_by_NID(leaf, NID_subject_alt_name, -1);
        X509_EXTENSION *extension = at >= 0 ? X509_get_ext(leaf, at) : NULL;
        const ASN1_OCTET_STRING *der = extension ? X509_EXTENSION_get_data(extension) : NULL;
        if (!der)
                return SLICE_NONE;
        return slice_from(ASN1_STRING_get0_data(der), (size_t)ASN1_STRING_length(der));
}

struct digest certificate_identity(X509 *leaf)
{
        struct slice subject = subject_der(leaf), names = alternative_names_der(leaf);
        struct hasher hasher;
        if (subject.len == 0 && names.len == 0)
                return (struct digest){{0}};
        hasher_init(&hasher, "client identity 1");
        hasher_bytes(&hasher, subject);
        hasher_bytes(&hasher, names);
        ERR_clear_error();
        return hasher_done(&hasher);
}
