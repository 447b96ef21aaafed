/* The admin server over real sockets. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "event/emit.h"
#include "observe/admin.h"
#include "observe/observe.h"
#include "observe/state.h"
#include "text/json.h"

struct fixture {
        struct event_hub *hub;
        struct gateway_state *state;
        struct observer *observer;
        struct admin *admin;
        char answer[262144];
};

static int setup(void **state)
{
        struct fixture *f = NEW(struct fixture);
        struct error err = {0};
        f->hub = event_hub_new(&(struct event_hub_options){.workers = 2, .ring_slots = 64}, &err);
        f->state = gateway_state_new(f->hub);
        f->observer = observer_start(&(struct observe_options){.quiet = true}, f->hub, &err);
        f->admin = admin_start(&(struct admin_options){.address = "127.0.0.1:0",
                                                       .probe_address = "127.0.0.1:0",
                                                       .hub = f->hub,
                                                       .state = f->state,
                                                       .observer = f->observer},
                               &err);
        *state = f;
        if (!f->admin)
                fail_msg("%s", err.text);
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;
        admin_stop(f->admin);
        observer_stop(f->observer);
        gateway_state_free(f->state);
        event_hub_free(f->hub);
        free(f);
        return 0;
}

/* Sends the head as it is and returns the status; the whole answer is in f->answer. */
static int ask(struct fixture *f, int port, const char *method, const char *path, const char *host)
{
        struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
        char head[1024];
        int len = snprintf(head, sizeof(head),
                           "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", method, path,
                           host);
        assert_int_equal(send(fd, head, (size_t)len, MSG_NOSIGNAL), len);
        size_t total = 0;
        for (ssize_t got;
             total < sizeof(f->answer) - 1 &&
             (got = recv(fd, f->answer + total, sizeof(f->answer) - 1 - total, 0)) > 0;)
                total += (size_t)got;
        close(fd);
        f->answer[total] = '\0';
        assert_true(total > 12);
        return (int)strtol(f->answer + 9, NULL, 10);
}

static const char *body(const struct fixture *f)
{
        const char *end = strstr(f->answer, "\r\n\r\n");
        assert_non_null(end);
        return end + 4;
}

static void ready_only_when_every_worker_serves_and_nothing_drains(void **state)
{
        struct fixture *f = *state;
        int port = admin_port(f->admin);
        assert_int_equal(ask(f, port, "GET", "/readyz", "127.0.0.1"), 503);
        assert_string_equal(body(f), "no_generation\n");
        gateway_state_set_generation(f->state, &(struct state_generation){.number = 1});
        assert_int_equal(ask(f, port, "GET", "/readyz", "127.0.0.1"), 503);
        counter_set(&event_sink_counters(event_hub_sink(f->hub, 0))->generation, 1);
        assert_int_equal(ask(f, port, "GET", "/readyz", "127.0.0.1"), 503);
        assert_string_equal(body(f), "workers_not_serving\n");
        counter_set(&event_sink_counters(event_hub_sink(f->hub, 1))->generation, 1);
        assert_int_equal(ask(f, port, "GET", "/readyz", "127.0.0.1"), 200);
        assert_int_equal(ask(f, admin_probe_port(f->admin), "GET", "/readyz", "127.0.0.1"), 200);
        gateway_state_set_draining(f->state);
        assert_int_equal(ask(f, port, "GET", "/readyz", "127.0.0.1"), 503);
        assert_string_equal(body(f), "draining\n");
        assert_int_equal(ask(f, port, "GET", "/healthz", "127.0.0.1"), 200);
}

static void status_shows_what_control_handed_over(void **state)
{
        struct fixture *f = *state;
        char name[] = "https";
        const struct state_condition conditions[] = {
                {SLICE("Programmed"), SLICE("Programmed"), SLICE("say \"why\"\n"), true,
                 PROOF_SERVED},
        };
        const struct state_listener listeners[] = {{.gateway = SLICE("edge/edge"),
                                                    .name = slice_of(name),
                                                    .address = SLICE("0.0.0.0:8443"),
                                                    .protocol = SLICE("HTTPS"),
                                                    .mode = SLICE("AllowValidOnly"),
                                                    .pinned = true,
                                                    .pins = 3,
                                                    .digest = {{7}},
                                                    .conditions = {conditions, 1}}};
        gateway_state_set_generation(f->state, &(struct state_generation){.number = 12,
                                                                          .pins = 3,
                                                                          .routes = 2,
                                                                          .published_ms = 1,
                                                                          .listeners = listeners,
                                                                          .listener_count = 1});
        memset(name, 'X', sizeof(name)); /* the state has a copy of its own */
        gateway_state_set_source_error(f->state, SLICE("edge.yaml:3: tab"));
        assert_int_equal(ask(f, admin_port(f->admin), "GET", "/status", "127.0.0.1:9180"), 200);
        struct arena arena;
        arena_init(&arena, 65536);
        struct node *root;
        assert_true(json_parse(&arena, slice_of(body(f)), "status", &root, NULL));
        assert_true(slice_is(node_text(node_find(root, "generation"), "number"), "12"));
        const struct node *listener = node_find(root, "listeners")->children[0];
        assert_true(slice_is(node_text(listener, "name"), "https"));
        assert_int_equal(node_find(root, "workers")->child_count, 2);
        assert_true(
                slice_is(node_text(node_find(root, "source_error"), "says"), "edge.yaml:3: tab"));
        gateway_state_set_source_error(f->state, SLICE_NONE);
        ask(f, admin_port(f->admin), "GET", "/status", "127.0.0.1:9180");
        assert_true(json_parse(&arena, slice_of(body(f)), "status", &root, NULL));
        assert_int_equal(node_find(root, "source_error")->kind, NODE_NULL);
        arena_done(&arena);
}

static const struct node *first_condition(struct fixture *f, struct arena *arena)
{
        struct node *root;
        ask(f, admin_port(f->admin), "GET", "/status", "127.0.0.1");
        assert_true(json_parse(arena, slice_of(body(f)), "status", &root, NULL));
        return node_find(node_find(root, "listeners")->children[0], "conditions")->children[0];
}

static void a_condition_is_pending_until_every_worker_serves_the_generation(void **state)
{
        struct fixture *f = *state;
        struct arena arena;
        const struct state_condition condition = {SLICE("Programmed"), SLICE("Programmed"),
                                                  SLICE("say \"why\"\n"), true, PROOF_SERVED};
        const struct state_listener listener = {.conditions = {&condition, 1}};
        arena_init(&arena, 65536);
        gateway_state_set_generation(f->state, &(struct state_generation){.number = 12,
                                                                          .listeners = &listener,
                                                                          .listener_count = 1});
        const struct node *shown = first_condition(f, &arena);
        assert_true(slice_is(node_text(shown, "status"), "False"));
        assert_true(slice_is(node_text(shown, "reason"), "Pending"));
        counter_set(&event_sink_counters(event_hub_sink(f->hub, 0))->generation, 12);
        counter_set(&event_sink_counters(event_hub_sink(f->hub, 1))->generation, 11);
        shown = first_condition(f, &arena);
        assert_true(slice_is(node_text(shown, "reason"), "Pending"));
        assert_true(
                slice_is(node_text(shown, "message"), "generation 12 is served by 1 of 2 workers"));
        counter_set(&event_sink_counters(event_hub_sink(f->hub, 1))->generation, 12);
        shown = first_condition(f, &arena);
        assert_true(slice_is(node_text(shown, "status"), "True"));
        assert_true(slice_is(node_text(shown, "message"), "say \"why\"\n"));
        arena_done(&arena);
}

static void nothing_counts_as_enforced_before_all_is_judged_and_probed(void **state)
{
        struct fixture *f = *state;
        struct arena arena;
        const struct state_condition condition = {SLICE("pingate.dev/PinningEnforced"),
                                                  SLICE("Enforced"), SLICE("2 pins"), true,
                                                  PROOF_ENFORCED};
        const struct state_listener listener = {.conditions = {&condition, 1}};
        arena_init(&arena, 65536);
        gateway_state_set_generation(f->state, &(struct state_generation){.number = 12,
                                                                          .listeners = &listener,
                                                                          .listener_count = 1});
        for (size_t i = 0; i < 2; i++)
                counter_set(&event_sink_counters(event_hub_sink(f->hub, i))->generation, 12);
        const struct node *shown = first_condition(f, &arena);
        assert_true(slice_is(node_text(shown, "reason"), "Pending"));
        assert_true(slice_is(node_text(shown, "message"), "0 of 2 workers have judged their open "
                                                          "connections by generation 12"));
        for (size_t i = 0; i < 2; i++)
                counter_set(&event_sink_counters(event_hub_sink(f->hub, i))->judged_generation, 12);
        shown = first_condition(f, &arena);
        assert_true(slice_is(node_text(shown, "status"), "True"));
        gateway_state_set_probes(f->state, 2, SLICE("a client that is not pinned was let in"));
        shown = first_condition(f, &arena);
        assert_true(slice_is(node_text(shown, "status"), "False"));
        assert_true(slice_is(node_text(shown, "reason"), "ProbeFailed"));
        ask(f, admin_port(f->admin), "GET", "/metrics", "127.0.0.1");
        assert_non_null(strstr(body(f), "\npingate_probes_total{result=\"passed\"} 1\n"
                                        "pingate_probes_total{result=\"failed\"} 1\n"));
        assert_non_null(strstr(body(f), "\npingate_probe_failing 1\n"));
        gateway_state_set_probes(f->state, 1, SLICE_NONE);
        shown = first_condition(f, &arena);
        assert_true(slice_is(node_text(shown, "status"), "True"));
        arena_done(&arena);
}

static void the_probe_address_has_neither_status_nor_refusals(void **state)
{
        struct fixture *f = *state;
        int port = admin_probe_port(f->admin);
        assert_int_equal(ask(f, port, "GET", "/metrics", "127.0.0.1"), 200);
        assert_int_equal(ask(f, port, "GET", "/healthz", "127.0.0.1"), 200);
        assert_int_equal(ask(f, port, "GET", "/status", "127.0.0.1"), 404);
        assert_int_equal(ask(f, port, "GET", "/refusals", "127.0.0.1"), 404);
}

static void only_get_and_head_and_only_pages_that_are_there(void **state)
{
        struct fixture *f = *state;
        int port = admin_port(f->admin);
        assert_int_equal(ask(f, port, "POST", "/status", "127.0.0.1"), 405);
        assert_non_null(strstr(f->answer, "Allow: GET, HEAD"));
        assert_int_equal(ask(f, port, "DELETE", "/metrics", "127.0.0.1"), 405);
        assert_int_equal(ask(f, port, "HEAD", "/healthz", "127.0.0.1"), 200);
        assert_string_equal(body(f), "");
        assert_int_equal(ask(f, port, "GET", "/", "127.0.0.1"), 404);
        assert_int_equal(ask(f, port, "GET", "/statusx", "127.0.0.1"), 404);
        assert_int_equal(ask(f, port, "GET", "/refusals?from=x", "127.0.0.1"), 400);
        assert_int_equal(ask(f, port, "GET", "/refusals?from=0", "127.0.0.1"), 200);
}

static void a_name_as_host_is_refused_on_loopback(void **state)
{
        struct fixture *f = *state;
        static const struct {
                const char *host;
                int status;
        } rows[] = {
                {"127.0.0.1", 200},
                {"127.0.0.1:9180", 200},
                {"localhost", 200},
                {"localhost:9180", 200},
                {"[::1]:9180", 200},
                {"10.1.2.3", 200},
                {"evil.example", 403},
                {"evil.example:9180", 403},
                {"localhost.evil.example", 403},
                {"127.0.0.1.evil.example", 403},
                {"[::1].evil.example", 403},
                {"", 403},
                {"[evil]", 403},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                if (ask(f, admin_port(f->admin), "GET", "/status", rows[i].host) != rows[i].status)
                        fail_msg("Host: %s gives %.12s", rows[i].host, f->answer);
        }
}

static void an_address_that_can_not_be_bound_is_an_error_that_names_it(void **state)
{
        struct fixture *f = *state;
        static const char *const bad[] = {
                "9180",      "localhost:9180", "127.0.0.1",        "127.0.0.1:",
                "[::1:9180", ":9180",          "127.0.0.1:99999x", ""};
        for (size_t i = 0; i < COUNT_OF(bad); i++) {
                struct error err = {0};
                assert_null(admin_start(&(struct admin_options){.address = bad[i],
                                                                .hub = f->hub,
                                                                .state = f->state,
                                                                .observer = f->observer},
                                        &err));
                assert_non_null(strstr(err.text, "--admin: "));
        }
        char taken[32];
        snprintf(taken, sizeof(taken), "127.0.0.1:%d", admin_port(f->admin));
        struct error err = {0};
        assert_null(admin_start(&(struct admin_options){.address = "off",
                                                        .probe_address = taken,
                                                        .hub = f->hub,
                                                        .state = f->state,
                                                        .observer = f->observer},
                                &err));
        assert_non_null(strstr(err.text, "--probe-addr: 127.0.0.1:"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(
                        ready_only_when_every_worker_serves_and_nothing_drains, setup, teardown),
                cmocka_unit_test_setup_teardown(
                        a_condition_is_pending_until_every_worker_serves_the_generation, setup,
                        teardown),
                cmocka_unit_test_setup_teardown(
                        nothing_counts_as_enforced_before_all_is_judged_and_probed, setup,
                        teardown),
                cmocka_unit_test_setup_teardown(status_shows_what_control_handed_over, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(the_probe_address_has_neither_status_nor_refusals,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(only_get_and_head_and_only_pages_that_are_there,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(a_name_as_host_is_refused_on_loopback, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(
                        an_address_that_can_not_be_bound_is_an_error_that_names_it, setup,
                        teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
