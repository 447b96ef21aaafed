#include "http/h2_fields.h"

#include "base/must.h"
#include "http/field_rules.h"
#include "http/header_rules.h"

/* ---- out ---- */

nghttp2_nv h2_field(struct slice name, struct slice value)
{
        return (nghttp2_nv){(uint8_t *)(uintptr_t)name.data, (uint8_t *)(uintptr_t)value.data,
                            name.len, value.len, NGHTTP2_NV_FLAG_NONE};
}

/* RFC 9113, 8.2.2: the one of them that has a meaning. */
static bool is_te_trailers(const struct header *header)
{
        return slice_is(header->name, "te") && slice_is(header->value, "trailers");
}

size_t h2_fields_put(nghttp2_nv *fields, size_t count, const struct header_list *headers)
{
        for (size_t i = 0; i < headers->count; i++) {
                const struct header *header = &headers->items[i];
                if (field_is_framing(header->name) ||
                    (header_is_hop_by_hop(header->name) && !is_te_trailers(header)))
                        continue;
                must(token_valid(header->name) && field_value_valid(header->value));
                fields[count++] = h2_field(header->name, header->value);
        }
        return count;
}

/* ---- in ---- */

/* RFC 9113, 8.2.2. */
static bool is_connection_field(struct slice name, struct slice value)
{
        return slice_is(name, "connection") || slice_is(name, "keep-alive") ||
               slice_is(name, "proxy-connection") || slice_is(name, "transfer-encoding") ||
               slice_is(name, "upgrade") ||
               (slice_is(name, "te") && !slice_equal_nocase(value, SLICE("trailers")));
}

static bool has_upper_case(struct slice name)
{
        for (size_t i = 0; i < name.len; i++)
                if (ascii_lower(name.data[i]) != name.data[i])
                        return true;
        return false;
}

/* nghttp2 has judged all this by its own rules before; ours do not lean on them (I29). */
static struct http_fault field_fault(const struct header_list *list,
                                     const struct http_limits *limits, struct slice name,
                                     struct slice value)
{
        if (name.len > limits->name_bytes)
                return (struct http_fault){431, "field_name_too_long"};
        if (list->count == limits->headers)
                return (struct http_fault){431, "fields_too_many"};
        if (!token_valid(name) || has_upper_case(name))
                return (struct http_fault){400, "field_name"};
        if (!field_value_valid(value))
                return (struct http_fault){400, "field_value"};
        if (is_connection_field(name, value))
                return (struct http_fault){400, "connection_field"};
        return (struct http_fault){0, NULL};
}

void h2_field_take(struct header_list *list, const struct http_limits *limits, struct slice name,
                   struct slice value, struct http_fault *fault)
{
        value = slice_trim(value);
        struct http_fault found = field_fault(list, limits, name, value);
        if (found.status == 0)
                header_append(list, arena_slice(list->arena, name),
                              arena_slice(list->arena, value));
        else if (fault->status == 0)
                *fault = found;
}
