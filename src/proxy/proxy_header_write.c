#include <string.h>

#include "proxy/proxy_header.h"

enum {
        SSL_CLIENT_SSL = 1,       /* PP2_CLIENT_SSL: it came over TLS */
        SSL_CLIENT_CERT_CONN = 2, /* PP2_CLIENT_CERT_CONN: and showed a certificate */
};

static bool number_put(struct buffer *out, size_t number, size_t width)
{
        char bytes[4];
        for (size_t i = 0; i < width; i++)
                bytes[i] = (char)(number >> 8 * (width - 1 - i));
        return buffer_append(out, slice_from(bytes, width));
}

static bool tlv_put(struct buffer *out, unsigned type, struct slice value)
{
        return number_put(out, type, 1) && number_put(out, value.len, 2) &&
               buffer_append(out, value);
}

/* struct pp2_tlv_ssl: `verify` is 0 for who was verified, and for nobody else. */
static bool ssl_put(struct buffer *out, const struct proxy_client *client)
{
        unsigned bits = SSL_CLIENT_SSL | (client->certified ? SSL_CLIENT_CERT_CONN : 0U);
        const char value[] = {(char)bits, 0, 0, 0, client->verified ? 0 : 1};
        return tlv_put(out, PROXY_TLV_SSL, slice_from(value, sizeof(value)));
}

static bool tlvs_put(struct buffer *out, const struct proxy_client *client)
{
        if (client->server_name.len > 0 && !tlv_put(out, PROXY_TLV_AUTHORITY, client->server_name))
                return false;
        if (client->tls && !ssl_put(out, client))
                return false;
        if (!client->verified)
                return true;
        if (client->name.len > 0 && !tlv_put(out, PROXY_TLV_PIN_NAME, client->name))
                return false;
        return tlv_put(out, PROXY_TLV_LEAF_SHA256, slice_from(client->leaf.bytes, DIGEST_BYTES));
}

/* As IPv6 where one of the two is. */
static void address_copy(const struct event_address *address, bool v4, char *to)
{
        if (v4) {
                memcpy(to, address->bytes, 4);
        } else if (address->family == 4) {
                to[10] = to[11] = (char)0xff;
                memcpy(to + 12, address->bytes, 4);
        } else {
                memcpy(to, address->bytes, 16);
        }
}

static bool addresses_put(struct buffer *out, const struct proxy_client *client, bool v4)
{
        size_t width = v4 ? 4 : 16;
        char both[32] = {0};
        address_copy(&client->from, v4, both);
        address_copy(&client->to, v4, both + width);
        return buffer_append(out, slice_from(both, 2 * width)) &&
               number_put(out, client->from.port, 2) && number_put(out, client->to.port, 2);
}

bool proxy_header_write(const struct proxy_client *client, struct buffer *out)
{
        bool v4 = client->from.family == 4 && client->to.family == 4;
        struct buffer block;
        buffer_init(&block, PROXY_HEADER_BYTES_MAX - 16);
        bool fits = addresses_put(&block, client, v4) && tlvs_put(&block, client) &&
                    buffer_append(out, SLICE("\r\n\r\n\0\r\nQUIT\n\x21")) &&
                    number_put(out, v4 ? 0x11 : 0x21, 1) && number_put(out, block.len, 2) &&
                    buffer_append(out, buffer_slice(&block));
        buffer_done(&block);
        return fits;
}
