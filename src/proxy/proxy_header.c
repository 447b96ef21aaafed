#include "proxy/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum {
        V1_BYTES_MAX = 107, /* with CRLF */
        V2_HEAD_BYTES = 16,
        TLV_HEAD_BYTES = 3,
};

static const char v2_start[] = "\r\n\r\n\0\r\nQUIT\n";

/* ---- version 1 ---- */

/* No sign, no zeros in front: each port has one spelling. */
static bool port_read(struct slice text, uint16_t *port)
{
        uint64_t number;
        if ((text.len > 1 && text.data[0] == '0') || !slice_to_u64(text, 65535, &number))
                return false;
        *port = (uint16_t)number;
        return true;
}

static bool address_read(struct slice text, uint8_t family, struct event_address *address)
{
        char copy[INET6_ADDRSTRLEN];
        if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.data, 0, text.len))
                return false;
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
        address->family = family;
        return inet_pton(family == 4 ? AF_INET : AF_INET6, copy, address->bytes) == 1;
}

/* "PROXY TCP4 192.0.2.1 192.0.2.2 5000 443", without its end. */
static bool v1_line_read(struct slice line, struct proxy_header *header)
{
        struct slice parts[6], rest = line;
        size_t count = 0;
        while (count < 6 && slice_split(&rest, ' ', &parts[count]))
                count++;
        if (count >= 2 && slice_is(parts[1], "UNKNOWN"))
                return true; /* whatever follows is to be ignored */
        uint8_t family = count == 6 && slice_is(parts[1], "TCP4")   ? 4
                         : count == 6 && slice_is(parts[1], "TCP6") ? 6
                                                                    : 0;
        if (family == 0 || rest.data)
                return false;
        return address_read(parts[2], family, &header->from) &&
               address_read(parts[3], family, &header->to) &&
               port_read(parts[4], &header->from.port) && port_read(parts[5], &header->to.port);
}

static enum proxy_header_status v1_read(struct slice bytes, struct proxy_header *header)
{
        struct slice seen = slice_sub(bytes, 0, V1_BYTES_MAX);
        size_t end = slice_find(seen, '\n');
        if (end == seen.len)
                return seen.len == V1_BYTES_MAX ? PROXY_HEADER_BAD : PROXY_HEADER_MORE;
        if (seen.data[end - 1] != '\r' || !v1_line_read(slice_sub(seen, 0, end - 1), header))
                return PROXY_HEADER_BAD;
        header->len = end + 1;
        return PROXY_HEADER_DONE;
}

/* ---- version 2 ---- */

static size_t number_at(struct slice bytes, size_t at)
{
        return (size_t)((unsigned char)bytes.data[at] << 8 | (unsigned char)bytes.data[at + 1]);
}

/* Types and lengths up to the end and no further; their values are the sender's to know. */
static bool tlvs_are_whole(struct slice tlvs)
{
        while (tlvs.len >= TLV_HEAD_BYTES) {
                size_t len = TLV_HEAD_BYTES + number_at(tlvs, 1);
                if (len > tlvs.len)
                        return false;
                tlvs = slice_skip(tlvs, len);
        }
        return tlvs.len == 0;
}

static struct event_address address_at(struct slice block, size_t at, size_t port_at,
                                       uint8_t family)
{
        struct event_address address = {.family = family,
                                        .port = (uint16_t)number_at(block, port_at)};
        memcpy(address.bytes, block.data + at, family == 4 ? 4 : 16);
        return address;
}

/* Behind the head; `family` is its 14th byte. */
static bool v2_block_read(struct slice block, unsigned family, struct proxy_header *header)
{
        static const struct {
                unsigned family;
                size_t len;
        } known[] = {{0x00, 0}, {0x11, 12}, {0x21, 36}, {0x31, 216}};
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
                if (known[i].family != family)
                        continue;
                if (block.len < known[i].len)
                        return false;
                if (family == 0x11) {
                        header->from = address_at(block, 0, 8, 4);
                        header->to = address_at(block, 4, 10, 4);
                } else if (family == 0x21) {
                        header->from = address_at(block, 0, 32, 6);
                        header->to = address_at(block, 16, 34, 6);
                }
                /* Of what is unspecified nothing is known, not even that TLVs follow. */
                return family == 0x00 || tlvs_are_whole(slice_skip(block, known[i].len));
        }
        return false; /* datagrams, and what is not assigned */
}

static enum proxy_header_status v2_read(struct slice bytes, struct proxy_header *header)
{
        if (bytes.len > 12 && bytes.data[12] != 0x20 && bytes.data[12] != 0x21)
                return PROXY_HEADER_BAD; /* another version, another command */
        if (bytes.len < V2_HEAD_BYTES)
                return PROXY_HEADER_MORE;
        size_t len = V2_HEAD_BYTES + number_at(bytes, 14);
        if (len > PROXY_HEADER_BYTES_MAX)
                return PROXY_HEADER_BAD;
        if (bytes.len < len)
                return PROXY_HEADER_MORE;
        struct slice block = slice_sub(bytes, V2_HEAD_BYTES, len - V2_HEAD_BYTES);
        bool local = bytes.data[12] == 0x20;
        /* What LOCAL says behind its head is to be skipped, whatever it is. */
        if (!local && !v2_block_read(block, (unsigned char)bytes.data[13], header))
                return PROXY_HEADER_BAD;
        header->len = len;
        return PROXY_HEADER_DONE;
}

/* ---- which ---- */

/* MORE: begins like it, as far as it goes; DONE: it is it. */
static enum proxy_header_status starts_like(struct slice bytes, struct slice start)
{
        size_t len = bytes.len < start.len ? bytes.len : start.len;
        if (len > 0 && memcmp(bytes.data, start.data, len) != 0)
                return PROXY_HEADER_BAD;
        return len < start.len ? PROXY_HEADER_MORE : PROXY_HEADER_DONE;
}

/* An address that is another family's in disguise would not be met by what is said of its own. */
static void unmap(struct event_address *address)
{
        static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
        if (address->family != 6 || memcmp(address->bytes, mapped, sizeof(mapped)) != 0)
                return;
        address->family = 4;
        memmove(address->bytes, address->bytes + 12, 4);
        memset(address->bytes + 4, 0, 12);
}

enum proxy_header_status proxy_header_read(struct slice bytes, struct proxy_header *header)
{
        struct proxy_header read = {.len = 0};
        enum proxy_header_status status = starts_like(bytes, SLICE("PROXY "));
        if (status == PROXY_HEADER_DONE)
                status = v1_read(bytes, &read);
        else if (status == PROXY_HEADER_BAD) {
                status = starts_like(bytes, slice_from(v2_start, sizeof(v2_start) - 1));
                if (status == PROXY_HEADER_DONE)
                        status = v2_read(bytes, &read);
        }
        if (status != PROXY_HEADER_DONE)
                return status;
        unmap(&read.from);
        unmap(&read.to);
        *header = read;
        return PROXY_HEADER_DONE;
}
