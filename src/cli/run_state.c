#include "cli/run_state.h"

#include <time.h>

#include "base/vec.h"
#include "trust/policy.h"

static struct slice mode_of(const struct port *port)
{
        if (!port->client)
                return SLICE_NONE;
        return port->client->mode == ALLOW_VALID_ONLY ? SLICE("AllowValidOnly")
                                                      : SLICE("AllowInsecureFallback");
}

static struct state_listener listener_state(const struct port *port,
                                            const struct listener *listener)
{
        const struct client_policy *client = port->client;
        bool refuses = client && (client->refuses_all || !client->cas);
        uint64_t pins = client ? client_policy_pin_count(client, listener->index) : 0;
        return (struct state_listener){
                .gateway = listener->gateway,
                .name = listener->name,
                .address = port->text,
                .protocol = port->protocol == PORT_HTTPS ? SLICE("HTTPS") : SLICE("HTTP"),
                .hostname = listener->hostname,
                .mode = mode_of(port),
                .programmed = !refuses,
                .pinned = client && client->mode == ALLOW_VALID_ONLY && client->scope_count > 0 &&
                          !refuses,
                .pins = pins,
                .digest = client ? client->digest : (struct digest){{0}},
                .message = refuses ? (client->refuses_why.len ? client->refuses_why
                                                              : SLICE("no usable CA"))
                                   : SLICE_NONE,
        };
}

void run_state_tell(struct gateway_state *state, const struct translation *translation)
{
        const struct snapshot *snapshot = translation->snapshot;
        VEC(struct state_listener) listeners = {0};
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        for (size_t p = 0; p < snapshot->port_count; p++) {
                for (size_t l = 0; l < snapshot->ports[p].listener_count; l++)
                        vec_push(&listeners, listener_state(&snapshot->ports[p],
                                                            &snapshot->ports[p].listeners[l]));
        }
        struct state_generation generation = {
                .number = snapshot->generation,
                .digest = snapshot->digest,
                .published_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
                .pins = snapshot->pin_count,
                .routes = snapshot->route_count,
                .listeners = listeners.items,
                .listener_count = listeners.count,
        };
        gateway_state_set_generation(state, &generation);
        vec_done(&listeners);
}
