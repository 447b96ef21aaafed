#include "route/table.h"

#include <stdlib.h>

#include "base/must.h"
#include "base/vec.h"
#include "route/conditions.h"
#include "route/frozen_map.h"
#include "route/host_match.h"

/* One match of one rule, under one host name. */
struct line {
        const struct route_match *match;
        const struct route_rule *rule;
        struct slice path;         /* of a prefix: without its trailing "/", so "/" is empty */
        struct slice *host;        /* the pattern */
        uint32_t order;            /* of age, name and place: the builder's */
        uint16_t headers, queries; /* what the match demands, without repeated names */
};

/* Lines with the same path under the same host, best first. */
struct path_group {
        const struct line *lines;
        size_t count;
};

/* What one host name leads to. When nothing here matches, the next wider pattern is asked: routes
 * of other host names match the request too, they only come later. */
struct host_routes {
        struct slice pattern;
        struct frozen_map exact, prefix; /* path to struct path_group */
        struct path_group *patterns;     /* the longest text first */
        size_t pattern_count;
        size_t prefix_bytes_max;
        size_t prefix_depth_max; /* "/" in a prefix: bounds the look-ups of an endless path */
        const struct host_routes *wider;
};

struct route_table {
        struct host_table *hosts;
        struct line *lines; /* by host, then path, then precedence */
        size_t line_count;
        bool has_blunt; /* lines, see rule.h */
};

/* ---- matching ---- */

static const struct route_found nothing;
static const struct route_found undecided = {.too_costly = true};

/* One look through the table, and whose blunt lines count in it. */
struct search {
        const struct request_head *head;
        struct pattern_budget budget;
        enum {
                BLUNT_NONE,
                BLUNT_OF_NAMESPACE,
                BLUNT_ALL
        } blunt;
        struct slice namespace;
};

static struct slice namespace_of(const struct route_rule *rule)
{
        size_t end = 0;
        while (end < rule->route.len && rule->route.data[end] != '/')
                end++;
        return slice_sub(rule->route, 0, end);
}

static bool is_passed_over(const struct line *line, const struct search *search)
{
        if (!line->match->blunt || search->blunt == BLUNT_ALL)
                return false;
        return search->blunt == BLUNT_NONE ||
               !slice_equal(namespace_of(line->rule), search->namespace);
}

static struct route_found group_find(const struct path_group *group, struct search *search)
{
        for (size_t i = 0; group && i < group->count; i++) {
                const struct route_match *match = group->lines[i].match;
                if (is_passed_over(&group->lines[i], search))
                        continue;
                enum pattern_answer answer = conditions_hold(match, search->head, &search->budget);
                if (answer == PATTERN_MATCHES)
                        return (struct route_found){group->lines[i].rule, match, false};
                if (answer == PATTERN_TOO_COSTLY)
                        return undecided;
        }
        return nothing;
}

static bool is_found(const struct route_found *found)
{
        return found->rule || found->too_costly;
}

/* Patterns are tried one by one, each once: there is no other way. */
static struct route_found pattern_find(const struct host_routes *host, struct search *search)
{
        struct route_found found = nothing;
        for (size_t i = 0; i < host->pattern_count && !is_found(&found); i++) {
                const struct path_group *group = &host->patterns[i];
                const struct pattern *pattern = group->lines->match->pattern;
                enum pattern_answer answer =
                        pattern ? pattern_match_within(pattern, search->head->path, &search->budget)
                                : PATTERN_MATCHES;
                if (answer == PATTERN_TOO_COSTLY)
                        return undecided;
                if (answer == PATTERN_MATCHES)
                        found = group_find(group, search);
        }
        return found;
}

/* Where the path elements end, as far as any prefix of this host could reach: the longest piece of
 * `path` to look up. */
static size_t prefix_start(const struct host_routes *host, struct slice path)
{
        size_t depth = 0, end = 0;
        for (size_t i = 0; i <= path.len && i <= host->prefix_bytes_max; i++) {
                bool ends = i == path.len || path.data[i] == '/';
                if (ends && depth <= host->prefix_depth_max)
                        end = i;
                if (ends && depth++ > host->prefix_depth_max)
                        break;
        }
        return end;
}

static struct route_found prefix_find(const struct host_routes *host, struct search *search)
{
        const struct request_head *head = search->head;
        struct route_found found = nothing;
        if (host->prefix.count == 0)
                return found;
        for (size_t end = prefix_start(host, head->path);; end--) {
                bool ends = end == head->path.len || head->path.data[end] == '/';
                struct slice piece = slice_sub(head->path, 0, end);
                if (ends)
                        found = group_find(frozen_map_find(&host->prefix, piece), search);
                if (is_found(&found) || end == 0)
                        return found;
        }
}

static struct route_found search_run(const struct host_routes *host, struct search *search)
{
        struct route_found found = nothing;
        for (; host && !is_found(&found); host = host->wider) {
                found = group_find(frozen_map_find(&host->exact, search->head->path), search);
                if (!is_found(&found))
                        found = pattern_find(host, search);
                if (!is_found(&found))
                        found = prefix_find(host, search);
        }
        return found;
}

/* Who would have it were there nothing blunt? Only then is known whose blunt lines count. */
struct route_found route_find(const struct route_table *table, const struct request_head *head)
{
        const struct host_routes *host = host_table_find(table->hosts, head->host);
        struct search search = {.head = head, .blunt = BLUNT_NONE};
        struct route_found found = search_run(host, &search);
        if (!table->has_blunt || found.too_costly)
                return found;
        struct search again = {.head = head,
                               .blunt = found.rule ? BLUNT_OF_NAMESPACE : BLUNT_ALL,
                               .namespace = found.rule ? namespace_of(found.rule) : SLICE_NONE};
        return search_run(host, &again);
}

const struct route_backend *route_backend_pick(const struct route_backend *backends, size_t count,
                                               uint64_t weight_sum, uint64_t random)
{
        if (weight_sum == 0)
                return NULL;
        uint64_t left = random % weight_sum;
        for (size_t i = 0; i < count; i++) {
                if (left < backends[i].weight)
                        return &backends[i];
                left -= backends[i].weight;
        }
        return NULL; /* weight_sum was more than the sum of the weights */
}

const struct route_backend *route_pick(const struct route_rule *rule, uint64_t random)
{
        return route_backend_pick(rule->backends, rule->backend_count, rule->weight_sum, random);
}

bool route_table_next(const struct route_table *table, size_t *at, struct route_line *out)
{
        if (*at >= table->line_count)
                return false;
        const struct line *line = &table->lines[(*at)++];
        *out = (struct route_line){*line->host, line->match, line->rule};
        return true;
}

/* ---- building ---- */

static struct line line_of(const struct route_rule *rule, const struct route_match *match)
{
        struct slice path = match->path;
        if (match->path_kind == PATH_MATCH_PREFIX && path.len > 0 && path.data[path.len - 1] == '/')
                path.len--;
        return (struct line){
                .match = match,
                .rule = rule,
                .path = path,
                .headers = conditions_headers(match),
                .queries = conditions_queries(match),
        };
}

static int compare_size(size_t a, size_t b)
{
        return a == b ? 0 : a > b ? 1 : -1;
}

/* Not so for a text that is none: its rule refuses whatever comes. */
static bool is_pattern(const struct line *line)
{
        return line->match->pattern != NULL;
}

/* Gateway API's precedence, with host and path in full, so that equal ones stand together. */
static int line_compare(const void *left, const void *right)
{
        const struct line *a = left, *b = right;
        int by = -host_specificity_compare(*a->host, *b->host);
        if (by == 0)
                by = slice_compare(*a->host, *b->host);
        if (by == 0)
                by = (int)b->match->path_kind - (int)a->match->path_kind;
        if (by == 0)
                by = -compare_size(a->path.len, b->path.len);
        if (by == 0)
                by = slice_compare(a->path, b->path);
        if (by == 0)
                by = (int)is_pattern(a) - (int)is_pattern(b);
        if (by == 0)
                by = (b->match->method.len > 0) - (a->match->method.len > 0);
        if (by == 0)
                by = b->headers - a->headers;
        if (by == 0)
                by = b->queries - a->queries;
        return by ? by : compare_size(a->order, b->order);
}

static void lines_collect(struct route_table *table, const struct route *routes, size_t count,
                          struct arena *arena)
{
        VEC(struct line) lines = {0};
        uint32_t order = 0;
        for (const struct route *route = routes; route < routes + count; route++) {
                struct slice *hosts = ARENA_ARRAY(arena, struct slice, route->hostname_count);
                for (size_t h = 0; h < route->hostname_count; h++)
                        hosts[h] = host_normalize(route->hostnames[h], arena);
                for (size_t r = 0; r < route->rule_count; r++) {
                        const struct route_rule *rule = &route->rules[r];
                        for (size_t m = 0; m < rule->match_count; m++, order++) {
                                struct line line = line_of(rule, &rule->matches[m]);
                                table->has_blunt |= line.match->blunt;
                                line.order = order;
                                for (size_t h = 0; h < route->hostname_count; h++) {
                                        line.host = &hosts[h];
                                        vec_push(&lines, line);
                                }
                        }
                }
        }
        vec_freeze(&lines, arena, &table->lines, &table->line_count);
        if (table->line_count > 0)
                qsort(table->lines, table->line_count, sizeof(*table->lines), line_compare);
}

static size_t depth_of(struct slice path)
{
        size_t depth = 0;
        for (size_t i = 0; i < path.len; i++)
                depth += path.data[i] == '/';
        return depth;
}

/* How many lines from the first on stand under the same path of the same kind. */
static size_t group_count(const struct line *first, const struct line *end)
{
        const struct line *line = first;
        while (line < end && line->match->path_kind == first->match->path_kind &&
               slice_equal(line->path, first->path) && is_pattern(line) == is_pattern(first))
                line++;
        return (size_t)(line - first);
}

static void group_place(struct host_routes *host, struct path_group group, struct arena *arena)
{
        const struct line *line = group.lines;
        if (line->match->path_kind == PATH_MATCH_PATTERN) {
                host->patterns[host->pattern_count++] = group;
                return;
        }
        bool exact = line->match->path_kind == PATH_MATCH_EXACT;
        struct path_group *kept = ARENA_NEW(arena, struct path_group);
        *kept = group;
        frozen_map_put(exact ? &host->exact : &host->prefix, line->path, kept);
        if (!exact && line->path.len > host->prefix_bytes_max)
                host->prefix_bytes_max = line->path.len;
        if (!exact && depth_of(line->path) > host->prefix_depth_max)
                host->prefix_depth_max = depth_of(line->path);
}

static void host_fill(struct host_routes *host, const struct line *first, const struct line *end,
                      struct arena *arena)
{
        size_t groups[3] = {0, 0, 0}; /* by enum path_match_kind */
        for (const struct line *l = first; l < end; l += group_count(l, end))
                groups[l->match->path_kind]++;
        frozen_map_init(&host->prefix, groups[PATH_MATCH_PREFIX], arena);
        frozen_map_init(&host->exact, groups[PATH_MATCH_EXACT], arena);
        host->patterns = ARENA_ARRAY(arena, struct path_group, groups[PATH_MATCH_PATTERN]);
        for (const struct line *l = first; l < end;) {
                struct path_group group = {l, group_count(l, end)};
                group_place(host, group, arena);
                l += group.count;
        }
}

/* The most specific pattern that is wider than `pattern`: what matches *.b.c without its first
 * label is looked up as the host b.c would be, but as a suffix only. */
static const struct host_routes *wider_find(const struct frozen_map *patterns, struct slice pattern)
{
        if (pattern.len == 0)
                return NULL;
        bool wildcard = slice_starts_with(pattern, SLICE("*."));
        for (size_t at = wildcard ? 2 : 1; at < pattern.len; at++) {
                const struct host_routes *wider =
                        pattern.data[at] == '.' ? frozen_map_find(patterns, slice_skip(pattern, at))
                                                : NULL;
                if (wider)
                        return wider;
        }
        return frozen_map_find(patterns, SLICE("."));
}

/* Under their suffix, the empty pattern under "."; exact ones are nobody's wider pattern. */
static void wider_link(struct host_routes *hosts, size_t count, struct arena *arena)
{
        struct frozen_map patterns;
        frozen_map_init(&patterns, count, arena);
        for (size_t i = 0; i < count; i++) {
                struct slice pattern = hosts[i].pattern;
                if (pattern.len == 0)
                        frozen_map_put(&patterns, SLICE("."), &hosts[i]);
                else if (slice_starts_with(pattern, SLICE("*.")))
                        frozen_map_put(&patterns, slice_skip(pattern, 1), &hosts[i]);
        }
        for (size_t i = 0; i < count; i++)
                hosts[i].wider = wider_find(&patterns, hosts[i].pattern);
}

static bool same_host(const struct line *a, const struct line *b)
{
        return slice_equal(*a->host, *b->host);
}

struct route_table *route_table_build(const struct route *routes, size_t count, struct arena *arena)
{
        struct route_table *table = ARENA_NEW(arena, struct route_table);
        lines_collect(table, routes, count, arena);
        size_t host_count = 0;
        for (size_t i = 0; i < table->line_count; i++)
                host_count += i == 0 || !same_host(&table->lines[i - 1], &table->lines[i]);
        struct host_routes *hosts = ARENA_ARRAY(arena, struct host_routes, host_count);
        struct host_entry *entries = ARENA_ARRAY(arena, struct host_entry, host_count);
        struct line *end = table->lines + table->line_count;
        size_t at = 0;
        for (struct line *first = table->lines; first < end; at++) {
                struct line *last = first;
                while (last < end && same_host(first, last))
                        last++;
                hosts[at].pattern = *first->host;
                host_fill(&hosts[at], first, last, arena);
                entries[at] = (struct host_entry){hosts[at].pattern, &hosts[at]};
                first = last;
        }
        wider_link(hosts, host_count, arena);
        table->hosts = host_table_build(entries, host_count, arena);
        return table;
}
