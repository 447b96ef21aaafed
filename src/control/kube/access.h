/* Where the API server is, whom it must prove to be, and how pingate proves itself. From a
 * kubeconfig or from what a pod is given; wiped when it is freed. The server's certificate is
 * always verified, against the CA that is given here and no other: http://, a missing CA and
 * insecure-skip-tls-verify are refused, as is all that we would have to leave out: exec and
 * auth-provider plugins, passwords, impersonation, proxies. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

struct kube_access {
        struct arena arena;
        struct slice server;           /* "https://192.0.2.1:6443", without a slash at the end */
        struct slice host, port;       /* of the server; an IPv6 address in brackets */
        struct slice ca;               /* PEM */
        struct slice server_name;      /* whom the certificate must name; empty: server's host */
        struct slice certificate, key; /* PEM; both or neither */
        struct slice token;            /* of a kubeconfig; sent until token_file has been read */
        struct slice token_file;       /* read again as it is rotated; empty: none */
        struct slice namespace;        /* our own, where leases and Services are; never empty */
};

/* What a pod is given: /var/run/secrets/kubernetes.io/serviceaccount, KUBERNETES_SERVICE_HOST and
 * _PORT. Errors name the file or the variable. */
bool kube_access_in_cluster(struct kube_access **out, struct error *err);
/* `context` empty: the file's current-context. */
bool kube_access_from_file(const char *path, struct slice context, struct kube_access **out,
                           struct error *err);
/* The same of a text, for tests; `file` names it, and relative paths are beside it. */
bool kube_access_parse(struct slice text, const char *file, struct slice context,
                       struct kube_access **out, struct error *err);
void kube_access_free(struct kube_access *access); /* NULL is fine */

/* The folder of a pod's service account: the sandbox lets it be read as its token is rotated. */
#define KUBE_SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"
