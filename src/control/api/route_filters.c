#include "control/api/route_filters.h"

#include "control/api/rules.h"

static bool is_given(const struct node *map, const char *key)
{
        const struct node *node = node_find(map, key);
        return node && node->kind != NODE_NULL;
}

/* --- header modifiers --- */

static const struct field header_value_fields[] = {
        {"name", FIELD_TEXT, offsetof(struct header_value, name), true, .min = 1, .max = 256,
         .rule = &rule_header_name},
        {"value", FIELD_TEXT, offsetof(struct header_value, value), true, .min = 1, .max = 4096,
         .rule = &rule_header_value},
};
static SHAPE(header_value_shape, struct header_value, header_value_fields);

static const struct field modifier_fields[] = {
        {"set", FIELD_OBJECTS, offsetof(struct header_modifier, set), .max = 16,
         .shape = &header_value_shape, .unique = "name"},
        {"add", FIELD_OBJECTS, offsetof(struct header_modifier, add), .max = 16,
         .shape = &header_value_shape, .unique = "name"},
        {"remove", FIELD_TEXTS, offsetof(struct header_modifier, remove), .max = 16,
         .item_max = 256, .rule = &rule_header_name},
};
static SHAPE(modifier_shape, struct header_modifier, modifier_fields);

/* --- redirect and rewrite --- */

/* The CEL rules of HTTPPathModifier. An empty replacePrefixMatch is one. */
static bool path_modifier_check(struct decoder *d, void *value, struct error *err)
{
        const struct http_path_modifier *path = value;
        const struct {
                const char *type, *field;
        } ways[] = {{"ReplaceFullPath", "replaceFullPath"},
                    {"ReplacePrefixMatch", "replacePrefixMatch"}};
        for (size_t i = 0; i < COUNT_OF(ways); i++)
                if (slice_is(path->type, ways[i].type) != is_given(path->node, ways[i].field))
                        return decode_error(d, path->node, err,
                                            "type is %.*s, wants the field of that name and no "
                                            "other",
                                            SLICE_ARG(path->type));
        return true;
}

static const struct field path_modifier_fields[] = {
        {"type", FIELD_TEXT, offsetof(struct http_path_modifier, type), true, .min = 1, .max = 64},
        {"replaceFullPath", FIELD_TEXT, offsetof(struct http_path_modifier, full), .max = 1024},
        {"replacePrefixMatch", FIELD_TEXT, offsetof(struct http_path_modifier, prefix),
         .max = 1024},
};
static SHAPE(path_modifier_shape, struct http_path_modifier, path_modifier_fields,
             .check = path_modifier_check);

static const struct field redirect_fields[] = {
        {"scheme", FIELD_TEXT, offsetof(struct http_redirect, scheme), .min = 1, .max = 64},
        {"hostname", FIELD_TEXT, offsetof(struct http_redirect, hostname), .min = 1, .max = 253,
         .rule = &rule_dns_name},
        {"path", FIELD_OBJECT, offsetof(struct http_redirect, path), .shape = &path_modifier_shape},
        {"port", FIELD_NUMBER, offsetof(struct http_redirect, port), .min = 1, .max = 65535},
        {"statusCode", FIELD_NUMBER, offsetof(struct http_redirect, status), .min = 0, .max = 65535,
         .default_number = 302},
};
static SHAPE(redirect_shape, struct http_redirect, redirect_fields);

static const struct field rewrite_fields[] = {
        {"hostname", FIELD_TEXT, offsetof(struct http_rewrite, hostname), .min = 1, .max = 253,
         .rule = &rule_dns_name},
        {"path", FIELD_OBJECT, offsetof(struct http_rewrite, path), .shape = &path_modifier_shape},
};
static SHAPE(rewrite_shape, struct http_rewrite, rewrite_fields);

/* --- CORS --- */

static bool has_wildcard(const struct slice *items, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (slice_is(items[i], "*"))
                        return true;
        return false;
}

/* The CEL rules of HTTPCORSFilter. */
static bool cors_check(struct decoder *d, void *value, struct error *err)
{
        const struct http_cors *cors = value;
        const struct {
                const char *name;
                const struct slice *items;
                size_t count;
        } lists[] = {{"allowOrigins", cors->origins.items, cors->origins.count},
                     {"allowMethods", cors->methods.items, cors->methods.count},
                     {"allowHeaders", cors->headers.items, cors->headers.count}};
        for (size_t i = 0; i < COUNT_OF(lists); i++)
                if (lists[i].count > 1 && has_wildcard(lists[i].items, lists[i].count))
                        return decode_error(d, node_find(cors->node, lists[i].name), err,
                                            "has * beside others, wants it alone");
        return true;
}

static const struct field cors_fields[] = {
        {"allowOrigins", FIELD_TEXTS, offsetof(struct http_cors, origins), .max = 64,
         .item_max = 253, .rule = &rule_origin},
        {"allowCredentials", FIELD_FLAG, offsetof(struct http_cors, credentials)},
        {"allowMethods", FIELD_TEXTS, offsetof(struct http_cors, methods), .max = 9, .item_max = 16,
         .rule = &rule_cors_method},
        {"allowHeaders", FIELD_TEXTS, offsetof(struct http_cors, headers), .max = 64,
         .item_max = 256, .rule = &rule_header_name},
        {"exposeHeaders", FIELD_TEXTS, offsetof(struct http_cors, exposed), .max = 64,
         .item_max = 256, .rule = &rule_header_name},
        {"maxAge", FIELD_NUMBER, offsetof(struct http_cors, max_age), .min = 1, .max = INT32_MAX,
         .default_number = 5},
};
static SHAPE(cors_shape, struct http_cors, cors_fields, .check = cors_check);

/* --- a filter --- */

/* The union's CEL rules: the field that `type` names is there, and no other is. */
static bool filter_check(struct decoder *d, void *value, struct error *err)
{
        static const char *const unions[][2] = {
                {"RequestHeaderModifier", "requestHeaderModifier"},
                {"ResponseHeaderModifier", "responseHeaderModifier"},
                {"RequestMirror", "requestMirror"},
                {"RequestRedirect", "requestRedirect"},
                {"URLRewrite", "urlRewrite"},
                {"ExtensionRef", "extensionRef"},
                {"CORS", "cors"},
                {"ExternalAuth", "externalAuth"},
        };
        const struct http_filter *filter = value;
        for (size_t i = 0; i < COUNT_OF(unions); i++)
                if (slice_is(filter->type, unions[i][0]) != is_given(filter->node, unions[i][1]))
                        return decode_error(d, filter->node, err,
                                            "type is %.*s, wants the field of that name and no "
                                            "other",
                                            SLICE_ARG(filter->type));
        return true;
}

static const struct field filter_fields[] = {
        {"type", FIELD_TEXT, offsetof(struct http_filter, type), true, .min = 1, .max = 64},
        {"requestHeaderModifier", FIELD_OBJECT, offsetof(struct http_filter, request),
         .shape = &modifier_shape},
        {"responseHeaderModifier", FIELD_OBJECT, offsetof(struct http_filter, response),
         .shape = &modifier_shape},
        {"requestMirror", FIELD_OBJECT, offsetof(struct http_filter, mirror),
         .shape = &http_mirror_shape},
        {"requestRedirect", FIELD_OBJECT, offsetof(struct http_filter, redirect),
         .shape = &redirect_shape},
        {"urlRewrite", FIELD_OBJECT, offsetof(struct http_filter, rewrite),
         .shape = &rewrite_shape},
        {"cors", FIELD_OBJECT, offsetof(struct http_filter, cors), .shape = &cors_shape},
        {"extensionRef", FIELD_IGNORED},
        {"externalAuth", FIELD_IGNORED},
};
SHAPE(http_filter_shape, struct http_filter, filter_fields, .check = filter_check);

/* --- a list of them --- */

bool http_filters_check(struct decoder *d, const struct http_filters *filters, struct error *err)
{
        const struct http_filter *redirect = NULL, *rewrite = NULL;
        for (size_t i = 0; i < filters->count; i++) {
                const struct http_filter *a = &filters->items[i];
                bool once = a->request || a->response || a->redirect || a->rewrite || a->cors;
                for (size_t j = 0; j < i && once; j++)
                        if (slice_equal(a->type, filters->items[j].type))
                                return decode_error(d, a->node, err,
                                                    "type %.*s is that of item %zu, wants it only "
                                                    "once",
                                                    SLICE_ARG(a->type), j);
                redirect = a->redirect ? a : redirect;
                rewrite = a->rewrite ? a : rewrite;
        }
        if (redirect && rewrite)
                return decode_error(d, rewrite->node, err,
                                    "is a URLRewrite beside a RequestRedirect, wants one of them");
        return true;
}

static bool replaces_prefix(const struct http_path_modifier *path)
{
        return path && slice_is(path->type, "ReplacePrefixMatch");
}

bool http_filters_replace_prefix(const struct http_filters *filters)
{
        for (size_t i = 0; i < filters->count; i++) {
                const struct http_filter *filter = &filters->items[i];
                if ((filter->redirect && replaces_prefix(filter->redirect->path)) ||
                    (filter->rewrite && replaces_prefix(filter->rewrite->path)))
                        return true;
        }
        return false;
}
