/* The objects that a source holds: what every kind has in common, the set of them, and how one gets
 * in. Built by control/source, read by control/translate; never changed once read. Trees stay, so
 * that statuses and complaints can name file and line. */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "control/api/decode.h"

#define GROUP_GATEWAY   "gateway.networking.k8s.io"
#define GROUP_PINGATE   "pingate.dev"
#define CONTROLLER_NAME "pingate.dev/gateway-controller"
#define CLASS_NAME      "pingate"

enum object_kind {
        KIND_GATEWAY_CLASS,
        KIND_GATEWAY,
        KIND_HTTP_ROUTE,
        KIND_REFERENCE_GRANT,
        KIND_POLICY, /* ClientCertificatePolicy */
        KIND_NAMESPACE,
        KIND_SECRET,
        KIND_CONFIG_MAP,
        KIND_SERVICE,
        KIND_ENDPOINT_SLICE,
        KIND_COUNT,
};

struct object { /* first in every kind's struct */
        const struct node *node;
        enum object_kind kind;
        struct slice namespace, name; /* namespace is empty for what has none */
        struct slice id;              /* "Gateway edge/edge", for people */
        int64_t generation;           /* 1 where the source has none */
        int64_t created;              /* Unix seconds; 0 where the source has none */
        struct text_map labels, annotations;
};

/* The text of a File pin set, or why there is none. */
struct side_file {
        struct slice path;
        struct slice text;
        struct slice fault; /* empty: it was read */
};

/* A file or folder that was looked at, and what it was like before it was read. */
struct seen_file {
        struct slice path;
        uint64_t stamp;
};

struct object_list {
        struct object **items;
        size_t count, capacity;
};

struct objects {
        struct arena arena;
        struct object_list kinds[KIND_COUNT]; /* in the order read */
        struct map by_id;
        VEC(struct slice) warnings;
        VEC(struct seen_file) files;
        bool from_files; /* File pin sets are allowed */
};

struct objects *objects_new(void);
void objects_free(struct objects *objects); /* wiped, as Secrets are in it; NULL is fine */

/* One document, or a List of them. Kinds that are nothing of ours are passed over with a warning;
 * kinds that restrict and are not supported are refused. */
bool objects_add(struct objects *objects, const struct node *document, struct error *err);
void objects_warn(struct objects *objects, struct slice text);

/* NULL: there is none. namespace is ignored for kinds without one. */
const struct object *objects_find(const struct objects *objects, enum object_kind kind,
                                  struct slice namespace, struct slice name);
const char *object_kind_name(enum object_kind kind);
const char *object_api_version(enum object_kind kind); /* "gateway.networking.k8s.io/v1" */
const char *object_group(enum object_kind kind);
/* Which came first: creation, then namespace/name (GEP-713). < 0: a did. */
int object_age_compare(const struct object *a, const struct object *b);
