/* A kubeconfig as kubectl reads it: the context names a cluster and a user. */
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "control/kube/access_parts.h"
#include "control/kube/token.h"
#include "text/base64.h"
#include "text/yaml.h"
#include "trust/key_pair.h"

struct reading {
        struct kube_access *access;
        struct error *err;
        const char *file;
};

/* --- fields --- */

/* The text of a field, or empty; false: it is no text. */
static bool text_field(const struct reading *reading, const struct node *map, const char *name,
                       struct slice *out)
{
        const struct node *node = node_find(map, name);
        *out = SLICE_NONE;
        if (!node || node->kind == NODE_NULL)
                return true;
        if (node->kind == NODE_LIST || node->kind == NODE_MAP)
                return node_error(node, reading->err, "is %s, wants a string",
                                  node_kind_name(node->kind));
        if (memchr(node->text.data ? node->text.data : "", '\0', node->text.len))
                return node_error(node, reading->err, "has a NUL in it");
        *out = node->text;
        return true;
}

/* A relative path is beside the kubeconfig; never "-", which would be standard input. */
static struct slice beside(const struct reading *reading, struct slice path)
{
        struct arena *arena = &reading->access->arena;
        const char *slash = strrchr(reading->file, '/');
        if (path.data[0] == '/')
                return arena_slice(arena, path);
        return arena_printf(arena, "%.*s/%.*s", slash ? (int)(slash - reading->file) : 1,
                            slash ? reading->file : ".", SLICE_ARG(path));
}

/* NAME-data in base64, or else the file NAME; neither: empty. *where is told if it is no good. */
static bool bytes_field(const struct reading *reading, const struct node *map, const char *name,
                        struct slice *out, const struct node **where)
{
        struct arena *arena = &reading->access->arena;
        struct slice inline_name = arena_printf(arena, "%s-data", name);
        struct slice text = SLICE_NONE, path = SLICE_NONE;
        if (!text_field(reading, map, inline_name.data, &text) ||
            !text_field(reading, map, name, &path))
                return false;
        *out = SLICE_NONE;
        *where = text.len || path.len ? node_find(map, text.len ? inline_name.data : name) : NULL;
        struct error reason;
        if (text.len > 0) {
                return base64_decode_new(arena, text, BASE64_STANDARD | BASE64_LINES, out,
                                         &reason) ||
                       node_error(*where, reading->err, "%s", reason.text);
        }
        if (path.len == 0)
                return true;
        path = beside(reading, path);
        return access_read(reading->access, path.data, out, &reason) ||
               node_error(*where, reading->err, "%.*s: %s", SLICE_ARG(path), reason.text);
}

struct refusal {
        const char *name, *because;
};

/* What changes whom we are or whom we talk to, and is not supported, is never left out in silence.
 * `false` and null say nothing. */
static bool refuse(const struct reading *reading, const struct node *map,
                   const struct refusal *refusals, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                const struct node *node = node_find(map, refusals[i].name);
                bool says_nothing = !node || node->kind == NODE_NULL ||
                                    (node->kind == NODE_BOOL && !node->boolean) ||
                                    (node->kind == NODE_STRING && node->text.len == 0);
                if (!says_nothing)
                        return node_error(node, reading->err, "%s", refusals[i].because);
        }
        return true;
}

/* --- cluster --- */

static const struct refusal cluster_refusals[] = {
        {"insecure-skip-tls-verify",
         "is refused: the server is always verified, by certificate-authority"},
        {"proxy-url", "is not supported: pingate talks to the server itself"},
};

static bool read_cluster(const struct reading *reading, const struct node *cluster)
{
        struct kube_access *access = reading->access;
        struct error *err = reading->err, reason;
        const struct node *where = NULL;
        struct slice server = SLICE_NONE, ca = SLICE_NONE, name = SLICE_NONE;
        if (!refuse(reading, cluster, cluster_refusals, COUNT_OF(cluster_refusals)) ||
            !text_field(reading, cluster, "server", &server) ||
            !text_field(reading, cluster, "tls-server-name", &name))
                return false;
        if (server.len == 0)
                return node_error(cluster, err, "wants server: https://HOST[:PORT]");
        if (!access_set_server(access, server, &reason))
                return node_error(node_find(cluster, "server"), err, "%s", reason.text);
        if (name.len > 0 && !access_is_name(name))
                return node_error(node_find(cluster, "tls-server-name"), err,
                                  "wants a DNS name or an address");
        access->server_name = name;
        if (!bytes_field(reading, cluster, "certificate-authority", &ca, &where))
                return false;
        if (!where)
                return node_error(cluster, err,
                                  "wants certificate-authority-data or certificate-authority: the "
                                  "server is verified by it alone, never by the system's CAs");
        return access_set_ca(access, ca, &reason) || node_error(where, err, "%s", reason.text);
}

/* --- user --- */

static const struct refusal user_refusals[] = {
        {"exec", "is not supported: pingate starts no programs; wants token, tokenFile or "
                 "client-certificate"},
        {"auth-provider", "is not supported; wants token, tokenFile or client-certificate"},
        {"username", "is not supported; wants token, tokenFile or client-certificate"},
        {"password", "is not supported; wants token, tokenFile or client-certificate"},
        {"as", "is not supported: pingate acts as nobody else"},
        {"as-uid", "is not supported: pingate acts as nobody else"},
        {"as-groups", "is not supported: pingate acts as nobody else"},
        {"as-user-extra", "is not supported: pingate acts as nobody else"},
};

static bool read_certificate(const struct reading *reading, const struct node *user)
{
        struct kube_access *access = reading->access;
        const struct node *certificate_at = NULL, *key_at = NULL;
        struct slice certificate = SLICE_NONE, key = SLICE_NONE;
        struct error reason;
        if (!bytes_field(reading, user, "client-certificate", &certificate, &certificate_at) ||
            !bytes_field(reading, user, "client-key", &key, &key_at))
                return false;
        if (certificate.len == 0 && key.len == 0)
                return true;
        if (certificate.len == 0 || key.len == 0)
                return node_error(user, reading->err, "wants client-%s too",
                                  key.len ? "certificate" : "key");
        struct key_pair *pair = key_pair_parse(certificate, key, NULL, &reason);
        key_pair_unref(pair);
        if (!pair)
                return node_error(user, reading->err,
                                  "client-certificate and client-key (as tls.crt, tls.key): %s",
                                  reason.text);
        access->certificate = certificate;
        access->key = key;
        return true;
}

static bool read_token(const struct reading *reading, const struct node *user)
{
        struct kube_access *access = reading->access;
        struct slice token = SLICE_NONE, path = SLICE_NONE;
        if (!text_field(reading, user, "token", &token) ||
            !text_field(reading, user, "tokenFile", &path))
                return false;
        if (token.len > 0 && !kube_token_is_sound(token))
                return node_error(node_find(user, "token"), reading->err,
                                  "has characters that no token has");
        access->token = token;
        if (path.len > 0)
                access->token_file = beside(reading, path);
        return true;
}

static bool read_user(const struct reading *reading, const struct node *user)
{
        return refuse(reading, user, user_refusals, COUNT_OF(user_refusals)) &&
               read_certificate(reading, user) && read_token(reading, user);
}

/* --- the file --- */

/* contexts, clusters and users: lists of a name and what `part` holds. */
static bool find_named(const struct reading *reading, const struct node *root, const char *list,
                       const char *part, struct slice name, const struct node **out)
{
        const struct node *items = node_find(root, list);
        if (!items || items->kind != NODE_LIST)
                return node_error(items ? items : root, reading->err, "wants a list %s", list);
        for (size_t i = 0; i < items->child_count; i++) {
                const struct node *item = items->children[i];
                if (item->kind != NODE_MAP || !slice_equal(node_text(item, "name"), name))
                        continue;
                *out = node_find(item, part);
                if (*out && (*out)->kind == NODE_MAP)
                        return true;
                return node_error(item, reading->err, "wants a map %s", part);
        }
        return node_error(items, reading->err, "has no \"%.*s\"",
                          SLICE_ARG(access_is_printable(name) ? slice_sub(name, 0, 200)
                                                              : SLICE("(unprintable)")));
}

static bool read_context(const struct reading *reading, const struct node *root,
                         struct slice wanted)
{
        struct slice name = wanted, namespace = SLICE_NONE;
        struct slice cluster_name = SLICE_NONE, user_name = SLICE_NONE;
        const struct node *context = NULL, *cluster = NULL, *user = NULL;
        if (name.len == 0 && !text_field(reading, root, "current-context", &name))
                return false;
        if (name.len == 0)
                return node_error(root, reading->err, "wants current-context");
        if (!find_named(reading, root, "contexts", "context", name, &context) ||
            !text_field(reading, context, "cluster", &cluster_name) ||
            !text_field(reading, context, "user", &user_name) ||
            !text_field(reading, context, "namespace", &namespace))
                return false;
        if (namespace.len > 0 && !access_is_namespace(namespace))
                return node_error(node_find(context, "namespace"), reading->err,
                                  "wants the name of a namespace");
        reading->access->namespace = namespace.len ? namespace : SLICE("default");
        return find_named(reading, root, "clusters", "cluster", cluster_name, &cluster) &&
               find_named(reading, root, "users", "user", user_name, &user) &&
               read_cluster(reading, cluster) && read_user(reading, user);
}

static bool read_text(const struct reading *reading, struct slice text, struct slice context)
{
        struct yaml_docs docs;
        char *file = arena_text(&reading->access->arena, slice_of(reading->file));
        if (!yaml_parse(&reading->access->arena, text, file, &docs, reading->err))
                return false;
        if (docs.count != 1 || docs.items[0]->kind != NODE_MAP)
                return error_set(reading->err, ERROR_INPUT, "%s: wants one kubeconfig", file);
        return read_context(reading, docs.items[0], context);
}

bool kube_access_parse(struct slice text, const char *file, struct slice context,
                       struct kube_access **out, struct error *err)
{
        struct reading reading = {.access = access_new(), .err = err, .file = file};
        if (!read_text(&reading, text, context)) {
                kube_access_free(reading.access);
                return false;
        }
        *out = reading.access;
        return true;
}

bool kube_access_from_file(const char *path, struct slice context, struct kube_access **out,
                           struct error *err)
{
        struct slice text;
        if (!file_read(path, ACCESS_FILE_BYTES_MAX, &text, err))
                return error_wrap(err, "%s", path);
        bool ok = kube_access_parse(text, path, context, out, err);
        bytes_free(&text);
        return ok;
}
