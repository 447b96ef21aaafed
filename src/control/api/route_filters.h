/* What rules and backendRefs do to a request or to its answer (HTTPRouteFilter, and
 * GRPCRouteFilter, which is a part of it). Values that are none of upstream's are kept as they are,
 * so that translate can say so and refuse the rule's requests instead of passing over a filter. */
#pragma once

#include "control/api/decode.h"
#include "control/api/route_resilience.h"

struct header_value {
        const struct node *node;
        struct slice name, value;
};

struct header_modifier {
        const struct node *node;
        LIST(struct header_value) set;
        LIST(struct header_value) add;
        LIST(struct slice) remove;
};

struct http_path_modifier {
        const struct node *node;
        struct slice type; /* ReplaceFullPath, ReplacePrefixMatch, or what is not supported */
        struct slice full, prefix;
};

struct http_redirect {
        const struct node *node;
        struct slice scheme, hostname;
        struct http_path_modifier *path; /* NULL: kept */
        int64_t port, status;            /* port 0: by scheme or listener */
};

struct http_rewrite {
        const struct node *node;
        struct slice hostname;
        struct http_path_modifier *path; /* NULL: kept */
};

struct http_cors {
        const struct node *node;
        LIST(struct slice) origins;
        LIST(struct slice) methods;
        LIST(struct slice) headers;
        LIST(struct slice) exposed;
        bool credentials;
        int64_t max_age;
};

struct http_filter {
        const struct node *node;
        struct slice type;
        /* The one that `type` names, and no other; none for the types that are not supported. */
        struct header_modifier *request, *response;
        struct http_redirect *redirect;
        struct http_rewrite *rewrite;
        struct http_cors *cors;
        struct http_mirror *mirror;
};

struct http_filters {
        struct http_filter *items;
        size_t count;
};

extern const struct shape http_filter_shape;
/* The CEL rules on a list of filters: each type once, no redirect beside a rewrite. */
bool http_filters_check(struct decoder *d, const struct http_filters *filters, struct error *err);
/* Whether one of them puts something else in the place of a PathPrefix that matched. */
bool http_filters_replace_prefix(const struct http_filters *filters);
