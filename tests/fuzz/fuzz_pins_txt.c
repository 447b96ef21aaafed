#include "fuzz.h"
#include "base/buffer.h"
#include "trust/pin_set.h"
#include "text/time.h"

static struct pin_set *set_of(struct slice text)
{
        struct pin_set_builder *builder = pin_set_builder_new();
        pin_set_builder_add_text(builder, text);
        return pin_set_build(builder);
}

static void print_pin(const struct pin *pin, struct buffer *out)
{
        char text[PIN_TEXT_SIZE], time[TIME_SIZE];
        must(buffer_printf(out, "%s:%s", pin->kind == PIN_SPKI ? "spki" : "cert",
                           pin_text_print(pin->kind, &pin->digest, text)));
        if (pin->name.len > 0)
                must(buffer_printf(out, " name=%.*s", SLICE_ARG(pin->name)));
        if (pin->owner.len > 0)
                must(buffer_printf(out, " owner=%.*s", SLICE_ARG(pin->owner)));
        if (pin->not_before != PIN_ALWAYS_FROM)
                must(buffer_printf(out, " not-before=%s", time_print(pin->not_before, time)));
        if (pin->not_after != PIN_ALWAYS_UNTIL)
                must(buffer_printf(out, " not-after=%s", time_print(pin->not_after, time)));
        must(buffer_append(out, SLICE("\n")));
}

/* Every pin that was read is found while its window is open, and under its own kind. */
static void check_find(const struct pin_set *set, const struct pin *pin)
{
        struct pin_match match;
        must(pin->not_before < pin->not_after);
        must(pin_set_find(set, pin->kind, &pin->digest, pin->not_before, &match) == PIN_OPEN);
        must(match.not_before <= pin->not_before && pin->not_before < match.not_after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct pin_set *set = set_of(slice_from(data, size));
        struct buffer canonical;
        struct pin pin;
        size_t at = 0, count = 0;
        buffer_init(&canonical, 1 << 26);
        while (pin_set_next(set, &at, &pin)) {
                check_find(set, &pin);
                print_pin(&pin, &canonical);
                count++;
        }
        must(count == pin_set_count(set));
        /* The same pins in another order and writing are the same set. */
        struct pin_set *again = set_of(buffer_slice(&canonical));
        must(pin_set_faults(again)->count == 0 && pin_set_count(again) == count);
        must(digest_equal(pin_set_digest(set), pin_set_digest(again)));
        pin_set_unref(again);
        pin_set_unref(set);
        buffer_done(&canonical);
        return 0;
}
