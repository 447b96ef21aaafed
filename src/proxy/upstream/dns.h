/* Names of ExternalName Services, looked up by getaddrinfo on libuv's threads and remembered for a
 * while, failures too. Bounded: over DNS_NAMES_MAX the ones that nobody waits for are dropped.
 * Private to proxy/upstream. */
#pragma once

#include "proxy/upstream/pool.h"

enum {
        DNS_NAMES_MAX = 256,
        DNS_ADDRESSES_MAX = 16,
};

struct dns;

typedef void (*on_dns_fn)(struct dns_wait *wait);

struct dns *dns_open(const struct upstream_options *options, on_dns_fn on_resolved);
/* The addresses known now: false when a look-up is under way, of which on_resolved tells `wait`.
 * *count is 0 when the name has none. They live until the next call. */
bool dns_find(struct dns *dns, struct slice name, struct dns_wait *wait,
              const struct sockaddr_storage **addresses, size_t *count);
void dns_wait_cancel(struct dns_wait *wait);
/* Look-ups under way end by themselves; the last one takes the memory along. */
void dns_close(struct dns *dns);
