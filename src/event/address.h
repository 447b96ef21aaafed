/* A peer's address in a record, kept as bytes: it is printed off the workers. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sockaddr;

struct event_address {
        uint8_t family; /* 4, 6; 0: none */
        uint16_t port;
        unsigned char bytes[16];
};

struct event_address event_address_of(const struct sockaddr *address); /* NULL gives none */

enum {
        EVENT_ADDRESS_SIZE = 64
};
/* "192.0.2.1", "2001:db8::1", with_port "[2001:db8::1]:443"; "" for none. Returns out. */
const char *event_address_print(const struct event_address *address, bool with_port,
                                char out[static EVENT_ADDRESS_SIZE]);
