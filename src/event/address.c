#include "event/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

struct event_address event_address_of(const struct sockaddr *address)
{
        struct event_address out = {0};
        if (!address)
                return out;
        if (address->sa_family == AF_INET) {
                const struct sockaddr_in *v4 = (const void *)address;
                out.family = 4;
                out.port = ntohs(v4->sin_port);
                memcpy(out.bytes, &v4->sin_addr, 4);
        } else if (address->sa_family == AF_INET6) {
                const struct sockaddr_in6 *v6 = (const void *)address;
                out.port = ntohs(v6->sin6_port);
                /* A dual-stack socket shows IPv4 clients so; logs say what they are. */
                if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
                        out.family = 4;
                        memcpy(out.bytes, v6->sin6_addr.s6_addr + 12, 4);
                } else {
                        out.family = 6;
                        memcpy(out.bytes, &v6->sin6_addr, 16);
                }
        }
        return out;
}

const char *event_address_print(const struct event_address *address, bool with_port,
                                char out[static EVENT_ADDRESS_SIZE])
{
        char host[INET6_ADDRSTRLEN];
        out[0] = '\0';
        if (address->family == 0)
                return out;
        int family = address->family == 4 ? AF_INET : AF_INET6;
        if (!inet_ntop(family, address->bytes, host, sizeof(host)))
                return out;
        if (!with_port)
                snprintf(out, EVENT_ADDRESS_SIZE, "%s", host);
        else
                snprintf(out, EVENT_ADDRESS_SIZE, family == AF_INET ? "%s:%u" : "[%s]:%u", host,
                         (unsigned)address->port);
        return out;
}
