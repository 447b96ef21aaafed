#include "control/translate/filters.h"

#include "route/rewrite.h"

/* What is being compiled, and what is wrong with it. */
struct filter_work {
        struct work *w;
        struct slice fault; /* empty: nothing */
};

struct filter_lists {
        struct header_filter *request, *response;
};

static void fault_tell(struct filter_work *f, struct slice fault)
{
        if (f->fault.len == 0)
                f->fault = fault;
}

/* --- header modifiers --- */

/* Identity is the gateway's to make (I23), framing and hops are the protocol's, and the host is
 * rewritten by URLRewrite; what a filter said of them would be undone silently later. */
static bool header_is_ours(struct slice name, const char **whose)
{
        static const char *const framing[] = {"host", "content-length", "trailer"};
        *whose = "is for pingate alone to set: it says who the client is";
        if (header_is_identity(name))
                return true;
        *whose = "belongs to the connection, not to the request";
        if (header_is_hop_by_hop(name))
                return true;
        *whose = slice_equal_nocase(name, SLICE("host")) ? "is changed by URLRewrite.hostname only"
                                                         : "frames the message";
        for (size_t i = 0; i < COUNT_OF(framing); i++)
                if (slice_equal_nocase(name, slice_of(framing[i])))
                        return true;
        return false;
}

static void name_check(struct filter_work *f, struct slice name)
{
        const char *whose;
        if (header_is_ours(name, &whose))
                fault_tell(f, tell(f->w, "header %.*s %s", SLICE_ARG(name), whose));
}

static size_t headers_compile(struct filter_work *f, const struct header_value *values,
                              size_t count, const struct header **out)
{
        struct header *headers = ARENA_ARRAY(f->w->frozen, struct header, count);
        size_t kept = 0;
        for (size_t i = 0; i < count; i++) {
                struct slice name = freeze_lower(f->w, values[i].name);
                bool repeated = false; /* names that differ in case only: the first counts */
                for (size_t j = 0; j < kept; j++)
                        repeated |= slice_equal(headers[j].name, name);
                name_check(f, name);
                if (!repeated)
                        headers[kept++] =
                                (struct header){name, slice_trim(freeze(f->w, values[i].value))};
        }
        *out = headers;
        return kept;
}

static struct header_filter modifier_compile(struct filter_work *f,
                                             const struct header_modifier *api)
{
        struct header_filter filter = {.remove_count = api->remove.count};
        filter.set_count = headers_compile(f, api->set.items, api->set.count, &filter.set);
        filter.add_count = headers_compile(f, api->add.items, api->add.count, &filter.add);
        struct slice *remove = ARENA_ARRAY(f->w->frozen, struct slice, api->remove.count);
        for (size_t i = 0; i < api->remove.count; i++) {
                remove[i] = freeze_lower(f->w, api->remove.items[i]);
                name_check(f, remove[i]);
        }
        filter.remove = remove;
        return filter;
}

/* --- redirect and rewrite --- */

static struct slice path_freeze(struct filter_work *f, enum path_change change, struct slice text)
{
        struct slice path = SLICE_NONE;
        const char *fault;
        if (!path_value_read(change, text, f->w->frozen, &path, &fault))
                fault_tell(f, tell(f->w, "path %.*s is none that a request may have (%s)",
                                   SLICE_ARG(text), fault));
        return path;
}

static struct path_modifier path_compile(struct filter_work *f,
                                         const struct http_path_modifier *api)
{
        struct path_modifier path = {PATH_KEEP, SLICE_NONE};
        if (!api)
                return path;
        if (slice_is(api->type, "ReplaceFullPath")) {
                path.change = PATH_REPLACE_FULL;
                path.value = path_freeze(f, path.change, api->full);
        } else if (slice_is(api->type, "ReplacePrefixMatch")) {
                path.change = PATH_REPLACE_PREFIX;
                path.value = path_freeze(f, path.change, api->prefix);
        } else {
                fault_tell(f, tell(f->w, "path.type %.*s is not supported", SLICE_ARG(api->type)));
        }
        return path;
}

static const struct route_redirect *redirect_compile(struct filter_work *f,
                                                     const struct http_redirect *api)
{
        static const uint16_t statuses[] = {301, 302, 303, 307, 308};
        struct route_redirect *redirect = ARENA_NEW(f->w->frozen, struct route_redirect);
        for (size_t i = 0; i < COUNT_OF(statuses); i++)
                if (api->status == statuses[i])
                        redirect->status = statuses[i];
        if (redirect->status == 0)
                fault_tell(f,
                           tell(f->w, "statusCode %lld is not supported", (long long)api->status));
        if (api->scheme.len > 0 && !slice_is(api->scheme, "http") &&
            !slice_is(api->scheme, "https"))
                fault_tell(f, tell(f->w, "scheme %.*s is not supported", SLICE_ARG(api->scheme)));
        redirect->scheme = freeze(f->w, api->scheme);
        redirect->hostname = freeze(f->w, api->hostname);
        redirect->path = path_compile(f, api->path);
        redirect->port = (uint16_t)api->port;
        return redirect;
}

static const struct route_rewrite *rewrite_compile(struct filter_work *f,
                                                   const struct http_rewrite *api)
{
        struct route_rewrite *rewrite = ARENA_NEW(f->w->frozen, struct route_rewrite);
        rewrite->hostname = freeze(f->w, api->hostname);
        rewrite->path = path_compile(f, api->path);
        return rewrite;
}

/* --- CORS --- */

static struct slice list_join(struct filter_work *f, const struct slice *items, size_t count,
                              bool wildcards)
{
        struct slice list = SLICE_NONE;
        for (size_t i = 0; i < count; i++)
                if (wildcards || !slice_is(items[i], "*"))
                        list = arena_printf(f->w->frozen, "%.*s%s%.*s", SLICE_ARG(list),
                                            list.len ? ", " : "", SLICE_ARG(items[i]));
        return list;
}

static const struct route_cors *cors_compile(struct filter_work *f, const struct http_cors *api)
{
        struct route_cors *cors = ARENA_NEW(f->w->frozen, struct route_cors);
        struct slice *origins = ARENA_ARRAY(f->w->frozen, struct slice, api->origins.count);
        for (size_t i = 0; i < api->origins.count; i++)
                origins[i] = freeze(f->w, api->origins.items[i]);
        cors->origins = origins;
        cors->origin_count = api->origins.count;
        cors->credentials = api->credentials;
        cors->methods = list_join(f, api->methods.items, api->methods.count, true);
        cors->headers = list_join(f, api->headers.items, api->headers.count, true);
        /* With credentials no "*" is sent, and nothing was asked that could be echoed. */
        cors->exposed = list_join(f, api->exposed.items, api->exposed.count, !api->credentials);
        cors->max_age = (uint32_t)api->max_age;
        return cors;
}

/* --- all of them --- */

void rule_unsupported(struct work *w, const struct rule_place *place, struct slice what)
{
        place->rule->filters.refuses = true;
        place->route->unsupported = faults_join(w, place->route->unsupported,
                                                tell(w, "rules[%zu].%.*s%.*s", place->index,
                                                     SLICE_ARG(place->within), SLICE_ARG(what)));
}

struct slice freeze_lower(struct work *w, struct slice text)
{
        char *copy = arena_text(w->frozen, text);
        for (size_t i = 0; i < text.len; i++)
                copy[i] = ascii_lower(copy[i]);
        return slice_from(copy, text.len);
}

/* GRPCRouteFilter is a part of HTTPRouteFilter, decoded alike. */
static bool is_for_http_alone(const struct http_filter *filter)
{
        return filter->redirect || filter->rewrite || filter->cors;
}

/* The CRD's rule again: the data plane relies on it, whoever read the object. */
static bool lacks_prefix(const struct route_rule *rule, const struct route_filters *filters)
{
        bool replaces =
                (filters->redirect && filters->redirect->path.change == PATH_REPLACE_PREFIX) ||
                (filters->rewrite && filters->rewrite->path.change == PATH_REPLACE_PREFIX);
        return replaces &&
               (rule->match_count != 1 || rule->matches[0].path_kind != PATH_MATCH_PREFIX);
}

static void filter_compile(struct filter_work *f, const struct http_filter *filter, bool http,
                           struct filter_lists *lists, struct route_filters *out)
{
        if (!http && is_for_http_alone(filter))
                fault_tell(f, tell(f->w, "type %.*s is for HTTPRoutes", SLICE_ARG(filter->type)));
        else if (filter->request)
                lists->request[out->request_count++] = modifier_compile(f, filter->request);
        else if (filter->response)
                lists->response[out->response_count++] = modifier_compile(f, filter->response);
        else if (filter->redirect)
                out->redirect = redirect_compile(f, filter->redirect);
        else if (filter->rewrite)
                out->rewrite = rewrite_compile(f, filter->rewrite);
        else if (filter->cors)
                out->cors = cors_compile(f, filter->cors);
        else if (!filter->mirror)
                fault_tell(f, tell(f->w, "type %.*s is not supported", SLICE_ARG(filter->type)));
}

void filters_compile(struct work *w, const struct rule_place *place,
                     const struct http_filters *filters, struct route_filters *out)
{
        bool http = place->route->api->object.kind == KIND_HTTP_ROUTE;
        struct filter_lists lists = {
                .request = ARENA_ARRAY(w->frozen, struct header_filter, filters->count),
                .response = ARENA_ARRAY(w->frozen, struct header_filter, filters->count)};
        for (size_t i = 0; i < filters->count; i++) {
                struct filter_work f = {w, SLICE_NONE};
                filter_compile(&f, &filters->items[i], http, &lists, out);
                if (f.fault.len > 0)
                        rule_unsupported(w, place,
                                         tell(w, "filters[%zu]: %.*s", i, SLICE_ARG(f.fault)));
        }
        out->request = lists.request;
        out->response = lists.response;
        if (lacks_prefix(place->rule, out)) {
                out->redirect = NULL;
                out->rewrite = NULL;
                rule_unsupported(w, place,
                                 SLICE("filters: replacePrefixMatch wants one match, of "
                                       "type PathPrefix"));
        }
        mirrors_compile(w, place, filters, out);
}
