#include "tidy/rules.h"

#include "base/memory.h"

static const struct {
        const char *header; /* what the name in <…> begins with */
        const char *library;
} headers_of_libraries[] = {
        {"openssl/", "openssl"}, {"uv.h", "uv"},
        {"uv/", "uv"},           {"nghttp2/", "nghttp2"},
        {"yaml.h", "yaml"},      {"jansson", "jansson"},
        {"pcre2", "pcre2"},      {"microhttpd", "microhttpd"},
        {"curl/", "curl"},       {"seccomp.h", "seccomp"},
};

/* The including file: "text/pem" in folder "text". */
struct includer {
        struct slice folder;
        struct slice stem;
};

static struct slice folder_of(struct slice path)
{
        size_t end = path.len;
        while (end > 0 && path.data[end - 1] != '/')
                end--;
        return slice_sub(path, 0, end > 0 ? end - 1 : 0);
}

static struct includer includer_of(struct slice path)
{
        struct slice inside = slice_skip(path, sizeof("src/") - 1);
        struct slice folder = slice_is(inside, "main.c") ? SLICE("cli") : folder_of(inside);
        struct slice name = slice_skip(inside, folder_of(inside).len);
        size_t stem_len = inside.len - name.len + slice_find(name, '.');
        return (struct includer){.folder = folder, .stem = slice_sub(inside, 0, stem_len)};
}

/* The word behind #include with its quotes or brackets; false when the line is no #include. */
static bool include_of(const struct source_line *line, struct slice *name)
{
        struct slice code = slice_trim(line->code);
        if (!slice_starts_with(code, SLICE("#")))
                return false;
        code = slice_trim(slice_skip(code, 1));
        if (!slice_starts_with(code, SLICE("include")))
                return false;
        code = slice_trim(slice_skip(code, sizeof("include") - 1));
        if (code.len < 2)
                return false;
        /* The name itself is blanked in code when it is quoted: read it where it stands in text. */
        *name = slice_sub(line->text, (size_t)(code.data - line->code.data), code.len);
        return true;
}

static struct slice library_of(struct slice header)
{
        for (size_t i = 0; i < COUNT_OF(headers_of_libraries); i++) {
                if (slice_starts_with(header, slice_of(headers_of_libraries[i].header)))
                        return slice_of(headers_of_libraries[i].library);
        }
        return SLICE_NONE;
}

/* All that the two checks below need to judge one #include and to say where it stands. */
struct include {
        const struct source *source;
        const struct layers *layers;
        struct includer from;
        struct slice header;
        size_t line;
};

static void own_check(const struct include *include, struct findings *findings)
{
        const struct includer *from = &include->from;
        struct slice to = folder_of(include->header);
        if (to.len == 0) {
                findings_add(findings, include->source->path, include->line,
                             "\"%.*s\" names no folder (\"folder/name.h\" is wanted)",
                             SLICE_ARG(include->header));
        } else if (!layers_allow_folder(include->layers, from->folder, to)) {
                struct slice allowed = layers_folder_says(include->layers, from->folder);
                findings_add(findings, include->source->path, include->line,
                             "%.*s must not include \"%.*s\" (LAYERS allows it: %.*s)",
                             SLICE_ARG(from->folder), SLICE_ARG(include->header),
                             SLICE_ARG(allowed));
        }
}

static void library_check(const struct include *include, struct findings *findings)
{
        const struct includer *from = &include->from;
        struct slice library = library_of(include->header);
        if (library.len == 0 ||
            layers_allow_library(include->layers, library, from->folder, from->stem))
                return;
        struct slice allowed = layers_library_says(include->layers, library);
        findings_add(findings, include->source->path, include->line,
                     "%.*s must not include <%.*s> (LAYERS keeps the library %.*s to: %.*s)",
                     SLICE_ARG(from->folder), SLICE_ARG(include->header), SLICE_ARG(library),
                     SLICE_ARG(allowed));
}

void includes_check(const struct source *source, const struct layers *layers,
                    struct findings *findings)
{
        struct include include = {
                .source = source,
                .layers = layers,
                .from = includer_of(slice_of(source->path)),
        };
        if (!layers_know(layers, include.from.folder)) {
                findings_add(findings, source->path, 1,
                             "the folder \"%.*s\" has no line in LAYERS (one is wanted)",
                             SLICE_ARG(include.from.folder));
                return;
        }
        struct source_line line = {0};
        while (source_next(source, &line)) {
                struct slice name;
                if (!include_of(&line, &name))
                        continue;
                char close = (char)(name.data[0] == '<' ? '>' : '"');
                struct slice inside = slice_skip(name, 1);
                include.header = slice_sub(inside, 0, slice_find(inside, close));
                include.line = line.number;
                if (close == '>')
                        library_check(&include, findings);
                else
                        own_check(&include, findings);
        }
}
