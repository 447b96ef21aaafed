#include "proxy/upstream/dns.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"

enum {
        DNS_FAILURE_MS = 1000, /* how long a failure is believed */
};

struct dns_name {
        struct dns *dns; /* NULL: the table is gone, free it when the look-up ends */
        struct slice name;
        uv_getaddrinfo_t request;
        bool under_way;
        uint64_t expires_ms;
        struct dns_wait *waits;
        struct sockaddr_storage addresses[DNS_ADDRESSES_MAX];
        size_t count;
};

struct dns {
        const struct upstream_options *options;
        on_dns_fn on_resolved;
        struct map names; /* to struct dns_name */
};

struct dns *dns_open(const struct upstream_options *options, on_dns_fn on_resolved)
{
        struct dns *dns = NEW(struct dns);
        dns->options = options;
        dns->on_resolved = on_resolved;
        return dns;
}

static void name_free(struct dns_name *name)
{
        free((char *)(uintptr_t)name->name.data);
        free(name);
}

static bool is_local_v4(uint32_t address)
{
        return address >> 24 == 127 || address >> 24 == 0 || address >> 16 == 0xa9fe ||
               address >> 28 == 14;
}

/* Loopback, link-local, unspecified and multicast, in v4, v6 and v4-mapped spelling. */
static bool is_local(const struct sockaddr *address)
{
        if (address->sa_family == AF_INET) {
                const struct sockaddr_in *v4 = (const void *)address;
                return is_local_v4(ntohl(v4->sin_addr.s_addr));
        }
        const struct in6_addr *v6 =
                &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(v6)) {
                uint32_t v4;
                memcpy(&v4, v6->s6_addr + 12, sizeof(v4));
                return is_local_v4(ntohl(v4));
        }
        return IN6_IS_ADDR_LOOPBACK(v6) || IN6_IS_ADDR_UNSPECIFIED(v6) ||
               IN6_IS_ADDR_LINKLOCAL(v6) || IN6_IS_ADDR_MULTICAST(v6);
}

static void addresses_take(struct dns_name *name, const struct addrinfo *list)
{
        name->count = 0;
        for (; list && name->count < DNS_ADDRESSES_MAX; list = list->ai_next) {
                if (list->ai_family != AF_INET && list->ai_family != AF_INET6)
                        continue;
                if (is_local(list->ai_addr) && !name->dns->options->local_names)
                        continue;
                memcpy(&name->addresses[name->count++], list->ai_addr, list->ai_addrlen);
        }
}

static void on_addrinfo(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
        struct dns_name *name = CONTAINER_OF(request, struct dns_name, request);
        struct dns *dns = name->dns;
        if (!dns) {
                uv_freeaddrinfo(list);
                name_free(name);
                return;
        }
        addresses_take(name, status == 0 ? list : NULL);
        uv_freeaddrinfo(list);
        uint64_t keep = name->count > 0 ? dns->options->dns_ttl_ms : DNS_FAILURE_MS;
        name->expires_ms = *dns->options->now_ms + keep;
        while (name->waits) {
                struct dns_wait *wait = name->waits;
                dns_wait_cancel(wait);
                dns->on_resolved(wait);
        }
        /* Only now: who was told may ask for other names, and those that are idle are forgotten. */
        name->under_way = false;
}

static void forget_some(struct dns *dns)
{
        struct map_slot *slot;
        struct dns_name *idle[DNS_NAMES_MAX];
        size_t count = 0;
        for (size_t at = 0; map_next(&dns->names, &at, &slot);) {
                struct dns_name *name = slot->value;
                if (!name->under_way && !name->waits && count < DNS_NAMES_MAX)
                        idle[count++] = name;
        }
        for (size_t i = 0; i < count; i++) {
                map_remove(&dns->names, idle[i]->name);
                name_free(idle[i]);
        }
}

static struct dns_name *name_of(struct dns *dns, struct slice text)
{
        struct dns_name *name = map_find(&dns->names, text);
        if (name)
                return name;
        if (dns->names.count >= DNS_NAMES_MAX)
                forget_some(dns);
        name = NEW(struct dns_name);
        name->dns = dns;
        name->name = slice_from(memory_dup(text.data, text.len), text.len);
        map_set(&dns->names, name->name, name);
        return name;
}

static bool look_up(struct dns *dns, struct dns_name *name)
{
        const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
        name->under_way = uv_getaddrinfo(dns->options->loop, &name->request, on_addrinfo,
                                         name->name.data, NULL, &hints) == 0;
        return name->under_way;
}

bool dns_find(struct dns *dns, struct slice text, struct dns_wait *wait,
              const struct sockaddr_storage **addresses, size_t *count)
{
        struct dns_name *name = name_of(dns, text);
        *addresses = name->addresses;
        *count = name->count;
        if (name->expires_ms > *dns->options->now_ms)
                return true;
        if (!name->under_way && !look_up(dns, name)) {
                *count = 0;
                return true;
        }
        wait->next = name->waits;
        wait->link = &name->waits;
        if (wait->next)
                wait->next->link = &wait->next;
        name->waits = wait;
        return false;
}

void dns_wait_cancel(struct dns_wait *wait)
{
        if (!wait->link)
                return;
        *wait->link = wait->next;
        if (wait->next)
                wait->next->link = wait->link;
        wait->next = NULL;
        wait->link = NULL;
}

void dns_close(struct dns *dns)
{
        struct map_slot *slot;
        for (size_t at = 0; map_next(&dns->names, &at, &slot);) {
                struct dns_name *name = slot->value;
                name->dns = NULL;
                if (!name->under_way)
                        name_free(name);
                else
                        uv_cancel((uv_req_t *)&name->request);
        }
        map_done(&dns->names);
        free(dns);
}
