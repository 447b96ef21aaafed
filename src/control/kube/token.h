/* The bearer token of an access, read again when its file changes. Owned by a client. */
#pragma once

#include <sys/stat.h>

#include "base/secret.h"
#include "control/kube/access.h"
#include "event/emit.h"

struct kube_token {
        struct secret current; /* empty: none */
        char *path;            /* NULL: of no file */
        struct event_sink *sink;
        struct stat seen;
        uint64_t looked_ms;
        bool looked, good; /* at the file; and what was there is `current` */
        struct error fault;
};

/* `sink` may be NULL. */
void kube_token_init(struct kube_token *token, const struct kube_access *access,
                     struct event_sink *sink);
void kube_token_done(struct kube_token *token);
/* What to send now; empty: nothing. Valid until the next call. */
struct slice kube_token_at(struct kube_token *token, uint64_t now_ms);
/* What is wrong with the file; empty: nothing. */
struct slice kube_token_fault(const struct kube_token *token);
/* Nothing but characters that a header may have. */
bool kube_token_is_sound(struct slice token);
