/* How many connections one address may have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "proxy/address_counts.h"

static struct event_address v4(uint32_t number)
{
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(number)}};
        return event_address_of((struct sockaddr *)&at);
}

static struct event_address v6(const char *text)
{
        struct sockaddr_in6 at = {.sin6_family = AF_INET6};
        assert_int_equal(inet_pton(AF_INET6, text, &at.sin6_addr), 1);
        return event_address_of((struct sockaddr *)&at);
}

static struct address_seat *take(struct address_counts *counts, struct event_address address)
{
        struct address_seat *seat;
        assert_true(address_counts_enter(counts, &address, &seat));
        assert_non_null(seat);
        return seat;
}

static bool is_full(struct address_counts *counts, struct event_address address)
{
        struct address_seat *seat;
        bool entered = address_counts_enter(counts, &address, &seat);
        address_seat_leave(seat);
        return !entered;
}

static void one_address_has_as_many_as_it_may_and_others_do_not_feel_it(void **state)
{
        (void)state;
        struct address_counts *counts = address_counts_new(3, 1000);
        struct address_seat *seats[3];
        for (size_t i = 0; i < COUNT_OF(seats); i++)
                seats[i] = take(counts, v4(1));
        assert_true(is_full(counts, v4(1)));
        assert_false(is_full(counts, v4(2)));
        address_seat_leave(seats[1]);
        assert_false(is_full(counts, v4(1)));
        seats[1] = take(counts, v4(1));
        assert_true(is_full(counts, v4(1)));
        address_counts_free(counts);
}

static void ports_do_not_tell_clients_apart(void **state)
{
        (void)state;
        struct address_counts *counts = address_counts_new(1, 1000);
        struct event_address first = v4(1), second = v4(1);
        first.port = 1000;
        second.port = 2000;
        take(counts, first);
        assert_true(is_full(counts, second));
        address_counts_free(counts);
}

static void a_client_of_ipv6_is_its_64_bits(void **state)
{
        (void)state;
        struct address_counts *counts = address_counts_new(1, 1000);
        take(counts, v6("2001:db8:0:1::1"));
        assert_true(is_full(counts, v6("2001:db8:0:1:ffff::2")));
        assert_false(is_full(counts, v6("2001:db8:0:2::1")));
        /* As dual-stack sockets show clients of IPv4: each for itself. */
        take(counts, v6("::ffff:192.0.2.1"));
        assert_true(is_full(counts, v4(0xc0000201)));
        assert_false(is_full(counts, v6("::ffff:192.0.2.2")));
        address_counts_free(counts);
}

static void at_0_nothing_is_counted(void **state)
{
        (void)state;
        struct address_seat *seat;
        struct event_address address = v4(1);
        assert_null(address_counts_new(0, 1000));
        for (int i = 0; i < 100; i++) {
                assert_true(address_counts_enter(NULL, &address, &seat));
                assert_null(seat);
                address_seat_leave(seat);
        }
        address_counts_free(NULL);
}

static void who_has_no_address_is_not_counted(void **state)
{
        (void)state;
        struct address_counts *counts = address_counts_new(1, 1000);
        assert_false(is_full(counts, (struct event_address){0}));
        address_counts_free(counts);
}

/* The smallest table has one bucket. */
static void seats_of_those_who_left_are_taken_by_others(void **state)
{
        (void)state;
        struct address_counts *counts = address_counts_new(1, 1);
        for (uint32_t round = 0; round < 100; round++) {
                struct address_seat *seats[ADDRESS_BUCKET_SEATS];
                for (uint32_t i = 0; i < ADDRESS_BUCKET_SEATS; i++)
                        seats[i] = take(counts, v4(round * 1000 + i));
                for (uint32_t i = 0; i < ADDRESS_BUCKET_SEATS; i++) {
                        assert_true(is_full(counts, v4(round * 1000 + i)));
                        address_seat_leave(seats[i]);
                }
        }
        address_counts_free(counts);
}

static void a_table_that_is_full_keeps_nobody_out(void **state)
{
        (void)state;
        struct address_counts *counts = address_counts_new(1, 1);
        for (uint32_t i = 0; i < ADDRESS_BUCKET_SEATS; i++)
                take(counts, v4(i));
        struct address_seat *seat;
        struct event_address late = v4(1000);
        for (int i = 0; i < 2; i++) {
                assert_true(address_counts_enter(counts, &late, &seat));
                assert_null(seat);
        }
        assert_true(is_full(counts, v4(0)));
        address_counts_free(counts);
}

static void as_many_addresses_as_connections_have_room(void **state)
{
        (void)state;
        struct address_counts *counts = address_counts_new(1, 65536);
        for (uint32_t i = 0; i < 65536; i++)
                take(counts, v4(0x0a000000 + i));
        for (uint32_t i = 0; i < 65536; i++)
                assert_true(is_full(counts, v4(0x0a000000 + i)));
        address_counts_free(counts);
}

enum {
        THREADS = 4,
        ADDRESSES = 2 * ADDRESS_BUCKET_SEATS, /* they take seats from each other */
        EACH_MAX = 1,
        ROUNDS = 200000
};

struct crowd {
        struct address_counts *counts;
        _Atomic int in[ADDRESSES];
        _Atomic bool too_many;
};

static void *come_and_go(void *self)
{
        struct crowd *crowd = self;
        for (uint32_t i = 0; i < ROUNDS; i++) {
                struct address_seat *seat;
                uint32_t which = i % ADDRESSES;
                struct event_address address = v4(which);
                if (!address_counts_enter(crowd->counts, &address, &seat))
                        continue;
                if (atomic_fetch_add(&crowd->in[which], 1) >= EACH_MAX)
                        atomic_store(&crowd->too_many, true);
                if (i % 7 == 0)
                        sched_yield();
                atomic_fetch_sub(&crowd->in[which], 1);
                address_seat_leave(seat);
        }
        return NULL;
}

static void however_workers_race_never_are_more_in(void **state)
{
        (void)state;
        struct crowd crowd = {.counts = address_counts_new(EACH_MAX, 1)};
        pthread_t threads[THREADS];
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &crowd), 0);
        for (size_t i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        assert_false(crowd.too_many);
        for (uint32_t i = 0; i < ADDRESSES; i++) { /* and nothing is left behind */
                struct address_seat *seat = take(crowd.counts, v4(i));
                assert_true(is_full(crowd.counts, v4(i)));
                address_seat_leave(seat);
        }
        address_counts_free(crowd.counts);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_address_has_as_many_as_it_may_and_others_do_not_feel_it),
                cmocka_unit_test(ports_do_not_tell_clients_apart),
                cmocka_unit_test(a_client_of_ipv6_is_its_64_bits),
                cmocka_unit_test(at_0_nothing_is_counted),
                cmocka_unit_test(who_has_no_address_is_not_counted),
                cmocka_unit_test(seats_of_those_who_left_are_taken_by_others),
                cmocka_unit_test(a_table_that_is_full_keeps_nobody_out),
                cmocka_unit_test(as_many_addresses_as_connections_have_room),
                cmocka_unit_test(however_workers_race_never_are_more_in),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
