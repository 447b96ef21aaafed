/* How many connections each client address has open, for --limit connections-per-address. One table
 * for all workers, since the kernel spreads one client's connections over them. Entering and
 * leaving wait for nobody: each seat of the table is one atomic word.
 *
 * An address is an IPv4 address or the /64 of an IPv6 one: whoever has one of those has all of it.
 * It is known by its keyed hash, 40 bits beside those that choose its bucket: no client can aim for
 * another's seat, and of 131,072 clients two share one by chance once in two million times. Never
 * more than each_max of an address are in. Where two workers enter a new address in the same moment
 * it may take two seats, and while it has two, one connection too few may be let in.
 *
 * Made before the workers start, freed when they have ended. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "event/address.h"

struct address_counts;
struct address_seat;

enum {
        ADDRESS_BUCKET_SEATS = 32,       /* looked through for each new connection: 4 cache lines */
        ADDRESS_SEATS_MAX = 1 << 22,     /* 32 MiB */
        ADDRESS_SEATS_PER_CONNECTION = 4 /* full buckets are then rarer than 1 in 10^9 */
};

/* For at most each_max connections of each address, and connections_max of all: 32 bytes for each
 * of these, 32 MiB at most. NULL where each_max is 0: nothing is counted. */
struct address_counts *address_counts_new(uint64_t each_max, uint64_t connections_max);
void address_counts_free(struct address_counts *counts);
/* Any worker. False: as many are in as may be. Else *seat is what it leaves by; NULL where it is
 * not counted: `counts` is NULL, the address is none, or its bucket is full. */
bool address_counts_enter(struct address_counts *counts, const struct event_address *address,
                          struct address_seat **seat);
void address_seat_leave(struct address_seat *seat); /* NULL is fine */
