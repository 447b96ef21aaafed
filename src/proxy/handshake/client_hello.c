#include "proxy/handshake/client_hello.h"

#include <string.h>

enum {
        RECORD_HEADER_BYTES = 5,
        RECORD_BYTES_MAX = 16384,
        RECORD_TYPE_HANDSHAKE = 22,
        MESSAGE_HEADER_BYTES = 4,
        MESSAGE_TYPE_CLIENT_HELLO = 1,
        EXTENSION_SERVER_NAME = 0,
        NAME_TYPE_HOST = 0,
        RANDOM_BYTES = 32,
        SESSION_ID_MAX = 32,
};

static unsigned char byte_at(struct slice s, size_t at)
{
        return (unsigned char)s.data[at];
}

/* ---- the fields of a message ---- */

/* A number of `width` bytes off the front. */
static bool take_number(struct slice *rest, size_t width, size_t *number)
{
        if (rest->len < width)
                return false;
        *number = 0;
        for (size_t i = 0; i < width; i++)
                *number = *number << 8 | byte_at(*rest, i);
        *rest = slice_skip(*rest, width);
        return true;
}

static bool take_bytes(struct slice *rest, size_t len, struct slice *bytes)
{
        if (rest->len < len)
                return false;
        *bytes = slice_sub(*rest, 0, len);
        *rest = slice_skip(*rest, len);
        return true;
}

/* A vector with its length in `width` bytes in front (RFC 8446, 3.4). */
static bool take_vector(struct slice *rest, size_t width, struct slice *bytes)
{
        size_t len;
        return take_number(rest, width, &len) && take_bytes(rest, len, bytes);
}

bool server_name_read(struct slice extension, struct slice *name)
{
        struct slice list, host;
        size_t type;
        if (!take_vector(&extension, 2, &list) || extension.len > 0 ||
            !take_number(&list, 1, &type) || type != NAME_TYPE_HOST ||
            !take_vector(&list, 2, &host) || list.len > 0)
                return false;
        if (host.len == 0 || host.len > SNI_MAX || memchr(host.data, 0, host.len))
                return false;
        *name = host;
        return true;
}

static bool extensions_read(struct slice extensions, struct slice *name)
{
        bool named = false;
        while (extensions.len > 0) {
                struct slice content;
                size_t type;
                if (!take_number(&extensions, 2, &type) || !take_vector(&extensions, 2, &content))
                        return false;
                if (type != EXTENSION_SERVER_NAME)
                        continue;
                if (named || !server_name_read(content, name)) /* twice: RFC 8446, 4.2 */
                        return false;
                named = true;
        }
        return true;
}

static bool body_read(struct slice body, struct slice *name)
{
        struct slice fixed, session, suites, compressions, extensions;
        size_t version;
        *name = SLICE_NONE;
        if (!take_number(&body, 2, &version) || version >> 8 != 3 ||
            !take_bytes(&body, RANDOM_BYTES, &fixed) || !take_vector(&body, 1, &session) ||
            session.len > SESSION_ID_MAX || !take_vector(&body, 2, &suites) || suites.len < 2 ||
            suites.len % 2 != 0 || !take_vector(&body, 1, &compressions) || compressions.len == 0)
                return false;
        if (body.len == 0) /* before TLS 1.3 a client may have none */
                return true;
        return take_vector(&body, 2, &extensions) && body.len == 0 &&
               extensions_read(extensions, name);
}

/* ---- records ---- */

/* A message out of its records' fragments, as they come. */
struct message {
        char bytes[RECORD_BYTES_MAX];
        size_t len;
        size_t whole; /* with its header; 0: not known yet */
};

static bool message_add(struct message *message, struct slice fragment)
{
        if (fragment.len > sizeof(message->bytes) - message->len)
                return false;
        memcpy(message->bytes + message->len, fragment.data, fragment.len);
        message->len += fragment.len;
        struct slice rest = slice_from(message->bytes, message->len);
        if (byte_at(rest, 0) != MESSAGE_TYPE_CLIENT_HELLO)
                return false;
        if (message->len < MESSAGE_HEADER_BYTES)
                return true;
        rest = slice_skip(rest, 1);
        take_number(&rest, 3, &message->whole);
        message->whole += MESSAGE_HEADER_BYTES;
        return message->whole <= sizeof(message->bytes);
}

static bool message_is_whole(const struct message *message)
{
        return message->whole > 0 && message->len >= message->whole;
}

/* One record, or what there is of it: a length that promises more waits for more. */
static enum client_hello_status record_take(struct slice *bytes, struct message *message)
{
        size_t type, version, len;
        struct slice rest = *bytes, fragment;
        if (rest.len > 0 && byte_at(rest, 0) != RECORD_TYPE_HANDSHAKE)
                return CLIENT_HELLO_BAD;
        if (rest.len > 1 && byte_at(rest, 1) != 3)
                return CLIENT_HELLO_BAD;
        if (!take_number(&rest, 1, &type) || !take_number(&rest, 2, &version) ||
            !take_number(&rest, 2, &len))
                return CLIENT_HELLO_MORE;
        /* Empty fragments of handshake messages are forbidden (RFC 8446, 5.1). */
        if (len == 0 || len > RECORD_BYTES_MAX)
                return CLIENT_HELLO_BAD;
        bool whole = take_bytes(&rest, len, &fragment);
        if (!whole)
                take_bytes(&rest, rest.len, &fragment);
        if (fragment.len > 0 && !message_add(message, fragment))
                return CLIENT_HELLO_BAD;
        *bytes = rest;
        return whole ? CLIENT_HELLO_DONE : CLIENT_HELLO_MORE;
}

/* Anything behind the message in the same record would be sent before the server has answered:
 * nothing may be (RFC 8446, 5.1: the ClientHello ends its record). */
enum client_hello_status client_hello_read(struct slice bytes, struct server_name *name)
{
        struct message message = {.len = 0};
        struct slice found;
        enum client_hello_status status = CLIENT_HELLO_DONE;
        bool over = bytes.len >= CLIENT_HELLO_BYTES_MAX;
        bytes = slice_sub(bytes, 0, CLIENT_HELLO_BYTES_MAX);
        while (status == CLIENT_HELLO_DONE && !message_is_whole(&message))
                status = record_take(&bytes, &message);
        if (status == CLIENT_HELLO_BAD)
                return CLIENT_HELLO_BAD;
        if (!message_is_whole(&message) || status == CLIENT_HELLO_MORE)
                return over ? CLIENT_HELLO_BAD : CLIENT_HELLO_MORE;
        struct slice body = slice_from(message.bytes + MESSAGE_HEADER_BYTES,
                                       message.whole - MESSAGE_HEADER_BYTES);
        if (message.len != message.whole || !body_read(body, &found))
                return CLIENT_HELLO_BAD;
        memcpy(name->bytes, found.len ? found.data : "", found.len);
        name->len = found.len;
        return CLIENT_HELLO_DONE;
}
