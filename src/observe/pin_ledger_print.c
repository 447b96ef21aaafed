#include "observe/format_field.h"
#include "observe/metric_text.h"
#include "observe/pin_ledger_state.h"
#include "snapshot/snapshot.h"
#include "text/time.h"

/* ---- what a book says as a whole ---- */

/* Of names that are over nobody waits for a successor: they are a warning of their own. */
static const struct pin_name_record *next_to_end(const struct pin_book *book, int64_t now_s)
{
        const struct pin_name_record *next = NULL;
        for (size_t i = 0; i < book->name_count; i++) {
                const struct pin_name_record *record = book->names[i];
                if (record->not_after > now_s && record->not_after < PIN_ALWAYS_UNTIL &&
                    (!next || record->not_after < next->not_after))
                        next = record;
        }
        return next;
}

static bool never_matched(const struct pin_name_record *record)
{
        return record->use.matches == 0;
}

static uint64_t expired_count(const struct pin_book *book, int64_t now_s)
{
        uint64_t count = 0;
        for (size_t i = 0; i < book->name_count; i++)
                count += book->names[i]->not_after <= now_s;
        return count;
}

static uint64_t never_matched_count(const struct pin_book *book)
{
        uint64_t count = 0;
        for (size_t i = 0; i < book->name_count; i++)
                count += never_matched(book->names[i]);
        return count;
}

/* ---- metrics ---- */

struct measuring {
        struct buffer *out, labels;
};

typedef bool (*set_sample_fn)(struct measuring *m, const char *metric,
                              const struct pin_set_record *record);
typedef bool (*name_sample_fn)(struct measuring *m, const char *metric,
                               const struct pin_name_record *record);

static bool set_pins(struct measuring *m, const char *metric, const struct pin_set_record *record)
{
        return metric_sample(m->out, metric, buffer_slice(&m->labels), record->pins);
}

static bool set_faults(struct measuring *m, const char *metric, const struct pin_set_record *record)
{
        return metric_sample(m->out, metric, buffer_slice(&m->labels), record->faults);
}

static bool set_matches(struct measuring *m, const char *metric,
                        const struct pin_set_record *record)
{
        return metric_sample(m->out, metric, buffer_slice(&m->labels), record->use.matches);
}

static bool set_changed(struct measuring *m, const char *metric,
                        const struct pin_set_record *record)
{
        return metric_seconds(m->out, metric, buffer_slice(&m->labels), record->changed_ms);
}

static bool name_matches(struct measuring *m, const char *metric,
                         const struct pin_name_record *record)
{
        return metric_sample(m->out, metric, buffer_slice(&m->labels), record->use.matches);
}

static bool name_last(struct measuring *m, const char *metric, const struct pin_name_record *record)
{
        return record->use.last_ms == 0 ||
               metric_seconds(m->out, metric, buffer_slice(&m->labels), record->use.last_ms);
}

static bool name_ends(struct measuring *m, const char *metric, const struct pin_name_record *record)
{
        return record->not_after == PIN_ALWAYS_UNTIL ||
               metric_sample(m->out, metric, buffer_slice(&m->labels),
                             record->not_after > 0 ? (uint64_t)record->not_after : 0);
}

static const struct set_family {
        const char *metric, *type, *help;
        set_sample_fn sample;
} set_families[] = {
        {"pingate_pin_set_pins", "gauge", "Pins of one set.", set_pins},
        {"pingate_pin_set_faults", "gauge",
         "Entries of one set that can't be read and match nobody.", set_faults},
        {"pingate_pin_set_matches_total", "counter",
         "Handshakes let in, and requests past the policies of their route, whose client matched "
         "a pin of this set.",
         set_matches},
        {"pingate_pin_set_changed_timestamp_seconds", "gauge",
         "Unix time at which the pins of this set last changed, or were first read.", set_changed},
};

static const struct name_family {
        const char *metric, *type, *help;
        name_sample_fn sample;
} name_families[] = {
        {"pingate_pin_matches_total", "counter",
         "Handshakes let in, and requests past the policies of their route, whose client matched "
         "a pin of this name.",
         name_matches},
        {"pingate_pin_last_matched_timestamp_seconds", "gauge",
         "Unix time of the last of them; not there before the first.", name_last},
        {"pingate_pin_not_after_timestamp_seconds", "gauge",
         "Unix time at which the last pin of this name ends; not there where one never does.",
         name_ends},
};

static bool label_pair(struct measuring *m, struct slice policy, const char *name,
                       struct slice value)
{
        buffer_clear(&m->labels);
        return metric_label(&m->labels, "policy", policy) && metric_label(&m->labels, name, value);
}

static bool set_sample(struct measuring *m, const struct set_family *family,
                       const struct pin_set_record *record)
{
        return label_pair(m, record->policy, "set", record->set) &&
               family->sample(m, family->metric, record);
}

static bool set_family_print(struct measuring *m, const struct set_family *family,
                             const struct pin_book *book)
{
        if (!metric_head(m->out, family->metric, family->type, family->help))
                return false;
        for (size_t i = 0; i < book->set_count; i++)
                if (!set_sample(m, family, book->sets[i]))
                        return false;
        return book->other_set_count == 0 || set_sample(m, family, &book->other_sets);
}

static bool name_sample(struct measuring *m, const struct name_family *family,
                        const struct pin_name_record *record)
{
        return label_pair(m, record->policy, "name", record->name) &&
               family->sample(m, family->metric, record);
}

static bool name_family_print(struct measuring *m, const struct name_family *family,
                              const struct pin_ledger *ledger)
{
        const struct pin_book *book = ledger->book;
        const struct pin_name_record other = {.policy = SLICE("other"),
                                              .name = SLICE("other"),
                                              .not_after = PIN_ALWAYS_UNTIL,
                                              .use = ledger->other_names};
        if (!metric_head(m->out, family->metric, family->type, family->help))
                return false;
        for (size_t i = 0; i < book->name_count; i++)
                if (!name_sample(m, family, book->names[i]))
                        return false;
        return book->untracked == 0 || name_sample(m, family, &other);
}

static bool totals_print(const struct pin_book *book, int64_t now_ms, struct buffer *out)
{
        const struct pin_name_record *next = next_to_end(book, now_ms / 1000);
        return metric_gauge(out, "pingate_pin_names", "Names of pins that are followed one by one.",
                            book->name_count) &&
               metric_gauge(out, "pingate_pin_names_never_matched",
                            "Of those, the ones that have let in nobody since the start.",
                            never_matched_count(book)) &&
               metric_gauge(out, "pingate_pin_names_expired",
                            "Of those, the ones of which every pin is over.",
                            expired_count(book, now_ms / 1000)) &&
               metric_gauge(out, "pingate_pins_untracked",
                            "Pins beyond what is followed by name; their matches count as other.",
                            book->untracked) &&
               metric_time(out, "pingate_pin_earliest_not_after_timestamp_seconds",
                           "Unix time at which the next of those names ends.",
                           next ? next->not_after * 1000 : 0);
}

bool pin_ledger_measure(struct pin_ledger *ledger, int64_t now_ms, struct buffer *out)
{
        struct measuring m = {.out = out};
        buffer_init(&m.labels, 4096);
        pthread_mutex_lock(&ledger->lock);
        bool ok = totals_print(ledger->book, now_ms, out);
        for (size_t i = 0; i < COUNT_OF(set_families); i++)
                ok = ok && set_family_print(&m, &set_families[i], ledger->book);
        for (size_t i = 0; i < COUNT_OF(name_families); i++)
                ok = ok && name_family_print(&m, &name_families[i], ledger);
        pthread_mutex_unlock(&ledger->lock);
        buffer_done(&m.labels);
        return ok;
}

/* ---- /status ---- */

static void field_moment(struct json_writer *w, const char *key, int64_t unix_ms)
{
        char text[TIME_SIZE];
        if (unix_ms != 0)
                json_field_text(w, key, time_print_ms(unix_ms, text));
}

static void set_print(struct json_writer *w, const struct pin_set_record *record)
{
        json_begin_object(w);
        json_field_string(w, "policy", record->policy);
        json_field_string(w, "set", record->set);
        json_field_unsigned(w, "pins", record->pins);
        json_field_unsigned(w, "faults", record->faults);
        json_field_unsigned(w, "matches", record->use.matches);
        field_moment(w, "last_matched", record->use.last_ms);
        field_moment(w, "changed", record->changed_ms);
        json_end_object(w);
}

static void sets_print(struct json_writer *w, const struct pin_book *book)
{
        json_key(w, SLICE("sets"));
        json_begin_array(w);
        for (size_t i = 0; i < book->set_count; i++)
                set_print(w, book->sets[i]);
        if (book->other_set_count > 0)
                set_print(w, &book->other_sets);
        json_end_array(w);
}

static void name_print(struct json_writer *w, const struct pin_name_record *record)
{
        json_begin_object(w);
        json_field_string(w, "policy", record->policy);
        json_field_string(w, "name", record->name);
        if (record->not_after < PIN_ALWAYS_UNTIL)
                field_moment(w, "not_after", record->not_after * 1000);
        json_end_object(w);
}

static void never_matched_print(struct json_writer *w, const struct pin_book *book)
{
        json_key(w, SLICE("never_matched"));
        json_begin_array(w);
        for (size_t i = 0; i < book->name_count; i++)
                if (never_matched(book->names[i]))
                        name_print(w, book->names[i]);
        json_end_array(w);
}

void pin_ledger_print(struct pin_ledger *ledger, int64_t now_ms, struct json_writer *w)
{
        pthread_mutex_lock(&ledger->lock);
        const struct pin_book *book = ledger->book;
        const struct pin_name_record *next = next_to_end(book, now_ms / 1000);
        json_begin_object(w);
        json_field_unsigned(w, "names", book->name_count);
        json_field_unsigned(w, "expired", expired_count(book, now_ms / 1000));
        json_field_unsigned(w, "untracked", book->untracked);
        if (next) {
                json_key(w, SLICE("next_to_end"));
                name_print(w, next);
        }
        never_matched_print(w, book);
        sets_print(w, book);
        json_end_object(w);
        pthread_mutex_unlock(&ledger->lock);
}
