/* The addresses that Gateways of a cluster may have (run --address-pool), and IP addresses as
 * values. Parsed at start, frozen, read by translate on the control thread. An empty pool can't be
 * made: without a pool (NULL) a Gateway's addresses are what its spec says. */
#pragma once

#include <sys/socket.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

struct ip_address {
        uint8_t family; /* 4, 6 */
        unsigned char bytes[16];
};

enum {
        IP_TEXT_SIZE = 46,
        ADDRESS_POOL_MAX = 65536, /* addresses in all */
};

/* "192.0.2.1", "2001:db8::1"; no zones. An IPv4 address within IPv6 is none. */
bool ip_parse(struct slice text, struct ip_address *out);
/* The canonical text; returns it. */
struct slice ip_print(const struct ip_address *ip, char text[static IP_TEXT_SIZE]);
bool ip_equal(const struct ip_address *a, const struct ip_address *b);
bool ip_is_wildcard(const struct ip_address *ip);
struct sockaddr_storage ip_socket_address(const struct ip_address *ip, uint16_t port);

struct address_pool;

/* "10.0.0.10-10.0.0.20,10.0.1.0/28,2001:db8::10": addresses, ranges with their ends, and networks
 * with all that is in them. Nothing may be there twice. */
bool address_pool_parse(struct slice text, struct address_pool **out, struct error *err);
void address_pool_free(struct address_pool *pool); /* NULL is fine */
size_t address_pool_count(const struct address_pool *pool);
/* Lowest first, IPv4 before IPv6; index below the count. */
struct ip_address address_pool_at(const struct address_pool *pool, size_t index);
bool address_pool_has(const struct address_pool *pool, const struct ip_address *ip);
