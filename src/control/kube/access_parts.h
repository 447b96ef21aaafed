/* What every access is made of, whether from a kubeconfig (kubeconfig.c) or in a pod (access.c).
 * Errors say what is wrong; the caller says of which file and field. */
#pragma once

#include "control/kube/access.h"

enum {
        ACCESS_FILE_BYTES_MAX = 1 << 20,
};

struct kube_access *access_new(void);
/* A file's bytes in the access's arena. */
bool access_read(struct kube_access *access, const char *path, struct slice *out,
                 struct error *err);
/* Sets server, host and port. */
bool access_set_server(struct kube_access *access, struct slice server, struct error *err);
bool access_set_ca(struct kube_access *access, struct slice pem, struct error *err);
/* It can be shown in an error, which is one line. */
bool access_is_printable(struct slice text);
/* A DNS name, or an address as a certificate names it. */
bool access_is_name(struct slice name);
bool access_is_namespace(struct slice name);
/* Of a file that holds one word: what editors and mounts put behind it is none of it. */
struct slice access_without_line_end(struct slice text);
/* kube_access_in_cluster with the service account's files in another folder. */
bool access_of_pod(struct slice folder, struct kube_access **out, struct error *err);
