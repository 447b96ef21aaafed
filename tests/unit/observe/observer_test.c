/* The observe thread with real files and real pipes; run it under TSan too. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buffer.h"
#include "event/emit.h"
#include "event/ring.h"
#include "observe/observe.h"
#include "text/json.h"

static struct event_hub *hub_new(size_t workers, size_t slots)
{
        struct error err;
        struct event_hub *hub = event_hub_new(&(struct event_hub_options){.workers = workers,
                                                                          .ring_slots = slots,
                                                                          .accept_slots = slots},
                                              &err);
        assert_non_null(hub);
        return hub;
}

static struct observer *start(const char *audit, const char *access_log, struct event_hub *hub)
{
        struct error err = {0};
        struct observer *o = observer_start(&(struct observe_options){.audit_log = audit,
                                                                      .access_log = access_log,
                                                                      .quiet = true},
                                            hub, &err);
        if (!o)
                fail_msg("%s", err.text);
        return o;
}

static void temp_path(char path[static 64])
{
        snprintf(path, 64, "/tmp/pingate-test-XXXXXX");
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        close(fd);
}

/* Lines of a log: handshakes with their connections summed, and what the gaps say is lost. */
struct tally {
        uint64_t lines, handshakes, requests, requests_refused, lost_admissions, lost_records,
                lost_lines, connections;
};

static void tally_line(struct slice line, struct tally *t)
{
        struct arena arena;
        arena_init(&arena, 8192);
        struct node *n;
        struct error err = {0};
        if (!json_parse(&arena, line, "log", &n, &err))
                fail_msg("%s: %.*s", err.text, SLICE_ARG(line));
        t->lines++;
        uint64_t number = 0;
        struct slice event = node_text(n, "event");
        t->requests += slice_is(event, "request");
        t->requests_refused += slice_is(event, "request_refused");
        if (slice_is(event, "handshake")) {
                t->handshakes++;
                slice_to_u64(node_text(n, "connection"), UINT64_MAX, &number);
                t->connections += number;
        } else if (slice_is(event, "gap")) {
                assert_true(slice_to_u64(node_text(n, "lost"), UINT64_MAX, &number));
                struct slice what = node_text(n, "what");
                *(slice_is(what, "admissions") ? &t->lost_admissions
                  : slice_is(what, "records")  ? &t->lost_records
                                               : &t->lost_lines) += number;
        }
        arena_done(&arena);
}

static struct tally tally_text(struct slice text)
{
        struct tally t = {0};
        struct slice line;
        while (slice_split(&text, '\n', &line))
                if (line.len > 0)
                        tally_line(line, &t);
        return t;
}

static struct tally tally_file(const char *path)
{
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        struct buffer all;
        buffer_init(&all, 256 << 20);
        for (size_t got = 1; got > 0; all.len += got) {
                char *room = buffer_reserve(&all, 65536);
                assert_non_null(room);
                got = fread(room, 1, 65536, file);
        }
        fclose(file);
        struct tally t = tally_text(buffer_slice(&all));
        buffer_done(&all);
        return t;
}

enum {
        WORKERS = 2,
        EACH = 5000
};

static void *work(void *self)
{
        for (uint64_t i = 0; i < EACH; i++) {
                event_handshake_lossy(self,
                                      &(struct handshake_facts){.admitted = true, .connection = 1});
                event_request(self, &(struct request_facts){.status = 200, .path = SLICE("/")});
                event_sink_turn(self);
        }
        return NULL;
}

static void all_that_workers_emit_is_in_the_logs_or_in_a_gap(void **state)
{
        (void)state;
        char audit[64], access_log[64];
        temp_path(audit);
        temp_path(access_log);
        struct event_hub *hub = hub_new(WORKERS, 1024);
        struct observer *o = start(audit, access_log, hub);
        pthread_t threads[WORKERS];
        for (size_t i = 0; i < WORKERS; i++)
                pthread_create(&threads[i], NULL, work, event_hub_sink(hub, i));
        for (size_t i = 0; i < WORKERS; i++)
                pthread_join(threads[i], NULL);
        observer_stop(o);
        struct tally a = tally_file(audit), r = tally_file(access_log);
        assert_int_equal(a.lost_lines + r.lost_lines, 0);
        assert_int_equal(a.handshakes + a.lost_admissions, WORKERS * EACH);
        assert_int_equal(r.requests + r.lost_records, WORKERS * EACH);
        assert_int_equal(a.lost_records, r.lost_records);
        assert_int_equal(a.requests + r.handshakes, 0);
        event_hub_free(hub);
        unlink(audit);
        unlink(access_log);
}

static int64_t now_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A FIFO that is held open for reading, and read only when a test wants. */
static int stuck_fifo(char path[static 64])
{
        temp_path(path);
        unlink(path);
        assert_int_equal(mkfifo(path, 0600), 0);
        int fd = open(path, O_RDONLY | O_NONBLOCK);
        assert_true(fd >= 0);
        return fd;
}

static void read_until(int fd, struct buffer *all, const char *text)
{
        while (!all->len || !memmem(all->data, all->len, text, strlen(text))) {
                struct pollfd p = {.fd = fd, .events = POLLIN};
                assert_int_equal(poll(&p, 1, 10000), 1);
                char *room = buffer_reserve(all, 65536);
                assert_non_null(room);
                ssize_t got = read(fd, room, 65536);
                assert_true(got > 0);
                all->len += (size_t)got;
        }
}

static void a_stuck_audit_log_makes_strict_audit_refuse_and_loses_no_admission(void **state)
{
        (void)state;
        char path[64];
        int fd = stuck_fifo(path);
        struct event_hub *hub = hub_new(1, 64);
        struct event_sink *sink = event_hub_sink(hub, 0);
        struct observer *o = start(path, "off", hub);
        /* Until it has stayed full for long enough that it can't be only late. */
        uint64_t recorded = 0;
        int64_t full_since = 0;
        while (full_since == 0 || now_ms() - full_since < 300) {
                if (event_handshake(sink,
                                    &(struct handshake_facts){.admitted = true, .connection = 1})) {
                        recorded++;
                        full_since = 0;
                } else if (full_since == 0) {
                        full_since = now_ms();
                }
                event_sink_turn(sink);
                sched_yield();
        }
        assert_true(recorded > 64);
        struct buffer all;
        buffer_init(&all, 64 << 20);
        /* The reader comes back: everything is there, in one piece, and admissions go on. */
        event_handshake(sink, &(struct handshake_facts){.reason = REASON_AUDIT_FULL,
                                                        .sni = SLICE("the-refusal")});
        event_sink_turn(sink);
        char last[32];
        snprintf(last, sizeof(last), "\"connection\":99");
        while (!event_handshake(sink,
                                &(struct handshake_facts){.admitted = true, .connection = 99})) {
                struct pollfd p = {.fd = fd, .events = POLLIN};
                assert_int_equal(poll(&p, 1, 10000), 1);
                char *room = buffer_reserve(&all, 65536);
                ssize_t got = read(fd, room, 65536);
                assert_true(got > 0);
                all.len += (size_t)got;
        }
        event_sink_turn(sink);
        read_until(fd, &all, last);
        while (all.data[all.len - 1] != '\n')
                read_until(fd, &all, "\n");
        struct tally t = tally_text(buffer_slice(&all));
        assert_int_equal(t.connections, recorded + 99);
        assert_int_equal(t.lost_admissions, 0);
        buffer_done(&all);
        observer_stop(o);
        event_hub_free(hub);
        close(fd);
        unlink(path);
}

static void a_refused_request_stands_in_both_logs(void **state)
{
        (void)state;
        char audit[64], access[64];
        temp_path(audit);
        temp_path(access);
        struct event_hub *hub = hub_new(1, 64);
        struct event_sink *sink = event_hub_sink(hub, 0);
        struct observer *o = start(audit, access, hub);
        event_request(sink, &(struct request_facts){.status = 403, .reason = REASON_DENIED});
        event_request(sink, &(struct request_facts){.status = 403});
        event_request(sink,
                      &(struct request_facts){.status = 200, .report_only = REASON_NOT_PINNED});
        event_sink_turn(sink);
        observer_stop(o);
        struct tally t = tally_file(audit);
        assert_int_equal(t.requests, 0);
        assert_int_equal(t.requests_refused, 1);
        t = tally_file(access);
        assert_int_equal(t.requests, 3);
        assert_int_equal(t.requests_refused, 0);
        event_hub_free(hub);
        unlink(audit);
        unlink(access);
}

static void a_stuck_access_log_neither_waits_nor_touches_the_audit_log(void **state)
{
        (void)state;
        char fifo[64], audit[64];
        int fd = stuck_fifo(fifo);
        temp_path(audit);
        struct event_hub *hub = hub_new(1, 4096);
        struct event_sink *sink = event_hub_sink(hub, 0);
        struct observer *o = start(audit, fifo, hub);
        while (observer_lines_lost(o) == 0) {
                event_request(sink,
                              &(struct request_facts){.status = 200,
                                                      .path = SLICE("/a-path-of-some-length")});
                event_sink_turn(sink);
        }
        assert_true(event_handshake(sink,
                                    &(struct handshake_facts){.admitted = true, .connection = 5}));
        event_sink_turn(sink);
        int64_t before = now_ms();
        observer_stop(o);
        assert_true(now_ms() - before < 5000);
        struct tally t = tally_file(audit);
        assert_int_equal(t.connections, 5);
        event_hub_free(hub);
        close(fd);
        unlink(fifo);
        unlink(audit);
}

static void a_log_that_can_not_be_opened_is_an_error_that_names_it(void **state)
{
        (void)state;
        struct event_hub *hub = hub_new(1, 16);
        struct error err = {0};
        assert_null(observer_start(&(struct observe_options){.audit_log = "/nowhere/at/all"}, hub,
                                   &err));
        assert_non_null(strstr(err.text, "--audit-log: /nowhere/at/all"));
        event_hub_free(hub);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_that_workers_emit_is_in_the_logs_or_in_a_gap),
                cmocka_unit_test(
                        a_stuck_audit_log_makes_strict_audit_refuse_and_loses_no_admission),
                cmocka_unit_test(a_refused_request_stands_in_both_logs),
                cmocka_unit_test(a_stuck_access_log_neither_waits_nor_touches_the_audit_log),
                cmocka_unit_test(a_log_that_can_not_be_opened_is_an_error_that_names_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
