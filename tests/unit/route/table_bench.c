/* What one look-up costs with 10 to 10,000 routes: `meson test --benchmark`. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "route/table.h"

static uint64_t now_ns(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static struct route *routes_make(size_t count, size_t hosts, struct arena *arena)
{
        struct route *routes = ARENA_ARRAY(arena, struct route, count);
        for (size_t i = 0; i < count; i++) {
                struct route_match *match = ARENA_NEW(arena, struct route_match);
                struct route_rule *rule = ARENA_NEW(arena, struct route_rule);
                struct slice *host = ARENA_NEW(arena, struct slice);
                *host = arena_printf(arena, "h%zu.example.org", i % hosts);
                match->path = arena_printf(arena, "/api/v1/things-%zu", i / hosts);
                *rule = (struct route_rule){.matches = match, .match_count = 1};
                routes[i] = (struct route){host, 1, rule, 1};
        }
        return routes;
}

static void measure(size_t count, size_t hosts)
{
        enum {
                ROUNDS = 1000000,
                ASKS = 64
        };
        struct request_head asks[ASKS];
        struct arena arena;
        size_t found = 0;
        arena_init(&arena, 1 << 20);
        struct route *routes = routes_make(count, hosts, &arena);
        uint64_t from = now_ns();
        struct route_table *table = route_table_build(routes, count, &arena);
        uint64_t built = now_ns() - from;
        for (size_t i = 0; i < ASKS; i++) {
                size_t n = (size_t)random() % count;
                asks[i] = (struct request_head){
                        .method = SLICE("GET"),
                        .host = arena_printf(&arena, "h%zu.example.org", n % hosts),
                        .path = arena_printf(&arena, "/api/v1/things-%zu/some/more", n / hosts)};
        }
        from = now_ns();
        for (size_t i = 0; i < ROUNDS; i++)
                found += route_find(table, &asks[i % ASKS]) != NULL;
        printf("%6zu routes, %6zu hosts: %4llu ns a look-up, built in %llu us, %zu found\n", count,
               hosts, (unsigned long long)((now_ns() - from) / ROUNDS),
               (unsigned long long)(built / 1000), found);
        arena_done(&arena);
}

int main(void)
{
        for (size_t count = 10; count <= 10000; count *= 10) {
                measure(count, 1);
                measure(count, count);
        }
        return 0;
}
