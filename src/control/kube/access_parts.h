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
/* A DNS name, or an address as a certificate names it. */
bool access_is_name(struct slice name);
