/* What one look-up of a route costs, on one thread: `lookup` prints a line of JSON for each table.
 * Asked for are routes in no order, so that large tables pay for the processor's caches too. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "route/table.h"

enum {
        ROUNDS = 1000000,
        ASKS = 8192,
        RUNS = 5 /* of which the fastest counts: the machine has other things to do */
};

struct shape {
        const char *name;
        size_t hosts; /* at most */
        size_t sizes[6];
};

static const struct shape shapes[] = {
        {"1,000 hostnames", 1000, {10, 100, 1000, 10000}},
        {"a hostname a route", SIZE_MAX, {10, 100, 1000, 10000}},
        {"PathPrefix rules on one hostname", 1, {10, 100, 1000, 10000, 40000}},
};

static uint64_t now_ns(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static struct route_table *table_make(size_t count, size_t hosts, struct arena *arena)
{
        struct route *routes = ARENA_ARRAY(arena, struct route, count);
        for (size_t i = 0; i < count; i++) {
                struct route_match *match = ARENA_NEW(arena, struct route_match);
                struct route_rule *rule = ARENA_NEW(arena, struct route_rule);
                struct slice *host = ARENA_NEW(arena, struct slice);
                *host = arena_printf(arena, "h%zu.example.org", i % hosts);
                match->path_kind = PATH_MATCH_PREFIX;
                match->path = arena_printf(arena, "/api/v1/things-%zu", i / hosts);
                *rule = (struct route_rule){
                        .route = *host, .name = match->path, .matches = match, .match_count = 1};
                routes[i] = (struct route){host, 1, rule, 1};
        }
        return route_table_build(routes, count, arena);
}

static struct request_head *asks_make(size_t count, size_t hosts, struct arena *arena)
{
        struct request_head *asks = ARENA_ARRAY(arena, struct request_head, ASKS);
        for (size_t i = 0; i < ASKS; i++) {
                size_t n = (size_t)random() % count;
                asks[i] = (struct request_head){
                        .method = SLICE("GET"),
                        .host = arena_printf(arena, "h%zu.example.org", n % hosts),
                        .path = arena_printf(arena, "/api/v1/things-%zu/some/more", n / hosts)};
        }
        return asks;
}

/* Each ask must find the rule that it was made of. */
static bool answers_are_right(const struct route_table *table, const struct request_head *asks)
{
        for (size_t i = 0; i < ASKS; i++) {
                const struct route_rule *rule = route_find(table, &asks[i]).rule;
                if (!rule || !slice_equal(rule->route, asks[i].host) ||
                    !slice_starts_with(asks[i].path, rule->name) ||
                    asks[i].path.data[rule->name.len] != '/')
                        return false;
        }
        return true;
}

static uint64_t fastest_ns(const struct route_table *table, const struct request_head *asks)
{
        uint64_t fastest = UINT64_MAX;
        size_t found = 0;
        for (size_t run = 0; run < RUNS; run++) {
                uint64_t from = now_ns();
                for (size_t i = 0; i < ROUNDS; i++)
                        found += route_find(table, &asks[i % ASKS]).rule != NULL;
                uint64_t took = now_ns() - from;
                fastest = took < fastest ? took : fastest;
        }
        return found == (size_t)RUNS * ROUNDS ? fastest / ROUNDS : UINT64_MAX;
}

static bool measure(const struct shape *shape, size_t count)
{
        struct arena arena;
        size_t hosts = shape->hosts < count ? shape->hosts : count;
        arena_init(&arena, 1 << 20);
        uint64_t from = now_ns();
        struct route_table *table = table_make(count, hosts, &arena);
        uint64_t built_us = (now_ns() - from) / 1000;
        const struct request_head *asks = asks_make(count, hosts, &arena);
        bool right = answers_are_right(table, asks);
        printf("{\"shape\": \"%s\", \"routes\": %zu, \"lookup_ns\": %llu, \"build_us\": %llu, "
               "\"right\": %s}\n",
               shape->name, count, (unsigned long long)fastest_ns(table, asks),
               (unsigned long long)built_us, right ? "true" : "false");
        arena_done(&arena);
        return right;
}

int main(void)
{
        bool right = true;
        for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
                for (const size_t *size = shapes[s].sizes; *size; size++)
                        right &= measure(&shapes[s], *size);
        return right ? 0 : 1;
}
