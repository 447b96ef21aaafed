#include "cli/demo_config.h"

#include "text/base64.h"

/* PEM as a block scalar. */
static bool print_block(struct slice pem, const char *indent, struct buffer *yaml)
{
        struct slice line;
        while (slice_split(&pem, '\n', &line))
                if (line.len > 0 && !buffer_printf(yaml, "%s%.*s\n", indent, SLICE_ARG(line)))
                        return false;
        return true;
}

static bool print_ca(const struct demo_world *world, struct buffer *yaml)
{
        struct buffer pem;
        buffer_init(&pem, 65536);
        bool ok = pki_print_certificate(&world->ca, &pem) &&
                  buffer_append(yaml, SLICE("---\n"
                                            "# Whom we trust to issue client certificates.\n"
                                            "apiVersion: v1\n"
                                            "kind: ConfigMap\n"
                                            "metadata: {name: corp-ca, namespace: default}\n"
                                            "data:\n"
                                            "  ca.crt: |\n")) &&
                  print_block(buffer_slice(&pem), "    ", yaml);
        buffer_done(&pem);
        return ok;
}

static bool print_secret(const struct demo_world *world, struct buffer *yaml)
{
        struct buffer certificate, key;
        buffer_init(&certificate, 65536);
        buffer_init(&key, 65536);
        bool ok = pki_print_certificate(&world->server, &certificate) &&
                  pki_print_key(&world->server, &key) &&
                  buffer_append(yaml, SLICE("---\n"
                                            "# The gateway's own certificate, as `pingate secret "
                                            "tls` prints it.\n"
                                            "apiVersion: v1\n"
                                            "kind: Secret\n"
                                            "type: kubernetes.io/tls\n"
                                            "metadata: {name: demo-server, namespace: default}\n"
                                            "data:\n"
                                            "  tls.crt: ")) &&
                  base64_encode(buffer_slice(&certificate), BASE64_STANDARD, yaml) &&
                  buffer_append(yaml, SLICE("\n  tls.key: ")) &&
                  base64_encode(buffer_slice(&key), BASE64_STANDARD, yaml) &&
                  buffer_append(yaml, SLICE("\n"));
        buffer_done(&certificate);
        buffer_done(&key);
        return ok;
}

static bool print_gateway(const struct demo_world *world, const char *pin, struct buffer *yaml)
{
        return buffer_printf(
                yaml,
                "# Written by `pingate demo`.\n"
                "apiVersion: gateway.networking.k8s.io/v1\n"
                "kind: Gateway\n"
                "metadata:\n"
                "  name: demo\n"
                "  namespace: default\n"
                "  annotations: {pingate.dev/require-pinning: \"true\"}\n"
                "spec:\n"
                "  gatewayClassName: pingate\n"
                "  addresses: [{type: IPAddress, value: 127.0.0.1}]\n"
                "  listeners:\n"
                "  - name: https\n"
                "    port: %d\n"
                "    protocol: HTTPS\n"
                "    hostname: " DEMO_HOST "\n"
                "    tls:\n"
                "      certificateRefs: [{group: \"\", kind: Secret, name: demo-server}]\n"
                "  tls:\n"
                "    frontend:\n"
                "      default:\n"
                "        validation:\n"
                "          mode: AllowValidOnly\n"
                "          caCertificateRefs: [{group: \"\", kind: ConfigMap, name: corp-ca}]\n"
                "          certificatePinning:\n"
                "            spkiHashes: [\"%s\"]\n",
                world->port, pin);
}

/* The same pin once more, where it can bear the name that the backend sees. */
static bool print_policy(const char *pin, struct buffer *yaml)
{
        return buffer_printf(yaml,
                             "---\n"
                             "apiVersion: pingate.dev/v1alpha1\n"
                             "kind: ClientCertificatePolicy\n"
                             "metadata: {name: partners, namespace: default}\n"
                             "spec:\n"
                             "  targetRefs:\n"
                             "  - {group: gateway.networking.k8s.io, kind: Gateway, name: demo}\n"
                             "  pins:\n"
                             "  - {name: demo-robot, owner: demo@" DEMO_HOST
                             ", spkiHash: \"%s\"}\n",
                             pin);
}

static bool print_route(const struct demo_world *world, struct buffer *yaml)
{
        return buffer_printf(yaml,
                             "---\n"
                             "apiVersion: gateway.networking.k8s.io/v1\n"
                             "kind: HTTPRoute\n"
                             "metadata: {name: demo, namespace: default}\n"
                             "spec:\n"
                             "  parentRefs: [{name: demo}]\n"
                             "  rules:\n"
                             "  - backendRefs: [{name: demo, port: 80}]\n"
                             "---\n"
                             "apiVersion: v1\n"
                             "kind: Service\n"
                             "metadata: {name: demo, namespace: default}\n"
                             "spec:\n"
                             "  ports: [{name: http, port: 80, targetPort: %d}]\n"
                             "---\n"
                             "apiVersion: discovery.k8s.io/v1\n"
                             "kind: EndpointSlice\n"
                             "metadata:\n"
                             "  name: demo-1\n"
                             "  namespace: default\n"
                             "  labels: {kubernetes.io/service-name: demo}\n"
                             "addressType: IPv4\n"
                             "endpoints: [{addresses: [127.0.0.1], conditions: {ready: true}}]\n"
                             "ports: [{name: http, port: %d, protocol: TCP}]\n",
                             world->backend_port, world->backend_port);
}

bool demo_config_print(const struct demo_world *world, struct buffer *yaml)
{
        char pin[64] = "";
        struct buffer text;
        buffer_init(&text, sizeof(pin) - 1);
        bool ok = pki_print_spki(&world->pinned, &text);
        if (ok)
                for (size_t i = 0; i < text.len; i++)
                        pin[i] = text.data[i];
        buffer_done(&text);
        return ok && print_gateway(world, pin, yaml) && print_policy(pin, yaml) &&
               print_ca(world, yaml) && print_secret(world, yaml) && print_route(world, yaml);
}
