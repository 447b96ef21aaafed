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

/* The library's takes printf for each byte, and every request shows its client's address. */
static void print_v4(const uint8_t bytes[static 4], char out[static INET_ADDRSTRLEN])
{
        for (size_t i = 0; i < 4; i++) {
                unsigned byte = bytes[i];
                if (i > 0)
                        *out++ = '.';
                if (byte >= 100)
                        *out++ = (char)('0' + byte / 100);
                if (byte >= 10)
                        *out++ = (char)('0' + byte / 10 % 10);
                *out++ = (char)('0' + byte % 10);
        }
        *out = '\0';
}

const char *event_address_print(const struct event_address *address, bool with_port,
                                char out[static EVENT_ADDRESS_SIZE])
{
        char host[INET6_ADDRSTRLEN];
        out[0] = '\0';
        if (address->family == 0)
                return out;
        if (address->family == 4)
                print_v4(address->bytes, host);
        else if (!inet_ntop(AF_INET6, address->bytes, host, sizeof(host)))
                return out;
        if (!with_port)
                memcpy(out, host, strlen(host) + 1);
        else
                snprintf(out, EVENT_ADDRESS_SIZE, address->family == 4 ? "%s:%u" : "[%s]:%u", host,
                         (unsigned)address->port);
        return out;
}
