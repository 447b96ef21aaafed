#include "control/report/report.h"

#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "base/must.h"
#include "control/api/names.h"
#include "control/report/lease.h"
#include "control/report/report_events.h"
#include "control/report/status_writer.h"
#include "trust/hash.h"

enum {
        LOOK_MS_MIN = 2,
        LOOK_MS_MAX = 1000,
        /* For so long workers and replicas may be behind before it is told that they are. */
        SETTLE_MS = 2000,
        TURN_US = 2000,
        WON_MS = 500,     /* the same for who leads anew: others have waited for long enough */
        ENDS_MS = 600000, /* so often is it looked for what ends */
};

enum report_state {
        REPORT_EMPTY,    /* nothing was published */
        REPORT_SETTLING, /* the data plane has yet to serve what was published */
        REPORT_GIVING,   /* statuses go to the writer, a slice each turn */
        REPORT_TOLD,     /* it has them all; facts may change */
};

static const unsigned report_may_become[] = {
        [REPORT_EMPTY] = BIT(REPORT_SETTLING),
        [REPORT_SETTLING] = BIT(REPORT_SETTLING) | BIT(REPORT_GIVING),
        [REPORT_GIVING] = BIT(REPORT_SETTLING) | BIT(REPORT_TOLD),
        [REPORT_TOLD] = BIT(REPORT_SETTLING) | BIT(REPORT_GIVING),
};

/* What the data plane says at one time, and the statuses with that laid over. */
struct account {
        struct arena arena;
        struct served_facts facts;
        struct digest digest; /* of the facts */
};

struct report {
        struct report_options options;
        enum report_state state;
        const struct translation *translation; /* NULL before the first */
        struct status_writer *writer;
        struct gateway_crd *crd;
        struct kube_events *events;
        struct arena scratch;       /* of Events, for a moment */
        struct account accounts[2]; /* one is told, the other is looked at */
        unsigned told;              /* which */
        struct served_statuses statuses;
        size_t next;           /* of them, to be given */
        uint64_t unsettled_ms; /* when what is not told yet came */
        uint64_t pause_ms, ends_told_ms;
        unsigned absent; /* kinds, see report_lacks */
        bool led, won;   /* won: and not all is looked at again since */
        bool serves;     /* the Lease says so of this translation */
        uv_timer_t look;
        uv_idle_t giving;
        size_t open_handles;
};

static void become(struct report *report, enum report_state state)
{
        must(report_may_become[report->state] & BIT(state));
        report->state = state;
}

/* ---- what the data plane says ---- */

static struct slice replicas_print(const struct lease_replicas *replicas, struct arena *arena)
{
        size_t all = replicas->live + replicas->silent;
        struct slice behind = replicas->behind, unheard = replicas->unheard;
        return arena_printf(arena, "%zu of %zu replicas serve it%s%.*s%s%s%.*s%s",
                            replicas->agreeing, all, behind.len ? ", " : "", SLICE_ARG(behind),
                            behind.len ? " does not" : "", unheard.len ? ", " : "",
                            SLICE_ARG(unheard),
                            unheard.len ? " has not been heard of and may serve what was before: "
                                          "until its Lease is gone nobody knows"
                                        : "");
}

/* The other replicas: their Leases say what they serve. Only the leader sees them. */
static void replicas_lay(const struct report *report, struct account *account)
{
        struct served_facts *facts = &account->facts;
        struct lease_replicas replicas = {.known = true, .live = 1, .agreeing = 1};
        if (report->options.side.lease)
                replicas = lease_replicas(report->options.side.lease,
                                          &report->translation->snapshot->trust);
        if (!replicas.known && facts->unjudged.len == 0)
                facts->unjudged = SLICE("what the other replicas serve is not known yet");
        else if (replicas.agreeing < replicas.live + replicas.silent && facts->unjudged.len == 0)
                facts->unjudged = replicas_print(&replicas, &account->arena);
        facts->proof = arena_printf(&account->arena, "replicas %zu, probed", replicas.live);
}

/* Our own Lease says what all of our workers serve, and not before. */
static void lease_tell(struct report *report, const struct served_facts *facts)
{
        const struct snapshot *snapshot = report->translation->snapshot;
        if (report->serves || !report->options.side.lease || facts->unserved.len > 0 ||
            facts->unjudged.len > 0 || facts->probe_failure.len > 0)
                return;
        report->serves = true;
        lease_serve(report->options.side.lease, &snapshot->trust, snapshot->generation);
}

static struct digest facts_digest(const struct served_facts *facts)
{
        const struct slice texts[] = {facts->unserved, facts->unjudged, facts->probe_failure,
                                      facts->proof};
        struct hasher hasher;
        hasher_init(&hasher, "facts 1");
        for (size_t i = 0; i < COUNT_OF(texts); i++)
                hasher_bytes(&hasher, texts[i]);
        for (size_t i = 0; i < facts->fault_count; i++) {
                hasher_bytes(&hasher, facts->faults[i].port);
                hasher_number(&hasher, facts->faults[i].error);
        }
        return hasher_done(&hasher);
}

/* Upstream's word on the CRDs' release; what is not known is not said. */
static const struct object_status *class_lay(const struct gateway_crd_facts *crd,
                                             const struct object_status *given, struct arena *arena)
{
        if (given->kind != KIND_GATEWAY_CLASS || !crd->known)
                return given;
        struct object_status *status = ARENA_NEW(arena, struct object_status);
        *status = *given;
        condition_set(&status->conditions, "SupportedVersion", crd->supported,
                      crd->supported ? "SupportedVersion" : "UnsupportedVersion",
                      arena_printf(arena, "the Gateway API CRDs are of version %s%s",
                                   *crd->version ? crd->version : "unknown",
                                   crd->supported ? "" : ", wants " GATEWAY_API_SUPPORTED "x"));
        return status;
}

static struct account *account_take(struct report *report)
{
        struct account *account = &report->accounts[!report->told];
        arena_reset(&account->arena);
        account->facts = (struct served_facts){.translation = report->translation};
        report->options.on_facts(&account->facts, &account->arena, report->options.self);
        lease_tell(report, &account->facts);
        replicas_lay(report, account);
        account->digest = facts_digest(&account->facts);
        return account;
}

static bool is_settled(const struct served_facts *facts)
{
        return facts->unserved.len == 0 && facts->unjudged.len == 0 &&
               facts->probe_failure.len == 0;
}

/* ---- to the writer ---- */

static struct report_events events_of(struct report *report)
{
        arena_reset(&report->scratch);
        return (struct report_events){.events = report->events,
                                      .store = report->options.side.store,
                                      .scratch = &report->scratch};
}

static void give_next(struct report *report)
{
        const struct object_status *status = report->statuses.items[report->next++];
        struct report_events events = events_of(report);
        struct gateway_crd_facts crd = gateway_crd_facts(report->crd);
        status = class_lay(&crd, status, &report->accounts[report->told].arena);
        status_writer_give(report->writer, status);
        if (report->led)
                report_events_status(&events, status);
}

static void on_giving(uv_idle_t *idle)
{
        struct report *report = idle->data;
        uint64_t until = uv_hrtime() + TURN_US * 1000ull;
        while (report->next < report->statuses.count && uv_hrtime() < until)
                give_next(report);
        if (report->next < report->statuses.count)
                return;
        uv_idle_stop(idle);
        become(report, REPORT_TOLD);
        status_writer_end(report->writer);
        if (report->won)
                status_writer_look_again(report->writer);
        report->won = false;
}

static void give(struct report *report, struct account *account)
{
        become(report, REPORT_GIVING);
        status_writer_begin(report->writer);
        report->told = !report->told;
        must(account == &report->accounts[report->told]);
        report->statuses = served_statuses(&account->facts, &account->arena);
        report->next = 0;
        report->unsettled_ms = 0;
        must(uv_idle_start(&report->giving, on_giving) == 0);
}

/* Until then nothing is written: what the writer points to may be gone. */
static void settle(struct report *report)
{
        status_writer_begin(report->writer);
        become(report, REPORT_SETTLING);
        if (report->unsettled_ms == 0)
                report->unsettled_ms = uv_now(report->options.side.loop);
}

static void on_look(uv_timer_t *timer);

static void look_in(struct report *report, uint64_t pause_ms)
{
        report->pause_ms = pause_ms < LOOK_MS_MAX ? pause_ms : LOOK_MS_MAX;
        must(uv_timer_start(&report->look, on_look, report->pause_ms, 0) == 0);
}

/* Whoever wins it does not know the other replicas yet. */
static void leadership_look(struct report *report)
{
        bool led = report->led;
        report->led = api_side_leads(&report->options.side);
        if (!report->led || led)
                return;
        report->won = true;
        if (report->state == REPORT_EMPTY)
                return;
        uv_idle_stop(&report->giving);
        settle(report);
}

/* Someone is behind: the other replicas as well, that heard of a change before us. */
static bool is_over(struct report *report, const struct account *account)
{
        uint64_t now = uv_now(report->options.side.loop);
        bool changed = !digest_equal(&account->digest, &report->accounts[report->told].digest);
        if (report->state == REPORT_TOLD && !changed)
                report->unsettled_ms = 0;
        else if (report->unsettled_ms == 0)
                report->unsettled_ms = now;
        if (report->state == REPORT_TOLD && !changed)
                return false;
        return is_settled(&account->facts) || !report->led ||
               now >= report->unsettled_ms + (report->won ? WON_MS : SETTLE_MS);
}

/* By the clock, so without any change. */
static void ends_look(struct report *report)
{
        uint64_t now = uv_now(report->options.side.loop);
        if (!report->led || report->state != REPORT_TOLD ||
            (report->ends_told_ms && now < report->ends_told_ms + ENDS_MS))
                return;
        report->ends_told_ms = now;
        struct report_events events = events_of(report);
        struct gateway_crd_facts crd = gateway_crd_facts(report->crd);
        report_events_expiries(&events, report->translation->snapshot, (int64_t)time(NULL));
        report_events_crd(&events, &crd, report->translation);
}

static void look(struct report *report)
{
        leadership_look(report);
        ends_look(report);
        if (report->state == REPORT_EMPTY || report->state == REPORT_GIVING)
                return;
        struct account *account = account_take(report);
        if (is_over(report, account))
                give(report, account);
}

static void on_look(uv_timer_t *timer)
{
        struct report *report = timer->data;
        look(report);
        look_in(report, report->pause_ms * 2);
}

/* ---- what control says ---- */

void report_take(struct report *report, const struct translation *translation)
{
        uv_idle_stop(&report->giving);
        settle(report);
        report->translation = translation;
        report->ends_told_ms = 0;
        report->serves = false;
        look_in(report, LOOK_MS_MIN);
}

void report_look(struct report *report)
{
        look_in(report, LOOK_MS_MIN);
}

void report_heard(struct report *report, enum object_kind kind, struct slice namespace,
                  struct slice name)
{
        status_writer_heard(report->writer, kind, namespace, name);
}

void report_fault(struct report *report, struct slice text)
{
        if (!report->led || text.len == 0)
                return;
        arena_reset(&report->scratch);
        struct kube_event event = {.api_version = SLICE("v1"),
                                   .kind = SLICE("Pod"),
                                   .namespace = report->options.namespace,
                                   .name = name_fit(&report->scratch, report->options.identity),
                                   .reason = "SourceFailing",
                                   .action = "Read",
                                   .text = text};
        kube_events_say(report->events, &event);
}

static void claim(struct report *report)
{
        struct features_ground ground = {.pooled = report->options.pooled,
                                         .retry = gateway_crd_facts(report->crd).keeps_retry,
                                         .absent = report->absent};
        status_writer_claim(report->writer, ground);
}

void report_lacks(struct report *report, unsigned kinds)
{
        if (report->absent == kinds)
                return;
        report->absent = kinds;
        claim(report);
}

static void on_crd(void *self)
{
        struct report *report = self;
        claim(report);
        report->ends_told_ms = 0;
        if (report->state == REPORT_GIVING || report->state == REPORT_TOLD) {
                uv_idle_stop(&report->giving);
                settle(report);
        }
        look_in(report, LOOK_MS_MIN);
}

/* ---- life ---- */

struct report *report_open(const struct report_options *options)
{
        struct report *report = NEW(struct report);
        const struct api_side *side = &options->side;
        struct status_writer_options writer = {.side = *side,
                                               .ground = {.pooled = options->pooled}};
        report->options = *options;
        struct kube_events_options events = {.loop = side->loop,
                                             .client = side->client,
                                             .identity = options->identity,
                                             .sink = side->sink};
        struct gateway_crd_options crd = {.loop = side->loop,
                                          .client = side->client,
                                          .sink = side->sink,
                                          .self = report,
                                          .on_change = on_crd};
        report->writer = status_writer_open(&writer);
        report->events = kube_events_open(&events);
        report->crd = gateway_crd_open(&crd);
        for (size_t i = 0; i < COUNT_OF(report->accounts); i++)
                arena_init(&report->accounts[i].arena, 64 * 1024);
        arena_init(&report->scratch, 8192);
        must(uv_timer_init(side->loop, &report->look) == 0);
        must(uv_idle_init(side->loop, &report->giving) == 0);
        report->look.data = report->giving.data = report;
        report->open_handles = 2;
        return report;
}

static void on_closed(uv_handle_t *handle)
{
        struct report *report = handle->data;
        if (--report->open_handles > 0)
                return;
        for (size_t i = 0; i < COUNT_OF(report->accounts); i++)
                arena_done(&report->accounts[i].arena);
        arena_done(&report->scratch);
        free(report);
}

void report_close(struct report *report)
{
        if (!report)
                return;
        status_writer_close(report->writer);
        kube_events_close(report->events);
        gateway_crd_close(report->crd);
        uv_close((uv_handle_t *)&report->look, on_closed);
        uv_close((uv_handle_t *)&report->giving, on_closed);
}
