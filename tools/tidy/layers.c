#include "tidy/layers.h"

/* Takes the next word off *rest; the empty slice when there is none. */
static struct slice word_take(struct slice *rest)
{
        struct slice word = SLICE_NONE;
        while (word.len == 0 && slice_split(rest, ' ', &word))
                ;
        return word;
}

static bool line_parse(struct layers *layers, struct slice line, struct error *err)
{
        size_t colon = slice_find(line, ':');
        if (colon == line.len)
                return error_set(err, ERROR_INPUT, "no colon (NAME…: ALLOWED… is wanted)");
        struct slice allowed = slice_trim(slice_skip(line, colon + 1));
        struct slice names = slice_sub(line, 0, colon);
        struct slice first = word_take(&names);
        bool library = slice_is(first, "library");
        if (library)
                first = word_take(&names);
        for (struct slice name = first; name.len > 0; name = word_take(&names)) {
                struct layer layer = {.name = name, .allowed = allowed};
                if (library)
                        vec_push(&layers->libraries, layer);
                else
                        vec_push(&layers->folders, layer);
        }
        return true;
}

bool layers_parse(struct layers *layers, const struct source *source, struct error *err)
{
        *layers = (struct layers){0};
        struct source_line at = {0};
        while (source_next(source, &at)) {
                struct slice line = slice_trim(slice_sub(at.text, 0, slice_find(at.text, '#')));
                if (line.len > 0 && !line_parse(layers, line, err)) {
                        layers_done(layers);
                        return error_wrap(err, "%s:%zu", source->path, at.number);
                }
        }
        return true;
}

void layers_done(struct layers *layers)
{
        vec_done(&layers->folders);
        vec_done(&layers->libraries);
}

static const struct layer *folder_find(const struct layers *layers, struct slice name)
{
        vec_each (layer, &layers->folders) {
                if (slice_equal(layer->name, name))
                        return layer;
        }
        return NULL;
}

static const struct layer *library_find(const struct layers *layers, struct slice name)
{
        vec_each (layer, &layers->libraries) {
                if (slice_equal(layer->name, name))
                        return layer;
        }
        return NULL;
}

/* A star alone is everything; `control/` and a star every folder below control, not itself. */
static bool pattern_matches(struct slice pattern, struct slice name)
{
        if (slice_is(pattern, "*"))
                return true;
        if (slice_ends_with(pattern, SLICE("/*")))
                return slice_starts_with(name, slice_sub(pattern, 0, pattern.len - 1));
        return slice_equal(pattern, name);
}

static bool list_has(struct slice list, struct slice name)
{
        for (struct slice word = word_take(&list); word.len > 0; word = word_take(&list)) {
                if (pattern_matches(word, name))
                        return true;
        }
        return false;
}

bool layers_know(const struct layers *layers, struct slice folder)
{
        return folder_find(layers, folder) != NULL;
}

bool layers_allow_folder(const struct layers *layers, struct slice from, struct slice to)
{
        return slice_equal(from, to) || list_has(layers_folder_says(layers, from), to);
}

bool layers_allow_library(const struct layers *layers, struct slice library, struct slice folder,
                          struct slice stem)
{
        struct slice allowed = layers_library_says(layers, library);
        return list_has(allowed, folder) || list_has(allowed, stem);
}

struct slice layers_folder_says(const struct layers *layers, struct slice folder)
{
        const struct layer *layer = folder_find(layers, folder);
        return layer ? layer->allowed : SLICE_NONE;
}

struct slice layers_library_says(const struct layers *layers, struct slice library)
{
        const struct layer *layer = library_find(layers, library);
        return layer ? layer->allowed : SLICE_NONE;
}
