/* A translation of YAML, for tests of what comes behind it. */
#pragma once

#include "control/translate/translate.h"
#include "text/yaml.h"

static inline struct translation *translated(const char *yaml)
{
        struct objects *objects = objects_new();
        struct yaml_docs docs;
        struct error err;
        struct translation *out = NULL;
        if (!yaml_parse(&objects->arena, slice_of(yaml), "edge.yaml", &docs, &err))
                fail_msg("%s", err.text);
        for (size_t i = 0; i < docs.count; i++)
                if (!objects_add(objects, docs.items[i], &err))
                        fail_msg("%s", err.text);
        struct translate_request request = {.objects = objects, .generation = 7, .now = 1790000000};
        assert_true(translate(&request, &out, &err));
        objects_unref(objects);
        return out;
}
