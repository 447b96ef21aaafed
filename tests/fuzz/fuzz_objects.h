/* What the fuzzers of translate share: YAML into objects, as the source puts it there. */
#pragma once

#include "control/api/object.h"
#include "text/yaml.h"

static inline bool yaml_add(struct objects *objects, struct slice text)
{
        struct yaml_docs docs;
        struct error err = {.text = ""};
        bool ok = yaml_parse(&objects->arena, text, "f", &docs, &err);
        for (size_t i = 0; ok && i < docs.count; i++)
                ok = objects_add(objects, docs.items[i], &err);
        return ok;
}
