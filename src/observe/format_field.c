#include "observe/format_field.h"

#include "event/event.h"
#include "text/base64.h"

void field_known(struct json_writer *w, const char *key, struct slice value)
{
        char shown[EVENT_TEXT_BYTES];
        if (value.len == 0)
                return;
        /* Our own reader refuses NUL, so one client's name could hide the refusals of all. 0xff is
         * no UTF-8 either: the writer shows it as U+FFFD. */
        if (slice_find(value, '\0') < value.len) {
                value = slice_sub(value, 0, sizeof(shown));
                for (size_t i = 0; i < value.len; i++)
                        shown[i] = (char)(value.data[i] ? value.data[i] : '\xff');
                value.data = shown;
        }
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
