/* Load balancers in front: who is believed to say whom a connection is from, by the annotation
 * pingate.dev/proxy-protocol of a Gateway or ListenerSet:
 *
 *   443 from 10.0.0.0/8, 192.0.2.7; 8443 from 2001:db8::/32
 *
 * What can't be understood closes the ports that it is about: a client whose address is not known
 * must not pass for one of the load balancer's. A ListenerSet may say it only of ports that it has
 * for itself. */
#include <arpa/inet.h>
#include <string.h>

#include "control/translate/stages.h"

enum {
        RANGES_MAX = 64, /* of a port; each connection is compared with them */
};

#define ANNOTATION "pingate.dev/proxy-protocol"

/* --- reading --- */

/* The first `bits` of what is there, and nothing behind them. */
static bool bits_are_all(const struct address_range *range)
{
        size_t bytes = range->family == 4 ? 4 : 16;
        for (size_t bit = range->bits; bit < bytes * 8; bit++)
                if (range->bytes[bit / 8] & (0x80U >> bit % 8))
                        return false;
        return true;
}

/* "10.0.0.0/8", "2001:db8::7". NULL: read; else what is wrong. */
static const char *range_read(struct slice text, struct address_range *range)
{
        char copy[INET6_ADDRSTRLEN];
        struct slice address, bits = text;
        uint64_t number;
        if (!slice_split(&bits, '/', &address) || address.len >= sizeof(copy) || address.len == 0)
                return "is no IP address or range of them";
        memcpy(copy, address.data, address.len);
        copy[address.len] = '\0';
        *range = (struct address_range){.family = 4};
        if (inet_pton(AF_INET, copy, range->bytes) != 1) {
                struct in6_addr v6; /* aligned, as the bytes of a range are not */
                if (inet_pton(AF_INET6, copy, &v6) != 1)
                        return "is no IP address or range of them";
                if (IN6_IS_ADDR_V4MAPPED(&v6))
                        return "is an IPv4 address in disguise, wants it as such";
                range->family = 6;
                memcpy(range->bytes, &v6, sizeof(v6));
        }
        number = range->family == 4 ? 32 : 128;
        if (bits.data && !slice_to_u64(bits, number, &number))
                return "has no such number of bits";
        range->bits = (uint8_t)number;
        return bits_are_all(range) ? NULL : "has bits behind its range";
}

/* The addresses of one entry, behind "from". Empty: all is well. */
static struct slice ranges_read(struct work *w, struct slice list, struct port *port)
{
        struct address_range *ranges = ARENA_ARRAY(w->frozen, struct address_range, RANGES_MAX);
        struct slice text;
        size_t count = 0;
        while (slice_split(&list, ',', &text)) {
                if (count == RANGES_MAX)
                        return tell(w, "port %u has more than %d addresses", port->number,
                                    RANGES_MAX);
                text = slice_trim(text);
                const char *fault = range_read(text, &ranges[count++]);
                if (fault)
                        return tell(w, "port %u: \"%.*s\" %s", port->number, SLICE_ARG(text),
                                    fault);
        }
        port->proxies = ranges;
        port->proxy_count = count;
        return SLICE_NONE;
}

/* What an annotation says of a port: its addresses, or what is wrong. An entry whose port can't be
 * read may be about any. */
static struct slice annotation_read(struct work *w, struct slice value, struct port *port)
{
        struct slice entry, number, from;
        bool found = false;
        while (slice_split(&value, ';', &entry)) {
                entry = slice_trim(entry);
                struct slice rest = entry;
                uint64_t of;
                if (!slice_split(&rest, ' ', &number) || !slice_to_u64(number, 65535, &of) ||
                    of == 0)
                        return tell(w, "\"%.*s\" does not begin with a port", SLICE_ARG(entry));
                if (of != port->number)
                        continue;
                rest = slice_trim(rest);
                if (found)
                        return tell(w, "port %u is there twice", port->number);
                if (!slice_split(&rest, ' ', &from) || !slice_is(from, "from"))
                        return tell(w, "port %u wants \"from\" and addresses behind it",
                                    port->number);
                found = true;
                struct slice fault = ranges_read(w, rest, port);
                if (fault.len > 0)
                        return fault;
        }
        return SLICE_NONE;
}

/* --- whose it is --- */

static const struct slice *annotation_of(const struct object *owner)
{
        return text_map_find(&owner->annotations, SLICE(ANNOTATION));
}

static void listener_close(struct work *w, struct listener_work *listener,
                           const struct object *owner, struct slice fault)
{
        listener->unintroduced =
                tell(w, "annotation " ANNOTATION " of %.*s: %.*s, so nobody is let in here",
                     SLICE_ARG(owner->id), SLICE_ARG(fault));
        if (listener->closed.len == 0)
                listener->closed = freeze(w, listener->unintroduced);
}

/* Its own listeners alone are closed by what a ListenerSet says. */
static void set_read(struct work *w, struct listener_work *const *group, size_t count,
                     const struct object *owner, struct port *port)
{
        struct port said = {.number = port->number};
        const struct slice *value = annotation_of(owner);
        if (!value)
                return;
        struct slice fault = annotation_read(w, *value, &said);
        bool alone = port->proxy_count == 0;
        for (size_t i = 0; i < count; i++)
                alone = alone && group[i]->owner == owner;
        if (fault.len == 0 && said.proxy_count > 0 && !alone)
                fault = tell(w, "port %u is not this ListenerSet's alone", port->number);
        for (size_t i = 0; fault.len > 0 && i < count; i++)
                if (group[i]->owner == owner)
                        listener_close(w, group[i], owner, fault);
        if (fault.len > 0 || said.proxy_count == 0)
                return;
        port->proxies = said.proxies;
        port->proxy_count = said.proxy_count;
}

void proxies_read(struct work *w, const struct gateway_work *gateway,
                  struct listener_work *const *group, size_t count, struct port *port)
{
        const struct object *own = &gateway->api->object;
        const struct slice *value = annotation_of(own);
        struct slice fault = value ? annotation_read(w, *value, port) : SLICE_NONE;
        for (size_t i = 0; fault.len > 0 && i < count; i++)
                listener_close(w, group[i], own, fault);
        for (size_t i = 0; i < count; i++) {
                bool first = group[i]->owner != own;
                for (size_t j = 0; j < i; j++)
                        first = first && group[j]->owner != group[i]->owner;
                if (first)
                        set_read(w, group, count, group[i]->owner, port);
        }
}
