#include "route/host_match.h"

#include "route/frozen_map.h"

enum {
        HOST_BYTES_MAX = 255, /* RFC 1035, 3.1; what is longer is no host name */
};

static struct slice without_dot(struct slice host)
{
        if (host.len > 0 && host.data[host.len - 1] == '.')
                host.len--;
        return host;
}

/* Addresses have no suffixes that mean anything: "*.1" must not match 127.0.0.1. */
static bool is_address(struct slice host)
{
        for (size_t i = 0; i < host.len; i++) {
                char c = host.data[i];
                if (c == ':' || c == '[')
                        return true;
                if ((c < '0' || c > '9') && c != '.')
                        return false;
        }
        return host.len > 0;
}

static bool is_wildcard(struct slice pattern)
{
        return pattern.len > 2 && pattern.data[0] == '*' && pattern.data[1] == '.';
}

/* What a named pattern can match at all; only the empty pattern matches other hosts. */
static bool is_name(struct slice host)
{
        return host.len > 0 && host.len <= HOST_BYTES_MAX && host.data[0] != '.' &&
               !is_address(host);
}

static void lower_into(struct slice host, char *out)
{
        for (size_t i = 0; i < host.len; i++)
                out[i] = ascii_lower(host.data[i]);
}

struct slice host_normalize(struct slice host, struct arena *arena)
{
        host = without_dot(host);
        char *copy = arena_alloc(arena, host.len + 1);
        lower_into(host, copy);
        return slice_from(copy, host.len);
}

bool host_matches(struct slice pattern, struct slice host)
{
        pattern = without_dot(pattern);
        host = without_dot(host);
        if (pattern.len == 0)
                return true;
        if (!is_name(host))
                return false;
        if (!is_wildcard(pattern))
                return slice_equal_nocase(pattern, host);
        struct slice suffix = slice_skip(pattern, 1); /* with its dot */
        return host.len > suffix.len &&
               slice_equal_nocase(slice_skip(host, host.len - suffix.len), suffix);
}

static int rank(struct slice pattern)
{
        return pattern.len == 0 ? 0 : is_wildcard(pattern) ? 1 : 2;
}

int host_specificity_compare(struct slice a, struct slice b)
{
        a = without_dot(a);
        b = without_dot(b);
        if (rank(a) != rank(b))
                return rank(a) - rank(b);
        return a.len == b.len ? 0 : a.len > b.len ? 1 : -1;
}

/* Whether every host that `narrow` matches is matched by `wide`. */
static bool covers(struct slice wide, struct slice narrow)
{
        if (without_dot(wide).len == 0)
                return true;
        if (!is_wildcard(narrow))
                return narrow.len > 0 && host_matches(wide, narrow);
        if (!is_wildcard(wide))
                return false;
        struct slice wide_suffix = slice_skip(without_dot(wide), 1);
        struct slice narrow_suffix = slice_skip(without_dot(narrow), 1);
        return narrow_suffix.len >= wide_suffix.len &&
               slice_equal_nocase(slice_skip(narrow_suffix, narrow_suffix.len - wide_suffix.len),
                                  wide_suffix);
}

bool host_intersect(struct slice a, struct slice b, struct slice *out)
{
        /* Two patterns of these forms either nest or do not meet. */
        if (covers(a, b))
                *out = b;
        else if (covers(b, a))
                *out = a;
        else
                return false;
        return true;
}

/* ---- the table ---- */

/* Exact names stand under themselves, wildcards under their suffix with its dot, which no name
 * starts with: so one map serves both. */
struct host_table {
        struct frozen_map names;
        void *any; /* of the empty pattern */
        struct host_entry *kept;
        size_t kept_count;
};

/* False: the pattern is there already. */
static bool pattern_put(struct host_table *table, struct slice pattern, void *value)
{
        if (pattern.len == 0 && table->any)
                return false;
        if (pattern.len == 0) {
                table->any = value;
                return true;
        }
        size_t before = table->names.count;
        frozen_map_put(&table->names, slice_skip(pattern, is_wildcard(pattern)), value);
        return table->names.count > before;
}

struct host_table *host_table_build(const struct host_entry *entries, size_t count,
                                    struct arena *arena)
{
        struct host_table *table = ARENA_NEW(arena, struct host_table);
        frozen_map_init(&table->names, count, arena);
        table->kept = ARENA_ARRAY(arena, struct host_entry, count);
        for (size_t i = 0; i < count; i++) {
                struct slice pattern = host_normalize(entries[i].pattern, arena);
                if (pattern_put(table, pattern, entries[i].value))
                        table->kept[table->kept_count++] =
                                (struct host_entry){pattern, entries[i].value};
        }
        return table;
}

bool host_table_next(const struct host_table *table, size_t *at, struct host_entry *out)
{
        if (*at == table->kept_count)
                return false;
        *out = table->kept[(*at)++];
        return true;
}

void *host_table_find(const struct host_table *table, struct slice host)
{
        char lower[HOST_BYTES_MAX];
        host = without_dot(host);
        if (!is_name(host) || table->names.count == 0)
                return table->any;
        lower_into(host, lower);
        struct slice name = slice_from(lower, host.len);
        void *value = frozen_map_find(&table->names, name);
        for (size_t at = 1; !value && at + 1 < name.len; at++)
                if (name.data[at] == '.')
                        value = frozen_map_find(&table->names, slice_skip(name, at));
        return value ? value : table->any;
}
