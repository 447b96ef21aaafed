/* The data plane as a whole: the listening sockets and N workers. Made by cli/run.c; used by the
 * main and control threads, never by workers. The order of a life: proxy_new; for each generation
 * proxy_prepare, publisher_publish, proxy_wake; proxy_start once; proxy_drain; proxy_free. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "proxy/limits.h"
#include "proxy/listener/listener.h"

struct proxy;
struct publisher;
struct event_hub;
struct snapshot;

struct proxy_options { /* what it points to outlives the proxy */
        size_t workers;
        const struct limits *limits;
        struct publisher *publisher;
        struct event_hub *hub;
        bool strict_audit; /* an admission that can't be recorded is refused */
        bool local_names;  /* backends' names may resolve to this machine: files mode */
};

struct proxy *proxy_new(const struct proxy_options *options);
/* Control, before a generation is published: opens the sockets it needs. Ports that can't be bound
 * are faults, which take nothing from the others. */
void proxy_prepare(struct proxy *proxy, const struct snapshot *snapshot);
/* Control: tries to bind again what the published snapshot lacks. True: there are fewer faults. */
bool proxy_retry(struct proxy *proxy, const struct snapshot *snapshot);
/* Control: good until one of the two is called again. */
struct listener_faults proxy_faults(const struct proxy *proxy);
bool proxy_start(struct proxy *proxy, struct error *err);
/* After publishing. Any thread. */
void proxy_wake(struct proxy *proxy);
/* How many workers serve that generation or a later one. Any thread. */
size_t proxy_serving(const struct proxy *proxy, uint64_t generation);

/* Accepts what is queued, closes the sockets, lets requests in flight end within the grace. */
void proxy_drain(struct proxy *proxy);
/* Ends everything at once. */
void proxy_stop(struct proxy *proxy);
/* Waits for the workers: after proxy_drain or proxy_stop. */
void proxy_join(struct proxy *proxy);
void proxy_free(struct proxy *proxy); /* joined, or never started */
