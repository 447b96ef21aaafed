#include <stdio.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/objects.h>

#include "base/must.h"
#include "text/utf8.h"
#include "trust/certificate.h"

/* Text that grows to a size and is then cut with "...". */
struct cut_text {
        char *out;
        size_t len, size;
        bool cut;
};

static void put(struct cut_text *text, const char *bytes, size_t len)
{
        if (text->cut)
                return;
        if (text->len + len + sizeof("...") > text->size) {
                memcpy(text->out + text->len, "...", 3);
                text->len += 3;
                text->cut = true;
                return;
        }
        memcpy(text->out + text->len, bytes, len);
        text->len += len;
}

/* RFC 4514, 2.4: special characters with a backslash, all others that do not show as \HH. */
static void put_value(struct cut_text *text, struct slice value)
{
        for (size_t i = 0; i < value.len && !text->cut;) {
                unsigned char c = (unsigned char)value.data[i];
                uint32_t character;
                size_t len = utf8_next(slice_skip(value, i), &character);
                bool edge_space = c == ' ' && (i == 0 || i + 1 == value.len);
                if (len == 0 || !utf8_is_visible(character)) {
                        for (size_t k = 0; k < (len ? len : 1); k++) {
                                char hex[4];
                                snprintf(hex, sizeof(hex), "\\%02X",
                                         (unsigned char)value.data[i + k]);
                                put(text, hex, 3);
                        }
                } else {
                        if (len == 1 && (edge_space || strchr(",+\"\\<>;=#'", c)))
                                put(text, "\\", 1);
                        put(text, value.data + i, len);
                }
                i += len ? len : 1;
        }
}

static void put_entry(struct cut_text *text, const X509_NAME_ENTRY *entry)
{
        const ASN1_OBJECT *object = X509_NAME_ENTRY_get_object(entry);
        const ASN1_STRING *data = X509_NAME_ENTRY_get_data(entry);
        int nid = OBJ_obj2nid(object);
        char oid[80];
        const char *type = nid != NID_undef ? OBJ_nid2sn(nid) : oid;
        if (nid == NID_undef)
                OBJ_obj2txt(oid, sizeof(oid), object, 1);
        put(text, type, strlen(type));
        put(text, "=", 1);
        int kind = ASN1_STRING_type(data);
        if (kind != V_ASN1_BMPSTRING && kind != V_ASN1_UNIVERSALSTRING) {
                put_value(text, slice_from(ASN1_STRING_get0_data(data),
                                           (size_t)ASN1_STRING_length(data)));
                return;
        }
        unsigned char *utf8 = NULL;
        int len = ASN1_STRING_to_UTF8(&utf8, data);
        if (len >= 0)
                put_value(text, slice_from(utf8, (size_t)len));
        OPENSSL_free(utf8);
}

const char *name_text(const X509_NAME *name, char *out, size_t size)
{
        must(size > sizeof("..."));
        struct cut_text text = {.out = out, .size = size};
        int count = name ? X509_NAME_entry_count(name) : 0;
        for (int i = count - 1; i >= 0 && !text.cut; i--) {
                const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
                if (i != count - 1) {
                        int set = X509_NAME_ENTRY_set(X509_NAME_get_entry(name, i + 1));
                        put(&text, set == X509_NAME_ENTRY_set(entry) ? "+" : ",", 1);
                }
                put_entry(&text, entry);
        }
        out[text.len] = '\0';
        return out;
}

const char *serial_text(X509 *x509, char *out, size_t size)
{
        const ASN1_INTEGER *serial = X509_get0_serialNumber(x509);
        struct cut_text text = {.out = out, .size = size};
        const unsigned char *bytes = ASN1_STRING_get0_data(serial);
        if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
                put(&text, "-", 1);
        for (int i = 0; i < ASN1_STRING_length(serial); i++) {
                char hex[3];
                snprintf(hex, sizeof(hex), "%02x", bytes[i]);
                put(&text, hex, 2);
        }
        out[text.len] = '\0';
        return out;
}
