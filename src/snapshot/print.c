#include "snapshot/print.h"

#include <arpa/inet.h>

#include "base/must.h"

static bool is_plain(unsigned char c)
{
        return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

static char *char_print(char *at, unsigned char c)
{
        static const char hex[] = "0123456789abcdef";
        if (is_plain(c)) {
                *at++ = (char)c;
                return at;
        }
        *at++ = '\\';
        if (c == '"' || c == '\\') {
                *at++ = (char)c;
                return at;
        }
        *at++ = 'x';
        *at++ = hex[c >> 4];
        *at++ = hex[c & 15];
        return at;
}

/* Most of a snapshot's text comes by here: room is asked for once, for the longest that it can be.
 */
void text_print_into(struct buffer *out, struct slice text)
{
        must(text.len < SIZE_MAX / 8);
        char *room = buffer_reserve(out, text.len * 4 + 2), *at = room;
        must(room);
        *at++ = '"';
        for (size_t i = 0; i < text.len; i++)
                at = char_print(at, (unsigned char)text.data[i]);
        *at++ = '"';
        out->len += (size_t)(at - room);
}

static void digest_put(struct buffer *out, const char *label, const struct digest *digest)
{
        char hex[DIGEST_HEX_SIZE];
        must(buffer_printf(out, " %s=%s", label, digest_hex(digest, hex)));
}

static const char *const use_names[] = {
        [USE_CLIENT_AUTH] = "client",
        [USE_CLIENT_OR_SERVER_AUTH] = "client-or-server",
        [USE_ANY] = "any",
        [USE_SERVER_AUTH] = "server",
};

static void set_put(struct buffer *out, const char *label, const struct pin_set *set)
{
        must(buffer_printf(out, "      %s %zu", label, pin_set_count(set)));
        digest_put(out, "digest", pin_set_digest(set));
        must(buffer_append(out, SLICE("\n")));
}

/* What is as usual is not said. */
static void scope_terms_put(struct buffer *out, const struct pin_scope *scope)
{
        static const char *const actions[] = {
                [REMOVAL_KEEP] = "keep",
                [REMOVAL_DRAIN] = "drain",
                [REMOVAL_CLOSE] = "close",
        };
        struct removal usual = removal_default(), removal = scope->removal;
        if (scope->unusable)
                must(buffer_append(out, SLICE(" unusable")));
        if (scope->report_only)
                must(buffer_append(out, SLICE(" report-only")));
        if (scope->pinned_only)
                must(buffer_append(out, SLICE(" pinned-only")));
        if (scope->use != USE_CLIENT_AUTH)
                must(buffer_printf(out, " use=%s", use_names[scope->use]));
        if (removal.action != usual.action)
                must(buffer_printf(out, " on-removal=%s", actions[removal.action]));
        else if (removal.grace_ms != usual.grace_ms)
                must(buffer_printf(out, " on-removal=%s:%ums", actions[removal.action],
                                   removal.grace_ms));
}

void scope_print_into(struct buffer *out, const struct pin_scope *scope)
{
        static const char *const kinds[] = {
                [SCOPE_INLINE] = "inline",
                [SCOPE_GATEWAY] = "gateway",
                [SCOPE_LISTENER_SET] = "listenerset",
                [SCOPE_LISTENER] = "listener",
                [SCOPE_ROUTE] = "route",
                [SCOPE_RULE] = "rule",
        };
        must(buffer_printf(out, "    scope %s ", kinds[scope->kind]));
        text_print_into(out, scope->source);
        for (size_t i = 0; i < scope->listener_count; i++)
                must(buffer_printf(out, "%s%u", i ? "," : " listeners=", scope->listeners[i]));
        scope_terms_put(out, scope);
        must(buffer_append(out, SLICE("\n")));
        for (size_t i = 0; i < scope->set_count; i++)
                set_put(out, "pins", scope->sets[i]);
        if (scope->deny)
                set_put(out, "deny", scope->deny);
}

/* The trust digest says all of it; the rest is for people. */
static void client_put(struct buffer *out, const struct client_policy *client, const char *who)
{
        must(buffer_printf(out, "  %s mode=%s use=%s depth=%d", who,
                           client->mode == ALLOW_VALID_ONLY ? "valid-only" : "insecure-fallback",
                           use_names[client->rules.use], client->rules.max_depth));
        digest_put(out, "trust", &client->digest);
        if (client->pins_required)
                must(buffer_append(out, SLICE(" pins-required")));
        if (client->refuses_all) {
                must(buffer_append(out, SLICE(" refuses-all ")));
                text_print_into(out, client->refuses_why);
        }
        for (size_t i = 0; i < client->name_count; i++) {
                bool is_uri = client->names[i].kind == PEER_NAME_URI;
                must(buffer_append(out, is_uri ? SLICE("\n    uri ") : SLICE("\n    dns ")));
                text_print_into(out, client->names[i].text);
        }
        must(buffer_append(out, SLICE("\n    cas ")));
        if (client->cas) {
                must(buffer_printf(out, "%zu", ca_set_anchor_count(client->cas)));
                digest_put(out, "digest", ca_set_digest(client->cas));
                must(buffer_printf(out, " crls=%zu", ca_set_crl_count(client->cas)));
                digest_put(out, "digest", ca_set_crl_digest(client->cas));
        } else {
                must(buffer_append(out, SLICE("none usable")));
        }
        must(buffer_append(out, SLICE("\n")));
        for (size_t i = 0; i < client->scope_count; i++)
                scope_print_into(out, &client->scopes[i]);
}

static void certificate_put(struct buffer *out, const struct server_certificate *certificate)
{
        must(buffer_append(out, SLICE("    certificate ")));
        text_print_into(out, certificate->source);
        digest_put(out, "digest", &certificate->digest);
        must(buffer_append(out, SLICE("\n")));
}

static const char *const listener_names[] = {
        [LISTENER_HTTP] = "",
        [LISTENER_HTTPS] = "",
        [LISTENER_TLS_TERMINATE] = "tls ",
        [LISTENER_TLS_PASSTHROUGH] = "passthrough ",
        [LISTENER_TCP] = "tcp ",
};

static void listener_put(struct buffer *out, const struct snapshot *snapshot,
                         const struct listener *listener, struct printed *printed)
{
        must(buffer_printf(out, "  listener %s", listener_names[listener->kind]));
        text_print_into(out, listener->gateway);
        must(buffer_append(out, SLICE(" ")));
        text_print_into(out, listener->name);
        must(buffer_append(out, SLICE(" host=")));
        text_print_into(out, listener->hostname);
        must(buffer_printf(out, " index=%u forward=%u", listener->index, listener->forward));
        if (listener->closed.len > 0) {
                must(buffer_append(out, SLICE(" closed ")));
                text_print_into(out, listener->closed);
        }
        must(buffer_append(out, SLICE("\n")));
        for (size_t i = 0; i < listener->certificate_count; i++)
                certificate_put(out, listener->certificates[i]);
        if (listener->routes)
                routes_print_into(snapshot, listener->routes, printed, out);
        if (listener->streams)
                streams_print_into(snapshot, listener->streams, out);
}

/* A PORT_TLS with HTTPS listeners is what people call https. */
static const char *protocol_name(const struct port *port)
{
        if (port->protocol != PORT_TLS)
                return port->protocol == PORT_HTTP ? "http" : "tcp";
        for (size_t i = 0; i < port->listener_count; i++)
                if (port->listeners[i].kind == LISTENER_HTTPS)
                        return "https";
        return "tls";
}

static void proxies_put(struct buffer *out, const struct port *port)
{
        must(buffer_append(out, SLICE("  proxies")));
        for (size_t i = 0; i < port->proxy_count; i++) {
                const struct address_range *range = &port->proxies[i];
                char text[INET6_ADDRSTRLEN];
                inet_ntop(range->family == 4 ? AF_INET : AF_INET6, range->bytes, text,
                          sizeof(text));
                must(buffer_printf(out, " %s/%u", text, range->bits));
        }
        must(buffer_append(out, SLICE("\n")));
}

static unsigned bound_port(const struct port *port)
{
        return ntohs(port->address.ss_family == AF_INET
                             ? ((const struct sockaddr_in *)&port->address)->sin_port
                             : ((const struct sockaddr_in6 *)&port->address)->sin6_port);
}

static void port_put(struct buffer *out, const struct snapshot *snapshot, const struct port *port,
                     struct printed *printed)
{
        must(buffer_append(out, SLICE("port ")));
        text_print_into(out, port->text);
        must(buffer_printf(out, " %s", protocol_name(port)));
        if (port->number != bound_port(port))
                must(buffer_printf(out, " as=%u", port->number));
        must(buffer_append(out, SLICE(" gateway=")));
        text_print_into(out, port->gateway);
        must(buffer_append(out, SLICE("\n")));
        if (port->proxy_count > 0)
                proxies_put(out, port);
        if (port->client)
                client_put(out, port->client, "clients");
        for (size_t i = 0; i < port->listener_count; i++)
                listener_put(out, snapshot, &port->listeners[i], printed);
}

static void backend_tls_put(struct buffer *out, const struct backend_tls *tls)
{
        must(buffer_append(out, SLICE("  tls ")));
        text_print_into(out, tls->source);
        must(buffer_append(out, SLICE(" sni=")));
        text_print_into(out, tls->server_name);
        digest_put(out, "digest", &tls->digest);
        must(buffer_append(out, SLICE("\n")));
        if (tls->certificate)
                certificate_put(out, tls->certificate);
        client_put(out, tls->peer, "  server");
}

static void backend_put(struct buffer *out, const struct backend *backend)
{
        static const char *const protocols[] = {
                [BACKEND_HTTP] = "", [BACKEND_HTTP2] = " http2", [BACKEND_TCP] = " tcp"};
        must(buffer_append(out, SLICE("backend ")));
        text_print_into(out, backend->name);
        must(buffer_printf(out, "%s\n", protocols[backend->protocol]));
        if (backend->tls)
                backend_tls_put(out, backend->tls);
        for (size_t i = 0; i < backend->endpoint_count; i++) {
                const struct endpoint *endpoint = &backend->endpoints[i];
                must(buffer_append(out, SLICE("  endpoint ")));
                text_print_into(out, endpoint->text);
                if (endpoint->dns_name.len > 0) {
                        must(buffer_append(out, SLICE(" dns=")));
                        text_print_into(out, endpoint->dns_name);
                        must(buffer_printf(out, ":%u", endpoint->port));
                }
                must(buffer_append(out, SLICE("\n")));
        }
}

/* The generation is not meaning: two that mean the same have the same digest. */
void snapshot_print_into(const struct snapshot *snapshot, struct printed *printed,
                         struct buffer *out)
{
        for (size_t i = 0; i < snapshot->port_count; i++)
                port_put(out, snapshot, &snapshot->ports[i], printed);
        for (size_t i = 0; i < snapshot->backend_count; i++)
                backend_put(out, &snapshot->backends[i]);
}
