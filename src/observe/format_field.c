#include "observe/format_field.h"

#include "text/base64.h"

void field_known(struct json_writer *w, const char *key, struct slice value)
{
        if (value.len > 0)
                json_field_string(w, key, value);
}

void field_address(struct json_writer *w, const char *key, const struct event_address *address,
                   bool with_port)
{
        char text[EVENT_ADDRESS_SIZE];
        field_known(w, key, slice_of(event_address_print(address, with_port, text)));
}

void field_digest(struct json_writer *w, const char *key, const struct digest *digest)
{
        char hex[DIGEST_HEX_SIZE];
        if (!digest_is_none(digest))
                json_field_text(w, key, digest_hex(digest, hex));
}

void field_spki(struct json_writer *w, const char *key, const struct digest *digest)
{
        if (digest_is_none(digest))
                return;
        struct buffer text;
        buffer_init(&text, 64);
        base64_encode(slice_from(digest->bytes, DIGEST_BYTES), BASE64_STANDARD, &text);
        json_field_string(w, key, buffer_slice(&text));
        buffer_done(&text);
}
