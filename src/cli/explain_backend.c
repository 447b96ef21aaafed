#include "cli/explain_backend.h"

#include "cli/explain.h"
#include "snapshot/snapshot.h"
#include "trust/policy.h"

static const char *protocol_text(const struct backend *backend)
{
        static const char *const texts[] = {
                [BACKEND_HTTP] = "HTTP/1.1",
                [BACKEND_HTTP2] = "HTTP/2",
                [BACKEND_TCP] = "the client's bytes",
        };
        return texts[backend->protocol];
}

static void print_peer(const struct client_policy *peer, FILE *out)
{
        struct slice why;
        size_t pins = client_policy_pin_count(peer, LISTENER_UNKNOWN);
        if (client_policy_is_closed(peer, &why)) {
                fprintf(out, "       it can be nobody: %.*s\n", SLICE_ARG(why));
                return;
        }
        fprintf(out, "       it must bear");
        for (size_t i = 0; i < peer->name_count; i++)
                fprintf(out, "%s %.*s", i ? " or" : "", SLICE_ARG(peer->names[i].text));
        size_t cas = ca_set_anchor_count(peer->cas);
        fprintf(out, ", under %zu %s", cas, cas == 1 ? "CA" : "CAs");
        if (pins > 0)
                fprintf(out, ", and match one of %zu %s", pins, pins == 1 ? "pin" : "pins");
        fprintf(out, "\n");
}

void explain_backend_print(const struct backend *backend, FILE *out)
{
        const struct backend_tls *tls = backend->tls;
        if (!tls) {
                fprintf(out, "       spoken to: %s, in the clear\n", protocol_text(backend));
                return;
        }
        fprintf(out, "       spoken to: %s, by TLS with server name %.*s (%.*s)\n",
                protocol_text(backend), SLICE_ARG(tls->server_name), SLICE_ARG(tls->source));
        print_peer(tls->peer, out);
        if (tls->certificate)
                fprintf(out, "       the gateway shows it %.*s\n",
                        SLICE_ARG(tls->certificate->source));
}

static void write_peer(struct json_writer *w, const struct client_policy *peer)
{
        struct slice why;
        if (client_policy_is_closed(peer, &why)) {
                json_field_string(w, "unusable", why);
                return;
        }
        json_key(w, SLICE("names"));
        json_begin_array(w);
        for (size_t i = 0; i < peer->name_count; i++)
                json_write_string(w, peer->names[i].text);
        json_end_array(w);
        json_field_unsigned(w, "cas", ca_set_anchor_count(peer->cas));
        json_field_unsigned(w, "pins", client_policy_pin_count(peer, LISTENER_UNKNOWN));
}

void explain_backend_write(const struct backend *backend, struct json_writer *w)
{
        const struct backend_tls *tls = backend->tls;
        json_field_text(w, "protocol", protocol_text(backend));
        if (!tls)
                return;
        json_key(w, SLICE("tls"));
        json_begin_object(w);
        json_field_string(w, "policy", tls->source);
        json_field_string(w, "serverName", tls->server_name);
        write_peer(w, tls->peer);
        if (tls->certificate)
                json_field_string(w, "clientCertificate", tls->certificate->source);
        json_end_object(w);
}
