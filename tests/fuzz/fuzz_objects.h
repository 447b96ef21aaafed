/* What the fuzzers of translate share: YAML into objects, as the source puts it there. */
#pragma once

#include "control/api/object.h"
#include "text/yaml.h"

/* As a cluster's objects come: what does not decode is kept with its fault. */
static inline bool yaml_add_lenient(struct objects *objects, struct slice text)
{
        struct yaml_docs docs;
        struct error err;
        if (!yaml_parse(&objects->arena, text, "f", &docs, &err))
                return false;
        for (size_t i = 0; i < docs.count; i++)
                for (enum object_kind kind = 0; kind < KIND_COUNT; kind++)
                        if (slice_is(node_text(docs.items[i], "kind"), object_kind_name(kind)))
                                objects_add_lenient(objects, kind, docs.items[i], &err);
        return true;
}

static inline bool yaml_add(struct objects *objects, struct slice text)
{
        struct yaml_docs docs;
        struct error err = {.text = ""};
        bool ok = yaml_parse(&objects->arena, text, "f", &docs, &err);
        for (size_t i = 0; ok && i < docs.count; i++)
                ok = objects_add(objects, docs.items[i], &err);
        return ok;
}
