/* What a client makes a worker hold (I33, design.md 6.10): every byte that OpenSSL or pingate takes
 * on the worker's thread is counted, by OpenSSL's memory hooks and by the linker's --wrap. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/crypto.h>

#include "world.h"

enum {
        KIB = 1024,
        IDLE_MAX = 48 * KIB,
        HANDSHAKE_MAX = 128 * KIB, /* of a chain of up to 4 certificates */
        WORST_MAX = 512 * KIB
};

/* ---- counting ---- */

static _Thread_local bool is_client; /* the test's own thread; all others work for the server */
static atomic_long live, peak;

static void count(long bytes)
{
        if (is_client)
                return;
        long now = atomic_fetch_add(&live, bytes) + bytes;
        if (now > atomic_load(&peak))
                atomic_store(&peak, now);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);

void *__wrap_malloc(size_t size)
{
        void *block = __real_malloc(size);
        count((long)malloc_usable_size(block));
        return block;
}

void *__wrap_calloc(size_t items, size_t size)
{
        void *block = __real_calloc(items, size);
        count((long)malloc_usable_size(block));
        return block;
}

void *__wrap_realloc(void *block, size_t size)
{
        long before = (long)malloc_usable_size(block);
        void *moved = __real_realloc(block, size);
        count((long)malloc_usable_size(moved) - before);
        return moved;
}

void __wrap_free(void *block)
{
        count(-(long)malloc_usable_size(block));
        __real_free(block);
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
        (void)file;
        (void)line;
        return size > 0 ? __wrap_malloc(size) : NULL;
}

static void *openssl_realloc(void *block, size_t size, const char *file, int line)
{
        (void)file;
        (void)line;
        return __wrap_realloc(block, size);
}

static void openssl_free(void *block, const char *file, int line)
{
        (void)file;
        (void)line;
        __wrap_free(block);
}

/* ---- a worker that is asked ---- */

static const char get[] = "GET / HTTP/1.1\r\nHost: first.example\r\n\r\n";

static void wait_until_alone(struct world *world)
{
        const struct worker_counters *counters = world_counters(world);
        while (counter_get(&counters->connections_handshaking) +
                       counter_get(&counters->connections_serving) +
                       counter_get(&counters->connections_draining) >
               0)
                usleep(1000);
}

struct cost {
        int answer;           /* as world_call's */
        long handshake, idle; /* bytes: the peak until it is decided; held after one request */
};

static struct cost cost_of(struct world *world, const struct call *call)
{
        struct cost cost = {0};
        struct line line;
        char response[16384];
        world_call(world, call); /* what the first of its kind leaves behind */
        wait_until_alone(world);
        long before = atomic_load(&live);
        atomic_store(&peak, before);
        bool open = line_open(world, call, &line);
        cost.answer = open ? line_ask(&line, get, response, sizeof(response)) : 0;
        cost.handshake = atomic_load(&peak) - before;
        /* The answer is here before the worker has let go of its buffers. */
        for (int i = 0; i < 2000 && atomic_load(&live) - before > IDLE_MAX; i++)
                usleep(1000);
        cost.idle = atomic_load(&live) - before;
        if (cost.answer == 0)
                cost.answer = -line.alert;
        line_close(&line);
        wait_until_alone(world);
        return cost;
}

static void report(const char *what, const struct cost *cost)
{
        print_message("%-44s peak %6.1f KiB, idle %5.1f KiB\n", what, (double)cost->handshake / KIB,
                      (double)cost->idle / KIB);
}

/* A leaf under three intermediates, and these. */
static struct pki_cert client_below_three(struct world *world, STACK_OF(X509) * *above)
{
        struct pki_cert issuer = *world_ca(world), between[3];
        for (size_t i = 0; i < COUNT_OF(between); i++) {
                struct pki_spec spec = world_valid((struct pki_spec){.ca = true});
                spec.subject = (const char *[]){"one", "two", "three"}[i];
                issuer = between[i] = pki_make(&issuer, &spec);
        }
        struct pki_spec leaf = world_valid((struct pki_spec){.subject = "robot"});
        *above = pki_stack(3, between[2].x509, between[1].x509, between[0].x509);
        return pki_make(&issuer, &leaf);
}

static char *names_of(size_t bytes)
{
        static char san[64 * KIB];
        size_t len = 0;
        while (len < bytes)
                len += (size_t)snprintf(san + len, sizeof(san) - len, "%sDNS:%059zu.example",
                                        len ? "," : "", len);
        return san;
}

static void a_client_holds_no_more_than_its_share(void **state)
{
        (void)state;
        struct world *world = world_start(&(struct world_config){0});
        struct pki_cert bare = world_client(world, &(struct pki_spec){.subject = "robot"});
        struct cost cost = cost_of(world, &(struct call){.with = &bare});
        report("P-256 leaf:", &cost);
        assert_int_equal(cost.answer, 200);
        assert_in_range(cost.handshake, 1, HANDSHAKE_MAX);
        assert_in_range(cost.idle, 1, IDLE_MAX);
        STACK_OF(X509) *above = NULL;
        struct pki_cert deep = client_below_three(world, &above);
        cost = cost_of(world, &(struct call){.with = &deep, .chain = above});
        report("P-256 leaf and 3 intermediates:", &cost);
        assert_int_equal(cost.answer, 200);
        assert_in_range(cost.handshake, 1, HANDSHAKE_MAX);
        assert_in_range(cost.idle, 1, IDLE_MAX);
        world_stop(world);
}

static void the_largest_message_is_bounded_and_a_larger_one_is_not_read(void **state)
{
        (void)state;
        struct world *world = world_start(&(struct world_config){0});
        /* 31 KiB: a name of 71 characters costs 73 octets. */
        struct pki_cert large = world_client(world, &(struct pki_spec){.san = names_of(31 * KIB)});
        struct cost cost = cost_of(world, &(struct call){.with = &large});
        report("leaf of 31 KiB:", &cost);
        assert_int_equal(cost.answer, 200);
        assert_in_range(cost.handshake, 31 * KIB, WORST_MAX);
        struct pki_cert over = world_client(world, &(struct pki_spec){.san = names_of(40 * KIB)});
        cost = cost_of(world, &(struct call){.with = &over});
        report("leaf of 40 KiB:", &cost);
        assert_true(cost.answer < 0);
        assert_in_range(cost.handshake, 1, HANDSHAKE_MAX);
        world_stop(world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_client_holds_no_more_than_its_share),
                cmocka_unit_test(the_largest_message_is_bounded_and_a_larger_one_is_not_read),
        };
        is_client = true;
        if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
