#include "control/kube/access.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "control/kube/access_parts.h"
#include "text/pem.h"
#include "trust/key_pair.h"

struct kube_access *access_new(void)
{
        struct kube_access *access = NEW(struct kube_access);
        arena_init(&access->arena, 4096);
        return access;
}

void kube_access_free(struct kube_access *access)
{
        if (!access)
                return;
        arena_wipe(&access->arena);
        free(access);
}

bool access_read(struct kube_access *access, const char *path, struct slice *out, struct error *err)
{
        struct slice bytes;
        if (!file_read(path, ACCESS_FILE_BYTES_MAX, &bytes, err))
                return false;
        *out = arena_slice(&access->arena, bytes);
        bytes_free(&bytes);
        return true;
}

/* --- the server --- */

bool access_is_printable(struct slice text)
{
        for (size_t i = 0; i < text.len; i++)
                if (text.data[i] < ' ' || text.data[i] > '~')
                        return false;
        return true;
}

/* What may stand in a host or a path without a meaning of its own. */
static bool is_plain(struct slice text, const char *more)
{
        for (size_t i = 0; i < text.len; i++) {
                char c = ascii_lower(text.data[i]);
                bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
                if (!alphanumeric && (c == '\0' || !strchr(more, c)))
                        return false;
        }
        return true;
}

static bool split_port(struct slice authority, struct slice *host, struct slice *port)
{
        uint64_t number;
        size_t end = slice_find(authority, authority.data[0] == '[' ? ']' : ':');
        bool bracketed = authority.data[0] == '[';
        if (bracketed && end == authority.len)
                return false;
        *host = slice_sub(authority, 0, bracketed ? end + 1 : end);
        struct slice rest = slice_skip(authority, host->len);
        *port = rest.len ? slice_skip(rest, 1) : SLICE("443");
        if (rest.len > 0 && rest.data[0] != ':')
                return false;
        return slice_to_u64(*port, 65535, &number) && number > 0;
}

static bool is_host(struct slice host)
{
        if (host.len > 2 && host.data[0] == '[')
                return is_plain(slice_sub(host, 1, host.len - 2), ":.");
        return host.len > 0 && host.len <= 253 && is_plain(host, "-.");
}

bool access_is_name(struct slice name)
{
        return name.len > 0 && name.len <= 253 && is_plain(name, "-.");
}

bool access_is_namespace(struct slice name)
{
        return name.len > 0 && name.len <= 63 && is_plain(name, "-");
}

bool access_set_server(struct kube_access *access, struct slice server, struct error *err)
{
        const struct slice scheme = SLICE("https://");
        while (server.len > scheme.len && server.data[server.len - 1] == '/')
                server.len--;
        struct slice kept = arena_slice(&access->arena, server), host, port;
        struct slice path = slice_skip(kept, scheme.len);
        struct slice authority = slice_sub(path, 0, slice_find(path, '/'));
        path = slice_skip(path, authority.len);
        if (!access_is_printable(server))
                return error_set(err, ERROR_INPUT,
                                 "has characters that no URL has, wants https://HOST[:PORT]");
        if (!slice_starts_with(server, scheme))
                return error_set(err, ERROR_INPUT,
                                 "is \"%.*s\", wants https://HOST[:PORT]: a server is always "
                                 "verified",
                                 SLICE_ARG(slice_sub(server, 0, 200)));
        if (authority.len == 0 || !split_port(authority, &host, &port) || !is_host(host) ||
            !is_plain(path, "/-._~"))
                return error_set(err, ERROR_INPUT, "is \"%.*s\", wants https://HOST[:PORT][/PATH]",
                                 SLICE_ARG(slice_sub(server, 0, 200)));
        access->server = kept;
        access->host = host;
        access->port = port;
        return true;
}

bool access_set_ca(struct kube_access *access, struct slice pem, struct error *err)
{
        struct pem_reader reader;
        struct pem_block block;
        enum pem_step step;
        size_t certificates = 0;
        pem_reader_init(&reader, pem, PEM_SKIP_KEYS);
        while ((step = pem_next(&reader, &access->arena, &block, err)) == PEM_BLOCK) {
                if (!slice_is(block.label, "CERTIFICATE"))
                        continue;
                if (!certificate_der_check(block.der))
                        return error_set(err, ERROR_INPUT, "block %zu is no X.509 certificate",
                                         block.ordinal);
                certificates++;
        }
        if (step == PEM_BROKEN)
                return false;
        if (certificates == 0)
                return error_set(err, ERROR_INPUT, "has no PEM block CERTIFICATE");
        access->ca = pem;
        return true;
}

/* --- in a pod --- */

/* The kubelet gives these two by environment alone. Everything else is an option on the command
 * line: no other variable is read, and these where a pod's own access is asked for. */
static struct slice variable(const char *name)
{
        size_t len = strlen(name);
        for (char **entry = environ; entry && *entry; entry++)
                if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=')
                        return slice_of(*entry + len + 1);
        return SLICE_NONE;
}

struct slice access_without_line_end(struct slice text)
{
        while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]))
                text.len--;
        return text;
}

static bool server_of_pod(struct kube_access *access, struct error *err)
{
        struct slice host = variable("KUBERNETES_SERVICE_HOST");
        struct slice port = variable("KUBERNETES_SERVICE_PORT");
        if (host.len == 0 || port.len == 0)
                return error_set(err, ERROR_INPUT,
                                 "KUBERNETES_SERVICE_%s is not set: this is no pod (outside of a "
                                 "cluster: --kubeconfig)",
                                 host.len == 0 ? "HOST" : "PORT");
        bool six = slice_find(host, ':') < host.len;
        struct slice server = arena_printf(&access->arena, "https://%s%.*s%s:%.*s", six ? "[" : "",
                                           SLICE_ARG(host), six ? "]" : "", SLICE_ARG(port));
        return access_set_server(access, server, err) ||
               error_wrap(err, "KUBERNETES_SERVICE_HOST and _PORT");
}

static bool read_file(struct kube_access *access, struct slice path, struct slice *out,
                      struct error *err)
{
        return access_read(access, path.data, out, err) || error_wrap(err, "%s", path.data);
}

static bool read_pod(struct kube_access *access, struct slice folder, struct error *err)
{
        struct arena *arena = &access->arena;
        struct slice ca_path = arena_printf(arena, "%.*s/ca.crt", SLICE_ARG(folder));
        struct slice namespace_path = arena_printf(arena, "%.*s/namespace", SLICE_ARG(folder));
        struct slice ca, token;
        access->token_file = arena_printf(arena, "%.*s/token", SLICE_ARG(folder));
        if (!server_of_pod(access, err) || !read_file(access, ca_path, &ca, err) ||
            !read_file(access, namespace_path, &access->namespace, err) ||
            !read_file(access, access->token_file, &token, err))
                return false;
        if (!access_set_ca(access, ca, err))
                return error_wrap(err, "%s", ca_path.data);
        access->namespace = access_without_line_end(access->namespace);
        return access_is_namespace(access->namespace) ||
               error_set(err, ERROR_INPUT, "%s: wants the name of a namespace",
                         namespace_path.data);
}

bool access_of_pod(struct slice folder, struct kube_access **out, struct error *err)
{
        struct kube_access *access = access_new();
        if (!read_pod(access, folder, err)) {
                kube_access_free(access);
                return false;
        }
        *out = access;
        return true;
}

bool kube_access_in_cluster(struct kube_access **out, struct error *err)
{
        return access_of_pod(SLICE(KUBE_SERVICE_ACCOUNT), out, err);
}
