#include "control/api/listener.h"

#include "control/api/rules.h"

static const char *const tls_modes[] = {"Terminate", "Passthrough", NULL};
static bool listener_tls_check(struct decoder *d, void *value, struct error *err)
{
        const struct listener_tls *tls = value;
        if (slice_is(tls->mode, "Terminate") && tls->certificate_refs.count == 0 &&
            tls->options.count == 0)
                return decode_error(d, tls->node, err,
                                    "has neither certificateRefs nor options, wants one of them "
                                    "when mode is Terminate");
        return true;
}

static const struct field listener_tls_fields[] = {
        {"mode", FIELD_TEXT, offsetof(struct listener_tls, mode), .values = tls_modes,
         .default_text = "Terminate"},
        {"certificateRefs", FIELD_OBJECTS, offsetof(struct listener_tls, certificate_refs),
         .max = 64, .shape = &secret_ref_shape},
        {"options", FIELD_MAP, offsetof(struct listener_tls, options), .max = 16, .item_max = 4096},
};
static SHAPE(listener_tls_shape, struct listener_tls, listener_tls_fields, .rest = REST_FAILS,
             .check = listener_tls_check);

static bool listener_check(struct decoder *d, void *value, struct error *err)
{
        const struct gateway_listener *l = value;
        bool tcp = slice_is(l->protocol, "TCP") || slice_is(l->protocol, "UDP");
        if (l->tls && (tcp || slice_is(l->protocol, "HTTP")))
                return decode_error(d, l->tls->node, err,
                                    "stands on a %.*s listener, wants protocol HTTPS or TLS",
                                    SLICE_ARG(l->protocol));
        if (l->tls && slice_is(l->protocol, "HTTPS") && !slice_is(l->tls->mode, "Terminate"))
                return decode_error(d, l->tls->node, err,
                                    "has mode %.*s, wants Terminate for protocol HTTPS",
                                    SLICE_ARG(l->tls->mode));
        if (slice_is(l->protocol, "TLS") && (!l->tls || !node_find(l->tls->node, "mode")))
                return decode_error(d, l->node, err,
                                    "has no tls.mode, wants Terminate or Passthrough for protocol "
                                    "TLS");
        if (tcp && l->hostname.len)
                return decode_error(d, l->node, err, "has a hostname, wants none for protocol %.*s",
                                    SLICE_ARG(l->protocol));
        return true;
}

static const struct field listener_fields[] = {
        {"name", FIELD_TEXT, offsetof(struct gateway_listener, name), true, .min = 1, .max = 253,
         .rule = &rule_subdomain},
        {"hostname", FIELD_TEXT, offsetof(struct gateway_listener, hostname), .min = 1, .max = 253,
         .rule = &rule_hostname},
        {"port", FIELD_NUMBER, offsetof(struct gateway_listener, port), true, .min = 1,
         .max = 65535},
        {"protocol", FIELD_TEXT, offsetof(struct gateway_listener, protocol), true, .min = 1,
         .max = 255, .rule = &rule_protocol},
        {"tls", FIELD_OBJECT, offsetof(struct gateway_listener, tls), .shape = &listener_tls_shape},
        {"allowedRoutes", FIELD_OBJECT, offsetof(struct gateway_listener, allowed_routes),
         .shape = &allowed_routes_shape},
};
SHAPE(listener_shape, struct gateway_listener, listener_fields, .check = listener_check);

bool listeners_distinct(struct decoder *d, const struct listener_list *listeners, struct error *err)
{
        for (size_t i = 0; i < listeners->count; i++) {
                const struct gateway_listener *a = &listeners->items[i];
                for (size_t j = 0; j < i; j++) {
                        const struct gateway_listener *b = &listeners->items[j];
                        if (a->port == b->port && slice_equal(a->protocol, b->protocol) &&
                            slice_equal(a->hostname, b->hostname))
                                return decode_error(d, a->node, err,
                                                    "has port, protocol and hostname of listener "
                                                    "%.*s, wants one of them different",
                                                    SLICE_ARG(b->name));
                }
        }
        return true;
}
