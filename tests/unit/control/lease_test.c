/* Replicas in one process, and a stand-in for an API server between them. */
#include <stdlib.h>

#include "kube_world.h"

#include "control/report/lease.h"
#include "text/json.h"

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/pingate-system/leases"

struct replica {
        struct world *world;
        struct lease *lease; /* NULL: closed */
        bool leads;
        size_t told, heard, closed; /* of leading, of replicas */
};

static const struct digest first = {{1}}, second = {{2}};

static void on_leading(bool leading, void *self)
{
        struct replica *replica = self;
        assert_true(leading != replica->leads);
        assert_true(leading == lease_leads(replica->lease));
        replica->leads = leading;
        replica->told++;
        uv_stop(&replica->world->loop);
}

static void on_replicas(void *self)
{
        struct replica *replica = self;
        assert_true(replica->leads);
        replica->heard++;
        uv_stop(&replica->world->loop);
}

static void on_closed(void *self)
{
        struct replica *replica = self;
        replica->lease = NULL;
        replica->closed++;
        uv_stop(&replica->world->loop);
}

static void open_replica(struct replica *replica, struct world *world, const char *identity)
{
        *replica = (struct replica){.world = world};
        replica->lease = lease_open(&(struct lease_options){.loop = &world->loop,
                                                            .client = world->client,
                                                            .namespace = SLICE("pingate-system"),
                                                            .identity = slice_of(identity),
                                                            .self = replica,
                                                            .on_leading = on_leading,
                                                            .on_replicas = on_replicas});
        assert_false(lease_leads(replica->lease));
}

static void close_replica(struct replica *replica)
{
        lease_close(replica->lease, on_closed);
        wait_for(replica->world, &replica->closed, 1);
}

/* Until the leader counts so many that are live, and so many that agree. */
static void wait_for_replicas(struct replica *leader, const struct digest *digest, size_t live,
                              size_t agreeing)
{
        for (;;) {
                struct lease_replicas now = lease_replicas(leader->lease, digest);
                if (now.known && now.live == live && now.agreeing == agreeing)
                        return;
                wait_for(leader->world, &leader->heard, leader->heard + 1);
        }
}

static void become_leader(struct replica *replica, struct world *world, const char *identity)
{
        open_replica(replica, world, identity);
        wait_for(world, &replica->told, 1);
        assert_true(replica->leads);
}

/* And every worker of it serves what it leads with. */
static struct world *world_with_leader(struct replica *a, const char *identity)
{
        struct world *world = world_open(API);
        become_leader(a, world, identity);
        lease_serve(a->lease, &first, 1);
        wait_for_replicas(a, &first, 1, 1);
        return world;
}

static void open_serving(struct replica *replica, struct world *world, const char *identity)
{
        open_replica(replica, world, identity);
        lease_serve(replica->lease, &first, 1);
}

/* As somebody else: of that name, and held so. */
static void post_lease(struct world *world, const char *name, const char *holder)
{
        char body[256];
        snprintf(body, sizeof(body),
                 "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{"
                 "\"name\":\"%s\"},\"spec\":{\"holderIdentity\":\"%s\","
                 "\"leaseDurationSeconds\":15}}",
                 name, holder);
        struct kube_request request = {.method = "POST", .body = slice_of(body)};
        assert_int_equal(ask(world, LEASES, request)->status, 201);
}

static void delete_leader_lease(struct world *world)
{
        struct kube_request request = {.method = "DELETE"};
        assert_int_equal(ask(world, LEASES "/pingate-leader", request)->status, 200);
}

static struct seen *ask_until(struct world *world, const char *path, const char *wanted)
{
        struct seen *seen;
        do {
                world->count = 0;
                seen = ask(world, path, NOTHING);
        } while (!strstr(seen->body, wanted) && !world->late);
        return seen;
}

/* --- leading --- */

static void one_leads_and_the_next_within_a_second_of_its_end(void **state)
{
        struct replica a, b;
        (void)state;
        struct world *world = world_open(API);
        become_leader(&a, world, "a");
        open_replica(&b, world, "b");
        wait_for(world, &world->done, world->done); /* b has to look first */
        close_replica(&a);
        uv_update_time(&world->loop);
        uint64_t closed_ms = uv_now(&world->loop);
        assert_int_equal(b.told, 0);
        wait_for(world, &b.told, 1);
        /* A second, and what a busy machine adds; 15 s where it was not let go of. */
        assert_true(b.leads && uv_now(&world->loop) - closed_ms <= 5000);
        close_replica(&b);
        says(ask(world, LEASES "/pingate-leader", NOTHING), "\"leaseTransitions\":");
        assert_null(strstr(world->seen[0].body, "holderIdentity"));
        world_close(world);
}

static void two_of_one_identity_are_two(void **state)
{
        struct replica a, twin;
        (void)state;
        struct world *world = world_open(API);
        become_leader(&a, world, "a");
        open_replica(&twin, world, "a");
        close_replica(&a);
        assert_int_equal(twin.told, 0);
        wait_for(world, &twin.told, 1);
        close_replica(&twin);
        world_close(world);
}

static void who_loses_it_to_another_is_told(void **state)
{
        struct replica a;
        (void)state;
        struct world *world = world_open(API);
        become_leader(&a, world, "a");
        delete_leader_lease(world);
        post_lease(world, "pingate-leader", "other_1");
        wait_for(world, &a.told, 2);
        assert_false(a.leads);
        close_replica(&a);
        /* It was not a's to let go of. */
        says(ask(world, LEASES "/pingate-leader", NOTHING), "other_1");
        delete_leader_lease(world);
        world_close(world);
}

static void a_lease_that_was_deleted_is_made_anew_by_its_leader(void **state)
{
        struct replica a;
        (void)state;
        struct world *world = world_open(API);
        become_leader(&a, world, "a");
        delete_leader_lease(world);
        struct seen *seen = ask_until(world, LEASES "/pingate-leader", "holderIdentity");
        says(seen, "\"a_");
        assert_true(a.leads && a.told == 1);
        close_replica(&a);
        world_close(world);
}

/* --- replicas --- */

static void replicas_agree_once_each_serves_the_same(void **state)
{
        struct replica a, b;
        (void)state;
        struct world *world = world_with_leader(&a, "a");
        open_serving(&b, world, "b");
        wait_for_replicas(&a, &first, 2, 2);
        lease_serve(a.lease, &second, 2);
        wait_for_replicas(&a, &second, 2, 1);
        lease_serve(b.lease, &first, 2); /* in quick succession: the last one counts */
        lease_serve(b.lease, &second, 3);
        wait_for_replicas(&a, &second, 2, 2);
        close_replica(&b);
        wait_for_replicas(&a, &second, 1, 1);
        close_replica(&a);
        world_close(world);
}

static void who_does_not_lead_claims_nothing(void **state)
{
        struct replica a, b;
        (void)state;
        struct world *world = world_with_leader(&a, "a");
        open_serving(&b, world, "b");
        assert_false(lease_replicas(b.lease, &first).known);
        wait_for_replicas(&a, &first, 2, 2);
        assert_false(lease_replicas(b.lease, &first).known);
        close_replica(&a);
        wait_for(world, &b.told, 1);
        wait_for_replicas(&b, &first, 1, 1);
        close_replica(&b);
        world_close(world);
}

static void a_replica_says_what_it_serves_and_is_gone_when_it_ends(void **state)
{
        struct replica a;
        (void)state;
        struct world *world = world_with_leader(&a, "a node.of/somebody");
        struct seen *seen = ask_until(world, LEASES "?labelSelector=pingate.dev%2Freplica%3Dtrue",
                                      "served-digest");
        says(seen, "\"pingate.dev/served-digest\":\"01000000");
        says(seen, "\"pingate.dev/generation\":\"1\"");
        says(seen, "\"name\":\"pingate-a-node-of-somebody-");
        lease_serve(a.lease, &second, 2); /* may be in flight as it closes */
        close_replica(&a);
        seen = ask(world, LEASES "?labelSelector=pingate.dev%2Freplica%3Dtrue", NOTHING);
        says(seen, "\"items\":[]");
        world_close(world);
}

static void a_lease_of_a_former_process_is_taken_over(void **state)
{
        struct replica a;
        (void)state;
        struct world *world = world_open(API);
        post_lease(world, "pingate-a", "a_1");
        become_leader(&a, world, "a");
        lease_serve(a.lease, &first, 1);
        struct seen *seen = ask_until(world, LEASES "/pingate-a", "served-digest");
        says(seen, "\"pingate.dev/replica\":\"true\"");
        close_replica(&a);
        assert_int_equal(ask(world, LEASES "/pingate-a", NOTHING)->status, 404);
        world_close(world);
}

/* --- ends --- */

static void closing_waits_for_no_server(void **state)
{
        struct replica a;
        (void)state;
        struct world *world = world_open(NOBODY);
        open_serving(&a, world, "a");
        close_replica(&a);
        assert_int_equal(a.told, 0);
        world_close(world);
}

static void closing_is_possible_in_every_state(void **state)
{
        struct replica a;
        (void)state;
        struct world *world = world_open(API);
        open_replica(&a, world, "a"); /* nothing was asked yet */
        close_replica(&a);
        for (unsigned turns = 1; turns < 24; turns += 2) {
                open_replica(&a, world, "a");
                lease_serve(a.lease, &first, turns);
                for (unsigned i = 0; i < turns; i++)
                        uv_run(&world->loop, UV_RUN_NOWAIT);
                close_replica(&a);
        }
        struct seen *seen = ask(world, LEASES, NOTHING);
        assert_null(strstr(seen->body, "holderIdentity"));
        assert_null(strstr(seen->body, "\"pingate-a\""));
        world_close(world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_leads_and_the_next_within_a_second_of_its_end),
                cmocka_unit_test(two_of_one_identity_are_two),
                cmocka_unit_test(who_loses_it_to_another_is_told),
                cmocka_unit_test(a_lease_that_was_deleted_is_made_anew_by_its_leader),
                cmocka_unit_test(replicas_agree_once_each_serves_the_same),
                cmocka_unit_test(who_does_not_lead_claims_nothing),
                cmocka_unit_test(a_replica_says_what_it_serves_and_is_gone_when_it_ends),
                cmocka_unit_test(a_lease_of_a_former_process_is_taken_over),
                cmocka_unit_test(closing_waits_for_no_server),
                cmocka_unit_test(closing_is_possible_in_every_state),
        };
        return cmocka_run_group_tests(tests, start_server, stop_server);
}
