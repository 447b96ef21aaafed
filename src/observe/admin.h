/* The admin server, on threads of its own: /metrics /healthz /readyz /status /refusals on the admin
 * address, the first three alone on the probe address. GET and HEAD only. Nothing here changes the
 * gateway. Bound to a loopback address it answers only requests whose Host is an IP address or
 * localhost, so that a page in an operator's browser can't read it by DNS rebinding. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

#define ADMIN_ADDRESS_DEFAULT "127.0.0.1:9180"

struct admin;
struct event_hub;
struct gateway_state;
struct observer;

struct admin_options {
        const char *
                address; /* "127.0.0.1:9180", "[::1]:9180"; port 0 picks one; "off" or NULL: none */
        const char *probe_address;
        struct event_hub *hub;
        struct gateway_state *state;
        struct observer *observer;
};

struct admin *admin_start(const struct admin_options *options, struct error *err);
void admin_stop(struct admin *admin);
int admin_port(const struct admin *admin); /* what it is bound to; 0: no admin address */
int admin_probe_port(const struct admin *admin);
