#include "control/api/stream_route.h"

#include "control/api/kinds.h"
#include "control/api/rules.h"

enum {
        TLS_HOSTNAMES_MAX = 1024
};

/* RFC 6066, 3: a server name is no address. The pattern of host names lets only IPv4 by. */
static bool is_ipv4(struct slice text)
{
        struct slice rest = text, part;
        size_t parts = 0;
        for (; slice_split(&rest, '.', &part); parts++) {
                if (part.len == 0 || part.len > 3)
                        return false;
                for (size_t i = 0; i < part.len; i++)
                        if (part.data[i] < '0' || part.data[i] > '9')
                                return false;
        }
        return parts == 4;
}

static bool tls_route_check(struct decoder *d, void *value, struct error *err)
{
        const struct stream_route_object *route = value;
        const struct node *spec = node_find(route->route.object.node, "spec");
        for (size_t i = 0; i < route->route.hostnames.count; i++)
                if (is_ipv4(route->route.hostnames.items[i]))
                        return decode_error(d, node_find(spec, "hostnames")->children[i], err,
                                            "is an IP address, wants a host name");
        return parents_check(d, &route->route, err);
}

static bool tcp_route_check(struct decoder *d, void *value, struct error *err)
{
        const struct stream_route_object *route = value;
        return parents_check(d, &route->route, err);
}

/* backendRefs of streams have no filters: one that is passed over would promise something. */
static bool rule_check(struct decoder *d, void *value, struct error *err)
{
        const struct stream_rule *rule = value;
        for (size_t i = 0; i < rule->backends.count; i++)
                if (rule->backends.items[i].filters.count > 0)
                        return decode_error(d, node_find(rule->backends.items[i].node, "filters"),
                                            err, "stands on a TLSRoute or TCPRoute, wants none");
        return true;
}

static const struct field rule_fields[] = {
        {"name", FIELD_TEXT, offsetof(struct stream_rule, name), .min = 1, .max = 253,
         .rule = &rule_subdomain},
        {"backendRefs", FIELD_OBJECTS, offsetof(struct stream_rule, backends), true, .min = 1,
         .max = 16, .shape = &backend_ref_shape},
};
static SHAPE(rule_shape, struct stream_rule, rule_fields, .check = rule_check);

#define STREAM_RULES_FIELD                                                                         \
        {                                                                                          \
                "rules",                                                                           \
                FIELD_OBJECTS,                                                                     \
                offsetof(struct stream_route_object, rules),                                       \
                true,                                                                              \
                .min = 1,                                                                          \
                .max = 1,                                                                          \
                .shape = &rule_shape},

static const struct field tls_spec_fields[] = {
        ROUTE_FIELDS,
        {"hostnames", FIELD_TEXTS, offsetof(struct route_object, hostnames), true, .min = 1,
         .max = TLS_HOSTNAMES_MAX, .item_max = 253, .rule = &rule_hostname},
        STREAM_RULES_FIELD};
static SHAPE(tls_spec_shape, struct stream_route_object, tls_spec_fields);
static const struct field tls_route_fields[] = {
        DOCUMENT_FIELDS,
        {"spec", FIELD_INLINE, 0, true, .shape = &tls_spec_shape},
};
SHAPE(tls_route_shape, struct stream_route_object, tls_route_fields, .check = tls_route_check);

static const struct field tcp_spec_fields[] = {ROUTE_FIELDS, STREAM_RULES_FIELD};
static SHAPE(tcp_spec_shape, struct stream_route_object, tcp_spec_fields);
static const struct field tcp_route_fields[] = {
        DOCUMENT_FIELDS,
        {"spec", FIELD_INLINE, 0, true, .shape = &tcp_spec_shape},
};
SHAPE(tcp_route_shape, struct stream_route_object, tcp_route_fields, .check = tcp_route_check);
