#include "trust/peer_name.h"

#include <stdio.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "base/memory.h"

static void names_free(GENERAL_NAMES **names)
{
        GENERAL_NAMES_free(*names);
}

static bool bears_dns(X509 *leaf, struct slice name)
{
        unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
        /* A name that starts with a dot would mean every name below it to OpenSSL, and one of
         * length 0 the length of a C string. */
        return name.len > 0 && name.data[0] != '.' &&
               X509_check_host(leaf, name.data, name.len, flags, NULL) == 1;
}

static struct slice text_of(const GENERAL_NAME *name)
{
        int type;
        const ASN1_STRING *text = GENERAL_NAME_get0_value(name, &type);
        if (type != GEN_DNS && type != GEN_URI)
                return SLICE_NONE;
        return slice_from(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
}

static bool bears_uri(X509 *leaf, struct slice uri)
{
        CLEANUP(names_free)
        GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
        for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
                const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
                if (name->type == GEN_URI && uri.len > 0 && slice_equal(text_of(name), uri))
                        return true;
        }
        return false;
}

bool certificate_bears_name(X509 *leaf, const struct peer_name *names, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (names[i].kind == PEER_NAME_URI ? bears_uri(leaf, names[i].text)
                                                   : bears_dns(leaf, names[i].text))
                        return true;
        return false;
}

/* Printable ASCII only: a name is whatever its issuer wrote (I13). */
static size_t text_append(char *out, size_t at, size_t size, struct slice text)
{
        for (size_t i = 0; i < text.len && at + 1 < size; i++)
                out[at++] = text.data[i] > ' ' && text.data[i] < 0x7f ? text.data[i] : '?';
        out[at] = '\0';
        return at;
}

const char *certificate_names_text(X509 *leaf, char *out, size_t size)
{
        CLEANUP(names_free)
        GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
        size_t at = 0;
        out[0] = '\0';
        for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
                struct slice text = text_of(sk_GENERAL_NAME_value(names, i));
                if (text.len == 0)
                        continue;
                if (at > 0 && at + 2 < size) {
                        memcpy(out + at, ", ", 3);
                        at += 2;
                }
                at = text_append(out, at, size, text);
        }
        if (at == 0)
                snprintf(out, size, "no DNS name or URI");
        return out;
}
