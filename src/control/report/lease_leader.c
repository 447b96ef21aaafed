/* The election: read it, judge it, write it under the condition that nobody did in between. */
#include <stdlib.h>

#include "base/must.h"
#include "control/report/lease_parts.h"
#include "text/json.h"

enum {
        RENEW_EACH_MS = 2000,
        LOOK_EACH_MS = 600, /* of those that follow, and as much jitter at most */
        LOOK_JITTER_MS = 350,
        RETRY_MS = 1000,
};

static void attempt(struct lease *lease);
static void release(struct lease *lease);

/* --- states --- */

static const unsigned may_become[] = {
        [LEADER_FOLLOWS] = BIT(LEADER_LEADS) | BIT(LEADER_RELEASES) | BIT(LEADER_DONE),
        [LEADER_LEADS] = BIT(LEADER_FOLLOWS) | BIT(LEADER_RELEASES) | BIT(LEADER_DONE),
        [LEADER_RELEASES] = BIT(LEADER_DONE),
        [LEADER_DONE] = 0,
};

/* What follows from it is told here alone. */
static void become(struct lease *lease, enum leader_state state)
{
        struct lease_leader *leader = &lease->leader;
        bool led = leader->state == LEADER_LEADS, leads = state == LEADER_LEADS;
        must(may_become[leader->state] & BIT(state));
        leader->state = state;
        if (led == leads)
                return;
        if (leads)
                lease_watch_start(lease);
        else
                lease_watch_stop(lease);
        if (!leads)
                uv_timer_stop(&leader->deadline);
        if (lease->options.sink)
                event_lifecyclef(lease->options.sink, leads ? "leads" : "follows", "%.*s",
                                 SLICE_ARG(lease->options.identity));
        if (lease->state == LEASE_OPEN)
                lease->options.on_leading(leads, lease->options.self);
}

static void on_timer(uv_timer_t *timer)
{
        attempt(timer->data);
}

static void attempt_in(struct lease *lease, uint64_t ms)
{
        if (lease->state == LEASE_OPEN)
                must(uv_timer_start(&lease->leader.timer, on_timer, ms, 0) == 0);
}

static void attempt_later(struct lease *lease)
{
        attempt_in(lease, lease->leader.state == LEADER_LEADS
                                  ? RENEW_EACH_MS
                                  : LOOK_EACH_MS + lease_jitter(LOOK_JITTER_MS));
}

static void on_deadline(uv_timer_t *timer)
{
        struct lease *lease = timer->data;
        bool failing = false;
        lease_warn(lease, &failing, "pingate-leader", SLICE("could not be renewed for 10 s"));
        become(lease, LEADER_FOLLOWS);
}

/* From the moment it was sent: the server may have written it as early as that. */
static void renewed(struct lease *lease)
{
        struct lease_leader *leader = &lease->leader;
        uint64_t now = lease_now_ms();
        uint64_t passed = now - leader->sent_ms;
        if (passed >= LEASE_RENEW_MS)
                return;
        leader->renewed_ms = leader->sent_ms;
        uv_update_time(lease->options.loop);
        must(uv_timer_start(&leader->deadline, on_deadline, LEASE_RENEW_MS - passed, 0) == 0);
        if (leader->state == LEADER_FOLLOWS)
                become(lease, LEADER_LEADS);
}

/* --- calls --- */

static void call(struct lease *lease, const char *method, struct slice body,
                 void (*on_done)(const struct kube_answer *answer, void *self))
{
        struct arena arena;
        bool creates = lease->leader.move == LEASE_CREATE && body.len > 0;
        arena_init(&arena, 512);
        struct kube_request request = {
                .method = method,
                .path = creates ? lease->collection : lease_path(lease, &arena, LEASE_LEADER_NAME),
                .body = body,
                .timeout_ms = LEASE_CALL_MS,
                .body_max = LEASE_BODY_MAX,
                .self = lease,
                .on_done = on_done,
        };
        must(lease->leader.call == NULL);
        lease->leader.sent_ms = lease_now_ms();
        lease->leader.call = kube_call_start(lease->options.client, &request);
        arena_done(&arena);
}

/* False: the answer holds no Lease. */
static bool see(struct lease *lease, const struct kube_answer *answer)
{
        struct arena arena;
        struct node *object;
        struct lease_record record;
        struct error err;
        arena_init(&arena, 4096);
        bool ok = json_parse(&arena, answer->body, "lease", &object, &err) &&
                  lease_record_read(object, &record, &err);
        if (ok)
                lease_sight_update(&lease->leader.sight, &record, lease_now_ms());
        else
                lease_warn(lease, &lease->leader.failing, "pingate-leader", slice_of(err.text));
        arena_done(&arena);
        return ok;
}

static void failed(struct lease *lease, const struct kube_answer *answer)
{
        lease_warn_answer(lease, &lease->leader.failing, "pingate-leader", answer);
        attempt_in(lease, RETRY_MS + lease_jitter(LOOK_JITTER_MS));
}

/* Of a call that a closing lease has waited for: true, and it goes on to let go. */
static bool ends_here(struct lease *lease)
{
        lease->leader.call = NULL;
        if (lease->state == LEASE_OPEN)
                return false;
        release(lease);
        return true;
}

static void on_written(const struct kube_answer *answer, void *self)
{
        struct lease *lease = self;
        struct lease_leader *leader = &lease->leader;
        bool good = answer->fault.len == 0 && see(lease, answer);
        leader->stale = !good;
        if (good && lease->state == LEASE_OPEN) {
                leader->failing = false;
                renewed(lease);
        }
        if (ends_here(lease))
                return;
        if (good)
                attempt_later(lease);
        else if (answer->status == 409 || (answer->status == 404 && leader->move != LEASE_CREATE))
                attempt_in(lease, leader->state == LEADER_LEADS ? 0 : lease_jitter(LOOK_JITTER_MS));
        else
                failed(lease, answer);
}

static void write_it(struct lease *lease, enum lease_move move)
{
        struct buffer body;
        buffer_init(&body, LEASE_BODY_MAX);
        lease->leader.move = move;
        must(lease_leader_print(&lease->leader.sight, move, lease->holder, lease_unix_us(), &body));
        call(lease, move == LEASE_CREATE ? "POST" : "PUT", buffer_slice(&body), on_written);
        buffer_done(&body);
}

static void on_read(const struct kube_answer *answer, void *self)
{
        struct lease *lease = self;
        struct lease_leader *leader = &lease->leader;
        bool missing = answer->status == 404;
        bool good = missing || (answer->fault.len == 0 && see(lease, answer));
        if (missing)
                lease_sight_update(&leader->sight, NULL, lease_now_ms());
        leader->stale = !good;
        if (ends_here(lease))
                return;
        if (!good) {
                failed(lease, answer);
                return;
        }
        enum lease_move move = lease_judge(&leader->sight, lease->holder, lease_now_ms());
        if (move != LEASE_WAIT) {
                write_it(lease, move);
                return;
        }
        leader->failing = false;
        if (leader->state == LEADER_LEADS)
                become(lease, LEADER_FOLLOWS);
        attempt_later(lease);
}

/* A leader that knows the version writes without a look. */
static void attempt(struct lease *lease)
{
        struct lease_leader *leader = &lease->leader;
        if (leader->call)
                return;
        if (leader->state == LEADER_LEADS && !leader->stale && leader->sight.exists)
                write_it(lease, LEASE_RENEW);
        else
                call(lease, "GET", SLICE_NONE, on_read);
}

/* --- release --- */

static void done(struct lease *lease)
{
        become(lease, LEADER_DONE);
        lease_part_done(lease);
}

static void on_released(const struct kube_answer *answer, void *self)
{
        struct lease *lease = self;
        lease->leader.call = NULL;
        if (answer->fault.len > 0)
                lease_warn_answer(lease, &lease->leader.failing, "pingate-leader: not let go of",
                                  answer);
        done(lease);
}

/* Again after each answer, until it is known to be another's or ours to let go of. */
static void release(struct lease *lease)
{
        struct lease_leader *leader = &lease->leader;
        struct buffer body;
        if (leader->call)
                return;
        if (leader->stale) {
                call(lease, "GET", SLICE_NONE, on_read);
                return;
        }
        if (!leader->sight.exists || !slice_equal(leader->sight.record.holder, lease->holder)) {
                done(lease);
                return;
        }
        buffer_init(&body, LEASE_BODY_MAX);
        leader->move = LEASE_RENEW;
        must(lease_release_print(&leader->sight, lease_unix_us(), &body));
        call(lease, "PUT", buffer_slice(&body), on_released);
        buffer_done(&body);
}

void lease_leader_release(struct lease *lease)
{
        uv_timer_stop(&lease->leader.timer);
        become(lease, LEADER_RELEASES);
        release(lease);
}

/* --- open, close, ask --- */

void lease_leader_open(struct lease *lease)
{
        lease_sight_init(&lease->leader.sight);
        lease->leader.stale = true;
        lease_timer_open(lease, &lease->leader.timer);
        lease_timer_open(lease, &lease->leader.deadline);
        attempt_in(lease, 0);
}

void lease_leader_close(struct lease *lease)
{
        kube_call_cancel(lease->leader.call);
        lease->leader.call = NULL;
        lease_sight_done(&lease->leader.sight);
}

bool lease_leads(const struct lease *lease)
{
        const struct lease_leader *leader = &lease->leader;
        return leader->state == LEADER_LEADS &&
               lease_now_ms() - leader->renewed_ms < LEASE_RENEW_MS;
}
