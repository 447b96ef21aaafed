#include "http/identity_headers.h"

#include <string.h>

#include "base/buffer.h"
#include "text/base64.h"

enum {
        PEM_COLUMNS = 64, /* RFC 7468, 2 */
        FIELDS_MAX = 5,   /* verify, name, certificate, chain, Envoy's */
};

/* A value under construction; over its maximum it is left out whole. */
struct value {
        struct buffer text;
        bool fits;
};

static void put(struct value *value, struct slice s)
{
        value->fits = value->fits && buffer_append(&value->text, s);
}

static void put_escaped_byte(struct value *value, char c)
{
        static const char digits[] = "0123456789ABCDEF";
        unsigned char byte = (unsigned char)c;
        char escape[3] = {'%', digits[byte >> 4], digits[byte & 15]};
        put(value, slice_from(escape, sizeof(escape)));
}

static void put_base64(struct value *value, struct slice der)
{
        put(value, SLICE(":"));
        value->fits = value->fits && base64_encode(der, BASE64_STANDARD, &value->text);
        put(value, SLICE(":"));
}

/* Appends the field when the value fitted. */
static bool field_end(struct value *value, struct slice name, struct header_list *out)
{
        bool fits = value->fits;
        if (fits)
                header_append(out, name, arena_slice(out->arena, buffer_slice(&value->text)));
        buffer_done(&value->text);
        return fits;
}

static struct value field_start(void)
{
        struct value value = {.fits = true};
        buffer_init(&value.text, IDENTITY_VALUE_MAX);
        return value;
}

/* RFC 9440, 2.2: a Structured Field byte sequence. */
static bool client_cert(const struct identity *identity, struct header_list *out)
{
        struct value value = field_start();
        put_base64(&value, identity->leaf);
        return field_end(&value, SLICE("client-cert"), out);
}

/* RFC 9440, 2.3: a list of them, without the leaf, nearest issuer first. */
static bool client_cert_chain(const struct identity *identity, struct header_list *out)
{
        if (identity->chain_count == 0)
                return true;
        struct value value = field_start();
        for (size_t i = 0; i < identity->chain_count; i++) {
                put(&value, i > 0 ? SLICE(", ") : SLICE_NONE);
                put_base64(&value, identity->chain[i]);
        }
        return field_end(&value, SLICE("client-cert-chain"), out);
}

/* ---- X-Forwarded-Client-Cert, in Envoy's form ---- */

static void put_url_encoded(struct value *value, struct slice s)
{
        for (size_t i = 0; i < s.len; i++) {
                char c = ascii_lower(s.data[i]);
                bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                             c == '_' || c == '.' || c == '~';
                if (plain)
                        put(value, slice_sub(s, i, 1));
                else
                        put_escaped_byte(value, s.data[i]);
        }
}

static void put_pem_url_encoded(struct value *value, struct slice der)
{
        struct buffer base64;
        buffer_init(&base64, IDENTITY_VALUE_MAX);
        value->fits = value->fits && base64_encode(der, BASE64_STANDARD, &base64);
        put_url_encoded(value, SLICE("-----BEGIN CERTIFICATE-----\n"));
        for (size_t at = 0; at < base64.len; at += PEM_COLUMNS) {
                put_url_encoded(value, slice_sub(buffer_slice(&base64), at, PEM_COLUMNS));
                put_url_encoded(value, SLICE("\n"));
        }
        put_url_encoded(value, SLICE("-----END CERTIFICATE-----\n"));
        buffer_done(&base64);
}

/* Names come from the certificate, that is from the client: in quotes a quote or backslash is
 * escaped by a backslash, and what a field value can't hold is percent-encoded (I13). */
static void put_quoted_byte(struct value *value, char c)
{
        if (c < ' ' || c >= 0x7f) {
                put_escaped_byte(value, c);
                return;
        }
        if (c == '"' || c == '\\')
                put(value, SLICE("\\"));
        put(value, slice_from(&c, 1));
}

static void put_quoted(struct value *value, struct slice s)
{
        put(value, SLICE("\""));
        for (size_t i = 0; i < s.len; i++)
                put_quoted_byte(value, s.data[i]);
        put(value, SLICE("\""));
}

/* RFC 2253 text has escaped what needs it, as the closing quote does here: Envoy writes it as it
 * is. What is not of that form is escaped all the same. */
static void put_subject(struct value *value, struct slice s)
{
        put(value, SLICE("\""));
        for (size_t i = 0; i < s.len; i++) {
                char c = s.data[i];
                bool pair =
                        c == '\\' && i + 1 < s.len && s.data[i + 1] >= ' ' && s.data[i + 1] < 0x7f;
                if (pair)
                        put(value, slice_sub(s, i++, 2));
                else
                        put_quoted_byte(value, c);
        }
        put(value, SLICE("\""));
}

/* Quotes only where the grammar needs them, as Envoy writes it. */
static void put_name(struct value *value, struct slice s)
{
        for (size_t i = 0; i < s.len; i++) {
                char c = s.data[i];
                if (c <= ' ' || c >= 0x7f || strchr(",;=\"\\", c) != NULL) {
                        put_quoted(value, s);
                        return;
                }
        }
        put(value, s);
}

static bool xfcc(const struct identity *identity, struct header_list *out)
{
        struct value value = field_start();
        char hex[DIGEST_HEX_SIZE];
        put(&value, SLICE("Hash="));
        put(&value, slice_of(digest_hex(&identity->leaf_digest, hex)));
        put(&value, SLICE(";Cert=\""));
        put_pem_url_encoded(&value, identity->leaf);
        put(&value, SLICE("\";Subject="));
        put_subject(&value, identity->subject);
        for (size_t i = 0; i < identity->uri_count; i++) {
                put(&value, SLICE(";URI="));
                put_name(&value, identity->uris[i]);
        }
        for (size_t i = 0; i < identity->dns_name_count; i++) {
                put(&value, SLICE(";DNS="));
                put_name(&value, identity->dns_names[i]);
        }
        return field_end(&value, SLICE("x-forwarded-client-cert"), out);
}

/* ---- ours ---- */

static void verify_word(const struct identity *identity, struct header_list *out)
{
        struct slice word = SLICE("NONE");
        if (identity->verify == IDENTITY_SUCCESS)
                word = SLICE("SUCCESS");
        else if (identity->verify == IDENTITY_FAILED)
                word = arena_printf(out->arena, "FAILED:%.*s", SLICE_ARG(identity->reason));
        header_append(out, SLICE("pingate-client-verify"), word);
}

bool identity_headers_build(const struct identity *identity, struct arena *arena,
                            struct header_list *out)
{
        bool whole = true;
        header_list_init(out, arena);
        header_list_reserve(out, FIELDS_MAX); /* an idle connection keeps it */
        verify_word(identity, out);
        if (identity->verify != IDENTITY_SUCCESS)
                return true;
        if (identity->name.len > 0) {
                bool sound = identity->name.len <= 255 && field_value_valid(identity->name);
                if (sound)
                        header_append(out, SLICE("pingate-client-name"),
                                      arena_slice(arena, identity->name));
                whole = whole && sound;
        }
        bool chain = (identity->forward & IDENTITY_CLIENT_CERT_CHAIN) != 0;
        /* RFC 9440, 2.3: a chain never stands without its leaf. */
        if (chain || identity->forward & IDENTITY_CLIENT_CERT) {
                bool leaf = client_cert(identity, out);
                whole = leaf && whole;
                chain = chain && leaf;
        }
        if (chain)
                whole = client_cert_chain(identity, out) && whole;
        if (identity->forward & IDENTITY_XFCC)
                whole = xfcc(identity, out) && whole;
        return whole;
}
