#include "snapshot/print.h"

#include "base/must.h"

static void label_put(struct buffer *out, const char *label, struct slice text)
{
        must(buffer_append(out, slice_of(label)));
        text_print_into(out, text);
}

static void pair_put(struct buffer *out, const char *label, struct slice name, struct slice value)
{
        label_put(out, label, name);
        label_put(out, "=", value);
}

static const char *path_label(const struct route_match *match)
{
        switch (match->path_kind) {
        case PATH_MATCH_PREFIX:
                return " prefix ";
        case PATH_MATCH_EXACT:
                return " exact ";
        case PATH_MATCH_PATTERN:
                break;
        }
        return match->pattern ? " pattern " : " no pattern ";
}

static void condition_put(struct buffer *out, const char *label, const struct name_value *condition)
{
        label_put(out, label, condition->name);
        label_put(out, condition->pattern ? " matches " : "=", condition->value);
}

/* --- what stands there already --- */

enum {
        LONG_BYTES = 256 /* of a match or a rule: what is shorter is said again */
};

void printed_init(struct printed *printed)
{
        *printed = (struct printed){0};
        arena_init(&printed->arena, 4096);
}

void printed_done(struct printed *printed)
{
        map_done(&printed->numbers);
        arena_done(&printed->arena);
}

/* A match of a rule, or with NULL the rule itself. */
struct printed_key {
        const struct route_match *match;
        const struct route_rule *rule;
};

/* True: it does, and that is said in its place. */
static bool is_printed(const struct printed *printed, struct printed_key key, struct buffer *out)
{
        uintptr_t number =
                printed ? (uintptr_t)map_find(&printed->numbers, slice_from(&key, sizeof(key))) : 0;
        if (number > 0)
                must(buffer_printf(out, " as %zu\n", (size_t)number));
        return number > 0;
}

/* It takes what is behind `from`. */
static void printed_note(struct printed *printed, struct printed_key key, const struct buffer *out,
                         size_t from)
{
        if (!printed || out->len - from < LONG_BYTES)
                return;
        struct slice kept = arena_slice(&printed->arena, slice_from(&key, sizeof(key)));
        map_set(&printed->numbers, kept, (void *)(uintptr_t)(printed->numbers.count + 1));
}

/* --- routes --- */

static void match_put(struct buffer *out, const struct route_line *line)
{
        const struct route_match *match = line->match;
        label_put(out, path_label(match), match->path);
        if (match->method.len > 0)
                label_put(out, " method=", match->method);
        for (size_t i = 0; i < match->header_count; i++)
                condition_put(out, " header ", &match->headers[i]);
        for (size_t i = 0; i < match->query_count; i++)
                condition_put(out, " query ", &match->queries[i]);
        label_put(out, " to ", line->rule->route);
        if (line->rule->name.len > 0)
                label_put(out, " rule ", line->rule->name);
        if (match->blunt)
                must(buffer_append(out, SLICE(" blunt")));
        if (line->rule->filters.refuses)
                must(buffer_append(out, SLICE(" refuses")));
        must(buffer_append(out, SLICE("\n")));
}

struct header_filters {
        const struct header_filter *items;
        size_t count;
};

static void headers_put(struct buffer *out, const char *indent, const char *which,
                        struct header_filters filters)
{
        for (size_t i = 0; i < filters.count; i++) {
                const struct header_filter *filter = &filters.items[i];
                must(buffer_printf(out, "%s%s headers", indent, which));
                for (size_t n = 0; n < filter->set_count; n++)
                        pair_put(out, " set ", filter->set[n].name, filter->set[n].value);
                for (size_t n = 0; n < filter->add_count; n++)
                        pair_put(out, " add ", filter->add[n].name, filter->add[n].value);
                for (size_t n = 0; n < filter->remove_count; n++)
                        label_put(out, " remove ", filter->remove[n]);
                must(buffer_append(out, SLICE("\n")));
        }
}

static void path_put(struct buffer *out, const struct path_modifier *path)
{
        if (path->change == PATH_REPLACE_FULL)
                label_put(out, " path ", path->value);
        else if (path->change == PATH_REPLACE_PREFIX)
                label_put(out, " prefix ", path->value);
}

static void redirect_put(struct buffer *out, const struct route_redirect *redirect)
{
        must(buffer_printf(out, "redirect %u", redirect->status));
        if (redirect->scheme.len > 0)
                label_put(out, " scheme ", redirect->scheme);
        if (redirect->hostname.len > 0)
                label_put(out, " host ", redirect->hostname);
        if (redirect->port > 0)
                must(buffer_printf(out, " port %u", redirect->port));
        path_put(out, &redirect->path);
        must(buffer_append(out, SLICE("\n")));
}

static void rewrite_put(struct buffer *out, const struct route_rewrite *rewrite)
{
        must(buffer_append(out, SLICE("rewrite")));
        if (rewrite->hostname.len > 0)
                label_put(out, " host ", rewrite->hostname);
        path_put(out, &rewrite->path);
        must(buffer_append(out, SLICE("\n")));
}

static void cors_put(struct buffer *out, const struct route_cors *cors)
{
        must(buffer_printf(out, "cors%s max-age=%u", cors->credentials ? " credentials" : "",
                           cors->max_age));
        for (size_t i = 0; i < cors->origin_count; i++)
                label_put(out, " origin ", cors->origins[i]);
        if (cors->methods.len > 0)
                label_put(out, " methods ", cors->methods);
        if (cors->headers.len > 0)
                label_put(out, " headers ", cors->headers);
        if (cors->exposed.len > 0)
                label_put(out, " exposed ", cors->exposed);
        must(buffer_append(out, SLICE("\n")));
}

static void filters_put(struct buffer *out, const char *indent, const struct route_filters *filters)
{
        headers_put(out, indent, "request",
                    (struct header_filters){filters->request, filters->request_count});
        headers_put(out, indent, "response",
                    (struct header_filters){filters->response, filters->response_count});
        if (filters->redirect) {
                must(buffer_append(out, slice_of(indent)));
                redirect_put(out, filters->redirect);
        }
        if (filters->rewrite) {
                must(buffer_append(out, slice_of(indent)));
                rewrite_put(out, filters->rewrite);
        }
        if (filters->cors) {
                must(buffer_append(out, slice_of(indent)));
                cors_put(out, filters->cors);
        }
}

/* Of backends that bear one name, which: with what policy, and with what certificate of ours. */
static void backend_label_put(struct buffer *out, const char *label, const struct backend *backend)
{
        char hex[DIGEST_HEX_SIZE];
        label_put(out, label, backend->name);
        if (!backend->tls)
                return;
        must(buffer_printf(out, " tls=%.12s", digest_hex(&backend->tls->digest, hex)));
        if (backend->tls->certificate)
                label_put(out, " as ", backend->tls->certificate->source);
}

static void mirrors_put(struct buffer *out, const struct snapshot *snapshot, const char *indent,
                        const struct route_filters *filters)
{
        for (size_t i = 0; i < filters->mirror_count; i++) {
                const struct route_mirror *mirror = &filters->mirrors[i];
                must(mirror->backend < snapshot->backend_count);
                must(buffer_printf(out, "%smirror %u of %u", indent, mirror->numerator,
                                   mirror->denominator));
                backend_label_put(out, " to ", &snapshot->backends[mirror->backend]);
                must(buffer_append(out, SLICE("\n")));
        }
}

static void targets_put(struct buffer *out, const struct snapshot *snapshot,
                        const struct route_backend *targets, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                const struct route_backend *target = &targets[i];
                bool valid = target->backend < snapshot->backend_count;
                if (valid)
                        backend_label_put(out, "      to ", &snapshot->backends[target->backend]);
                else
                        must(buffer_append(out, SLICE("      to nothing (500)")));
                must(buffer_append(out, SLICE(" weight=")) &&
                     buffer_append_decimal(out, target->weight) && buffer_append(out, SLICE("\n")));
                if (target->filters) {
                        filters_put(out, "        ", target->filters);
                        mirrors_put(out, snapshot, "        ", target->filters);
                }
        }
}

static void policy_put(struct buffer *out, const struct snapshot *snapshot,
                       const struct route_rule *rule)
{
        if (rule->policy == ROUTE_POLICY_NONE)
                return;
        must(rule->policy < snapshot->rule_policy_count);
        const struct rule_policy *policy = &snapshot->rule_policies[rule->policy];
        if (policy->forward_given)
                must(buffer_printf(out, "      forward=%u\n", policy->forward));
        for (size_t i = 0; i < policy->pins.scope_count; i++)
                scope_print_into(out, &policy->pins.scopes[i]);
}

static void timeouts_put(struct buffer *out, const struct route_timeouts *timeouts)
{
        if (timeouts->request_given)
                must(buffer_printf(out, "      timeout request %ums\n", timeouts->request_ms));
        if (timeouts->backend_request_given)
                must(buffer_printf(out, "      timeout backend request %ums\n",
                                   timeouts->backend_request_ms));
}

static void retry_put(struct buffer *out, const struct route_retry *retry)
{
        if (!retry)
                return;
        must(buffer_printf(out, "      retry attempts=%u backoff=%ums", retry->attempts,
                           retry->backoff_ms));
        for (size_t i = 0; i < retry->code_count; i++)
                must(buffer_printf(out, "%s%u", i ? "," : " codes=", retry->codes[i]));
        must(buffer_append(out, SLICE("\n")));
}

static void rule_put(struct buffer *out, const struct snapshot *snapshot,
                     const struct route_rule *rule)
{
        policy_put(out, snapshot, rule);
        filters_put(out, "      ", &rule->filters);
        mirrors_put(out, snapshot, "      ", &rule->filters);
        timeouts_put(out, &rule->timeouts);
        retry_put(out, rule->retry);
        targets_put(out, snapshot, rule->backends, rule->backend_count);
}

void routes_print_into(const struct snapshot *snapshot, const struct route_table *routes,
                       struct printed *printed, struct buffer *out)
{
        struct route_line line;
        for (size_t at = 0; route_table_next(routes, &at, &line);) {
                struct printed_key match = {line.match, line.rule}, rule = {NULL, line.rule};
                label_put(out, "    route host=", line.hostname);
                size_t from = out->len;
                if (!is_printed(printed, match, out)) {
                        match_put(out, &line);
                        printed_note(printed, match, out, from);
                }
                from = out->len;
                if (!is_printed(printed, rule, out)) {
                        rule_put(out, snapshot, line.rule);
                        printed_note(printed, rule, out, from);
                }
        }
}

void streams_print_into(const struct snapshot *snapshot, const struct host_table *streams,
                        struct buffer *out)
{
        struct host_entry entry;
        for (size_t at = 0; host_table_next(streams, &at, &entry);) {
                const struct stream_route *stream = entry.value;
                label_put(out, "    stream host=", entry.pattern);
                label_put(out, " to ", stream->route);
                must(buffer_printf(out, "%s\n", stream->introduces ? " proxy-header" : ""));
                targets_put(out, snapshot, stream->backends, stream->backend_count);
        }
}
