/* The objects that a source holds: what every kind has in common, the set of them, and how one gets
 * in. Built by control/source, read by control/translate; never changed once read. Trees stay, so
 * that statuses and complaints can name file and line. */
#pragma once

#include "base/digest.h"
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
        KIND_LISTENER_SET,
        KIND_HTTP_ROUTE,
        KIND_GRPC_ROUTE,
        KIND_TLS_ROUTE,
        KIND_TCP_ROUTE,
        KIND_REFERENCE_GRANT,
        KIND_POLICY, /* ClientCertificatePolicy */
        KIND_BACKEND_TLS_POLICY,
        KIND_NAMESPACE,
        KIND_SECRET,
        KIND_CONFIG_MAP,
        KIND_SERVICE,
        KIND_ENDPOINT_SLICE,
        KIND_COUNT,
};

struct pin_set;

struct object { /* first in every kind's struct */
        const struct node *node;
        struct slice id; /* "Gateway edge/edge", for people */
        uint64_t id_hash;
        enum object_kind kind;
        struct slice namespace, name; /* namespace is empty for what has none */
        /* What keeps a cluster's object from decoding: it grants nothing then. Empty: whole. */
        struct slice fault;
        int64_t generation; /* 1 where the source has none */
        int64_t created;    /* Unix seconds; 0 where the source has none */
        struct text_map labels, annotations;
};

/* A File pin set, or why there is none. Owned by the source, and there as long as the objects. */
struct side_file {
        struct slice path;
        struct pin_set *set; /* NULL: see fault */
        struct slice fault;  /* empty: it was read */
};

/* A file or folder that was looked at, and what it was like before it was read. */
struct seen_file {
        struct slice path;
        uint64_t stamp;
        bool fresh;     /* see path_is_fresh */
        bool in_folder; /* that was looked at whole, and its stamp holds this one */
};

struct object_list {
        struct object **items;
        size_t count, capacity;
};

struct objects {
        unsigned references; /* of the one thread that reads */
        unsigned kinds_held; /* BIT(enum object_kind) */
        struct arena arena;
        struct object_list kinds[KIND_COUNT]; /* in the order read */
        struct map by_id;
        VEC(struct slice) warnings;
        VEC(struct seen_file) files;
        bool from_files; /* File pin sets are allowed */
        bool changed;    /* false: all is as in the reading before */
        /* What these objects are made of, a reference to each: other objects, and what their keys
         * pins.txt say. */
        VEC(struct objects *) parts;
        VEC(struct pin_set *) pin_sets;
        /* Of a piece of a file. */
        struct digest content;
        int lines_before;
        size_t node_count;
};

struct objects *objects_new(void);
struct objects *objects_ref(struct objects *objects);
/* Wiped with the last reference, as Secrets are in it. NULL is fine. */
void objects_unref(struct objects *objects);
/* For so many objects in all: one that is made of many parts does not grow step by step. */
void objects_reserve(struct objects *objects, size_t count);
/* All objects of a part, as if they had been read here; it stays the same and is shared. */
bool objects_add_part(struct objects *objects, struct objects *part, struct error *err);

/* One document, or a List of them. Kinds that are nothing of ours are passed over with a warning;
 * kinds that restrict and are not supported are refused. */
bool objects_add(struct objects *objects, const struct node *document, struct error *err);
/* An object of a cluster, whatever its apiVersion and kind say or do not say: what does not decode
 * is kept with object->fault. False: it has no name, or it is there already. */
bool objects_add_lenient(struct objects *objects, enum object_kind kind, const struct node *node,
                         struct error *err);
/* The same of one that is known to be broken: `err` says how. */
bool objects_add_broken(struct objects *objects, enum object_kind kind, const struct node *node,
                        struct error *err);
void objects_warn(struct objects *objects, struct slice text);

/* NULL: there is none. namespace is ignored for kinds without one. */
const struct object *objects_find(const struct objects *objects, enum object_kind kind,
                                  struct slice namespace, struct slice name);
const char *object_kind_name(enum object_kind kind);
const char *object_api_version(enum object_kind kind); /* "gateway.networking.k8s.io/v1" */
const char *object_group(enum object_kind kind);
const char *object_resource(enum object_kind kind); /* "gateways", as in an API server's paths */
bool object_is_cluster(enum object_kind kind);      /* it has no namespace */
/* Which came first: creation, then namespace/name (GEP-713). < 0: a did. */
int object_age_compare(const struct object *a, const struct object *b);
