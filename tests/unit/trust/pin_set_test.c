#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "test_pki.h"
#include "trust/certificate.h"
#include "trust/hash.h"
#include "trust/pin_set.h"

enum {
        MILLION = 1000000,
        BYTES_A_PIN_MAX = 64,
};

#define A "df6ff7aa01234567890abcdeffedcba9876543210f1e2d3c4b5a69788796a5b4"
#define B "11111111111111111111111111111111111111111111111111111111111111aa"
#define C "2222222222222222222222222222222222222222222222222222222222222222"

static struct pin_set *set_of(const char *pins_txt)
{
        struct pin_set_builder *builder = pin_set_builder_new();
        pin_set_builder_add_text(builder, slice_of(pins_txt));
        return pin_set_build(builder);
}

static struct digest digest_of(const char *hex)
{
        struct digest digest;
        assert_true(pin_text_parse(slice_of(hex), PIN_SPKI, &digest, NULL));
        return digest;
}

static enum pin_presence find(const struct pin_set *set, enum pin_kind kind, const char *hex,
                              int64_t now, struct pin_match *match)
{
        struct digest digest = digest_of(hex);
        struct pin_match unused;
        return pin_set_find(set, kind, &digest, now, match ? match : &unused);
}

static void an_empty_set_matches_nobody(void **state)
{
        (void)state;
        struct pin_set *set = set_of("# nothing\n\n   \t\n#spki:" A "\n");
        assert_int_equal(pin_set_count(set), 0);
        assert_int_equal(pin_set_faults(set)->count, 0);
        assert_int_equal(find(set, PIN_SPKI, A, 0, NULL), PIN_ABSENT);
        assert_int_equal(find(set, PIN_CERTIFICATE, A, 0, NULL), PIN_ABSENT);
        pin_set_unref(set);
}

static void a_hash_never_matches_as_the_other_kind(void **state)
{
        (void)state;
        struct pin_set *set = set_of("spki:" A "\ncert:" B "\n");
        assert_int_equal(find(set, PIN_SPKI, A, 0, NULL), PIN_OPEN);
        assert_int_equal(find(set, PIN_CERTIFICATE, A, 0, NULL), PIN_ABSENT);
        assert_int_equal(find(set, PIN_CERTIFICATE, B, 0, NULL), PIN_OPEN);
        assert_int_equal(find(set, PIN_SPKI, B, 0, NULL), PIN_ABSENT);
        pin_set_unref(set);
}

/* Adds a certificate's pins and asks for another's: 1 for a match. */
static int matches(enum pin_kind listed, struct digest pin, enum pin_kind asked, struct digest want)
{
        struct pin_set_builder *builder = pin_set_builder_new();
        struct pin entry = {.kind = listed,
                            .digest = pin,
                            .not_before = PIN_ALWAYS_FROM,
                            .not_after = PIN_ALWAYS_UNTIL};
        struct pin_match match;
        pin_set_builder_add(builder, &entry, 1);
        struct pin_set *set = pin_set_build(builder);
        int found = pin_set_find(set, asked, &want, PKI_NOW, &match) == PIN_OPEN;
        pin_set_unref(set);
        return found;
}

static void a_renewed_certificate_with_its_key_matches_by_spki_only(void **state)
{
        (void)state;
        struct pki_cert root = pki_make(NULL, &(struct pki_spec){.subject = "root", .ca = true});
        struct pki_cert leaf = pki_make(&root, &(struct pki_spec){.serial = 77});
        struct pki_cert renewed = pki_make(&root, &(struct pki_spec){.with_key = leaf.key});
        /* Same subject, serial, issuer and so the same AKI; another key. */
        struct pki_cert twin = pki_make(&root, &(struct pki_spec){.serial = 77});
        struct digest spki = certificate_spki_digest(leaf.x509),
                      cert = certificate_digest(leaf.x509);
        assert_int_equal(matches(PIN_SPKI, spki, PIN_SPKI, certificate_spki_digest(renewed.x509)),
                         1);
        assert_int_equal(
                matches(PIN_CERTIFICATE, cert, PIN_CERTIFICATE, certificate_digest(renewed.x509)),
                0);
        assert_int_equal(matches(PIN_SPKI, spki, PIN_SPKI, certificate_spki_digest(twin.x509)), 0);
        assert_int_equal(
                matches(PIN_CERTIFICATE, cert, PIN_CERTIFICATE, certificate_digest(twin.x509)), 0);
        /* The two lists swapped. */
        assert_int_equal(matches(PIN_CERTIFICATE, spki, PIN_SPKI, spki), 0);
        assert_int_equal(matches(PIN_SPKI, cert, PIN_CERTIFICATE, cert), 0);
        assert_int_equal(matches(PIN_CERTIFICATE, spki, PIN_CERTIFICATE, cert), 0);
        assert_int_equal(matches(PIN_SPKI, cert, PIN_SPKI, spki), 0);
        /* A CA that is pinned as issuer does not pin a leaf that bears the CA's key, nor the
         * reverse. */
        assert_int_equal(matches(PIN_ISSUER, spki, PIN_SPKI, spki), 0);
        assert_int_equal(matches(PIN_SPKI, spki, PIN_ISSUER, spki), 0);
        assert_int_equal(matches(PIN_ISSUER, spki, PIN_ISSUER, spki), 1);
        pki_done();
}

static void a_window_is_open_from_its_start_until_before_its_end(void **state)
{
        (void)state;
        struct pin_set *set = set_of("spki:" A " name=n not-before=1970-01-01T00:01:40Z "
                                     "not-after=1970-01-01T00:03:20Z\n");
        struct pin_match match;
        assert_int_equal(find(set, PIN_SPKI, A, 99, &match), PIN_CLOSED);
        assert_int_equal(find(set, PIN_SPKI, A, 100, &match), PIN_OPEN);
        assert_int_equal(match.not_before, 100);
        assert_int_equal(match.not_after, 200);
        assert_true(slice_is(match.name, "n"));
        assert_int_equal(find(set, PIN_SPKI, A, 199, &match), PIN_OPEN);
        assert_int_equal(find(set, PIN_SPKI, A, 200, &match), PIN_CLOSED);
        pin_set_unref(set);
}

static void one_digest_matches_while_any_of_its_windows_is_open(void **state)
{
        (void)state;
        struct pin_set *set = set_of(
                "spki:" A
                " name=first not-before=1970-01-01T00:00:10Z not-after=1970-01-01T00:00:20Z\n"
                "spki:" A
                " name=third not-before=1970-01-01T00:00:15Z not-after=1970-01-01T00:00:40Z\n"
                "spki:" A " name=last not-before=1970-01-01T00:01:00Z\n");
        static const struct {
                int64_t now;
                enum pin_presence presence;
                const char *name;
        } rows[] = {{9, PIN_CLOSED, "last"},          {10, PIN_OPEN, "first"},
                    {15, PIN_OPEN, "third"},          {19, PIN_OPEN, "third"},
                    {39, PIN_OPEN, "third"},          {40, PIN_CLOSED, "last"},
                    {59, PIN_CLOSED, "last"},         {60, PIN_OPEN, "last"},
                    {INT64_MAX - 1, PIN_OPEN, "last"}};
        assert_int_equal(pin_set_count(set), 3);
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct pin_match match;
                assert_int_equal(find(set, PIN_SPKI, A, rows[i].now, &match), rows[i].presence);
                assert_true(slice_is(match.name, rows[i].name));
        }
        pin_set_unref(set);
}

static void a_bad_line_is_named_and_the_others_stay_in_force(void **state)
{
        (void)state;
        static const struct {
                const char *line, *says;
        } rows[] = {
                {"spki:", "empty"},
                {"spki", "starts with"},
                {"SPKI:" A, "starts with"},
                {A, "starts with"},
                {"spki: " A, "empty"},
                {"cert:" A "00", "33 bytes"},
                {"spki:2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "20 bytes: this is SHA-1"},
                {"spki:" A " name=", "name has 0 characters"},
                {"spki:" A " name=-a", "name: byte 0x2d"},
                {"spki:" A " name=a name=b", "name stands twice"},
                {"spki:" A " owner=", "owner has 0 characters"},
                {"spki:" A " nmae=x", "unknown field"},
                {"spki:" A " name", "unknown field"},
                {"spki:" A " Name=x", "unknown field"},
                {"spki:" A " not-before=tomorrow", "not-before: "},
                {"spki:" A " not-after=2026-13-01T00:00:00Z", "not-after: "},
                {"spki:" A " not-before=2027-01-01T00:00:00Z not-after=2026-01-01T00:00:00Z", ""},
                {"spki:" A " not-before=2027-01-01T00:00:00Z not-after=2027-01-01T00:00:00Z", ""},
                {"spki:" A " " B, "unknown field"},
                {"cert:sha256 " A, ""},
                {"spki:" A "\rx", "white space"},
                {"deny:" A, "starts with"},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                char text[512];
                snprintf(text, sizeof(text), "cert:%s\n%s\nspki:%s", C, rows[i].line, B);
                struct pin_set *set = set_of(text);
                const struct pin_faults *faults = pin_set_faults(set);
                if (faults->count != 1 || pin_set_count(set) != 2)
                        fail_msg("%s: %zu faults, %zu pins", rows[i].line, faults->count,
                                 pin_set_count(set));
                assert_int_equal(faults->kept[0].line, 2);
                if (!strstr(faults->kept[0].text, rows[i].says) || !faults->kept[0].text[0])
                        fail_msg("%s: %s", rows[i].line, faults->kept[0].text);
                assert_int_equal(find(set, PIN_SPKI, A, 0, NULL), PIN_ABSENT);
                assert_int_equal(find(set, PIN_CERTIFICATE, A, 0, NULL), PIN_ABSENT);
                assert_int_equal(find(set, PIN_SPKI, B, 0, NULL), PIN_OPEN);
                pin_set_unref(set);
        }
}

static void all_faults_are_counted_and_the_first_sixteen_described(void **state)
{
        (void)state;
        struct pin_set_builder *builder = pin_set_builder_new();
        for (size_t i = 0; i < 1000; i++)
                pin_set_builder_add_text(builder, SLICE("spki:nonsense"));
        struct pin_set *set = pin_set_build(builder);
        assert_int_equal(pin_set_faults(set)->count, 1000);
        assert_int_equal(pin_set_count(set), 0);
        for (size_t i = 0; i < PIN_FAULTS_KEPT; i++)
                assert_true(pin_set_faults(set)->kept[i].text[0] != '\0');
        pin_set_unref(set);
}

static void the_digest_is_of_the_pins_and_not_of_their_writing(void **state)
{
        (void)state;
        struct pin_set *set = set_of("spki:" A " name=x owner=o\ncert:" B "\n");
        static const struct {
                const char *text;
                bool same;
        } rows[] = {
                {"cert:" B "\r\n\t spki:" A "\towner=o name=x # comment\r\ncert:" B "\n", true},
                {"spki:" A " name=y owner=o\ncert:" B "\n", false},
                {"spki:" A " name=x owner=p\ncert:" B "\n", false},
                {"spki:" A " name=x owner=o\nspki:" B "\n", false},
                {"cert:" A " name=x owner=o\nspki:" B "\n", false},
                {"spki:" A " name=x owner=o\n", false},
                {"spki:" A " name=x owner=o not-after=2030-01-01T00:00:00Z\ncert:" B "\n", false},
                {"", false},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct pin_set *other = set_of(rows[i].text);
                assert_int_equal(pin_set_faults(other)->count, 0);
                if (digest_equal(pin_set_digest(set), pin_set_digest(other)) != rows[i].same)
                        fail_msg("row %zu: %s", i, rows[i].text);
                pin_set_unref(other);
        }
        pin_set_unref(set);
}

static struct digest numbered(uint64_t number)
{
        return sha256(slice_from(&number, sizeof(number)));
}

/* As pin_set.h says what the digest is of, one part after the other. */
static struct digest digest_by_hand(const struct pin_set *set)
{
        struct hasher hasher;
        struct pin pin;
        size_t counts[PIN_KIND_COUNT] = {0};
        for (size_t at = 0; pin_set_next(set, &at, &pin);)
                counts[pin.kind]++;
        hasher_init(&hasher, "pin_set 1");
        for (int kind = 0; kind < PIN_KIND_COUNT; kind++) {
                if (counts[kind] == 0)
                        continue;
                hasher_number(&hasher, kind);
                hasher_number(&hasher, (int64_t)counts[kind]);
                for (size_t at = 0; pin_set_next(set, &at, &pin);) {
                        unsigned char more = pin.name.len || pin.owner.len ||
                                             pin.not_before != PIN_ALWAYS_FROM ||
                                             pin.not_after != PIN_ALWAYS_UNTIL;
                        if (pin.kind != (enum pin_kind)kind)
                                continue;
                        hasher_raw(&hasher, pin.digest.bytes, DIGEST_BYTES);
                        hasher_raw(&hasher, &more, 1);
                        if (!more)
                                continue;
                        hasher_bytes(&hasher, pin.name);
                        hasher_bytes(&hasher, pin.owner);
                        hasher_number(&hasher, pin.not_before);
                        hasher_number(&hasher, pin.not_after);
                }
        }
        return hasher_done(&hasher);
}

enum {
        MIXED = 20000
};

/* All kinds of entries, each once from `first` on in steps that leave none out, some of them again.
 */
static struct pin_set *mixed(size_t first, size_t step)
{
        struct pin_set_builder *builder = pin_set_builder_new();
        for (size_t n = 0, i = first; n < MIXED + MIXED / 10; n++, i = (i + step) % MIXED) {
                char name[32], owner[32];
                snprintf(name, sizeof(name), "device-%zu", i);
                snprintf(owner, sizeof(owner), "fleet-%zu@example.com", i % 7);
                struct pin pin = {.kind = i % 3 == 0 ? PIN_CERTIFICATE : PIN_SPKI,
                                  .digest = numbered(i / 2),
                                  .name = i % 5 ? slice_of(name) : SLICE_NONE,
                                  .owner = i % 7 ? slice_of(owner) : SLICE_NONE,
                                  .not_before = i % 11 ? PIN_ALWAYS_FROM : (int64_t)i,
                                  .not_after = i % 13 ? PIN_ALWAYS_UNTIL : 1000000};
                pin_set_builder_add(builder, &pin, n + 1);
        }
        return pin_set_build(builder);
}

static void the_order_of_many_lines_leaves_no_trace(void **state)
{
        (void)state;
        static const size_t steps[] = {1, 7919, MIXED - 1};
        struct pin_set *set = mixed(0, 1);
        struct digest by_hand = digest_by_hand(set);
        assert_true(digest_equal(pin_set_digest(set), &by_hand));
        for (size_t i = 0; i < COUNT_OF(steps); i++) {
                struct pin_set *other = mixed(i * 100, steps[i]);
                assert_int_equal(pin_set_count(other), pin_set_count(set));
                assert_true(digest_equal(pin_set_digest(set), pin_set_digest(other)));
                pin_set_unref(other);
        }
        pin_set_unref(set);
}

static void a_walk_goes_kind_by_kind_in_the_order_of_digests(void **state)
{
        (void)state;
        struct pin_set *set = mixed(5, 7919);
        struct pin former, pin;
        size_t at = 0;
        assert_true(pin_set_next(set, &at, &former));
        for (; pin_set_next(set, &at, &pin); former = pin) {
                assert_true(former.kind <= pin.kind);
                if (former.kind == pin.kind)
                        assert_true(digest_compare(&former.digest, &pin.digest) <= 0);
        }
        pin_set_unref(set);
}

/* Fewer than the lines before it, so that each owner is met again after many other texts. */
static void an_owner_of_many_pins_is_kept_once(void **state)
{
        (void)state;
        enum {
                PINS = 2000,
                OWNERS = 4
        };
        struct pin_set_builder *builder = pin_set_builder_new();
        for (size_t i = 0; i < PINS; i++) {
                char owner[256];
                memset(owner, 'o', sizeof(owner) - 1);
                owner[0] = (char)('0' + i % OWNERS);
                struct pin pin = {.digest = numbered(i),
                                  .owner = slice_from(owner, sizeof(owner) - 1),
                                  .not_before = PIN_ALWAYS_FROM,
                                  .not_after = PIN_ALWAYS_UNTIL};
                pin_set_builder_add(builder, &pin, i + 1);
        }
        struct pin_set *set = pin_set_build(builder);
        assert_true(pin_set_bytes(set) <= (size_t)PINS * BYTES_A_PIN_MAX);
        pin_set_unref(set);
}

static void pieces_of_a_text_are_numbered_on(void **state)
{
        (void)state;
        static const char text[] = "spki:" A "\nnonsense\r\n\n# comment\ncert:" B "\nspki:bad";
        struct pin_set *whole = set_of(text);
        for (size_t cut = 0; text[cut]; cut++) {
                if (text[cut] != '\n')
                        continue;
                struct pin_set_builder *builder = pin_set_builder_new();
                size_t line = pin_set_builder_add_lines(builder, slice_from(text, cut), 1);
                pin_set_builder_add_lines(builder, slice_of(text + cut + 1), line);
                struct pin_set *set = pin_set_build(builder);
                const struct pin_faults *faults = pin_set_faults(set);
                assert_int_equal(faults->count, 2);
                assert_int_equal(faults->kept[0].line, 2);
                assert_int_equal(faults->kept[1].line, 6);
                assert_true(digest_equal(pin_set_digest(whole), pin_set_digest(set)));
                pin_set_unref(set);
        }
        pin_set_unref(whole);
}

static void what_another_set_lacks_is_walked_in_order(void **state)
{
        (void)state;
        static const struct {
                const char *set, *other, *missing[3];
        } rows[] = {
                {"spki:" A "\nspki:" B, "spki:" B, {A}},
                {"spki:" A "\nspki:" B, "spki:" A " name=n", {B}},
                {"spki:" A "\nspki:" B, "cert:" A "\ncert:" B, {B, A}},
                {"spki:" A "\ncert:" A, "spki:" A, {A}},
                {"spki:" A "\nspki:" A " name=n", "", {A, A}},
                {"spki:" A, "spki:" A "\nspki:" B "\nspki:" C, {NULL}},
                {"", "spki:" A, {NULL}},
                {"spki:" A "\nspki:" B "\nspki:" C, "spki:" B "\ncert:" C, {C, A}},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct pin_set *set = set_of(rows[i].set), *other = set_of(rows[i].other);
                struct pin_walk walk = {0};
                struct pin pin;
                for (size_t n = 0; n < COUNT_OF(rows[i].missing) && rows[i].missing[n]; n++) {
                        struct digest digest = digest_of(rows[i].missing[n]);
                        if (!pin_set_next_missing(set, other, &walk, &pin) ||
                            !digest_equal(&pin.digest, &digest))
                                fail_msg("row %zu, pin %zu", i, n);
                }
                assert_false(pin_set_next_missing(set, other, &walk, &pin));
                pin_set_unref(set);
                pin_set_unref(other);
        }
}

static struct pin_set *set_of_numbers(size_t count, size_t step)
{
        struct pin_set_builder *builder = pin_set_builder_new();
        for (size_t n = 0; n < count; n++) {
                size_t number = n * step;
                struct pin pin = {.kind = (enum pin_kind)(number / 6 % PIN_KIND_COUNT),
                                  .digest = sha256(slice_from(&number, sizeof(number))),
                                  .not_before = PIN_ALWAYS_FROM,
                                  .not_after = PIN_ALWAYS_UNTIL};
                pin_set_builder_add(builder, &pin, n + 1);
        }
        return pin_set_build(builder);
}

static void a_set_asked_in_order_knows_what_it_has(void **state)
{
        (void)state;
        static const size_t counts[] = {0, 1, 2, 3, 17, 400};
        for (size_t i = 0; i < COUNT_OF(counts) * COUNT_OF(counts); i++) {
                struct pin_set *set = set_of_numbers(counts[i / COUNT_OF(counts)], 2);
                struct pin_set *other = set_of_numbers(counts[i % COUNT_OF(counts)], 3);
                struct pin_cursor cursor = {0};
                struct pin pin;
                struct pin_match match;
                for (size_t at = 0; pin_set_next(set, &at, &pin);) {
                        bool there =
                                pin_set_find(other, pin.kind, &pin.digest, 0, &match) != PIN_ABSENT;
                        assert_int_equal(pin_set_meets(other, &cursor, &pin), there);
                }
                pin_set_unref(set);
                pin_set_unref(other);
        }
}

static void the_first_end_of_all_windows_is_known(void **state)
{
        (void)state;
        struct pin_set *set = set_of("spki:" A "\nspki:" B " not-after=1970-01-01T00:03:20Z\n"
                                     "cert:" B " not-after=1970-01-01T00:01:40Z\n"
                                     "cert:" C " not-after=1970-01-01T00:00:01Z nonsense\n");
        assert_int_equal(pin_set_first_end(set), 100);
        pin_set_unref(set);
        set = set_of("spki:" A);
        assert_int_equal(pin_set_first_end(set), PIN_ALWAYS_UNTIL);
        pin_set_unref(set);
}

static void sets_of_the_same_pins_and_faults_have_one_identity(void **state)
{
        (void)state;
        static const struct {
                const char *one, *other;
                bool same;
        } rows[] = {
                {"spki:" A, "# comment\nspki:" A, true},
                {"spki:" A, "spki:" B, false},
                {"spki:" A, "spki:" A "\nnonsense", false},
                {"nonsense\nspki:" A, "spki:" A "\nnonsense", false},
                {"nonsense\nspki:" A, "spki:bad\nspki:" A, false},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct pin_set *one = set_of(rows[i].one), *other = set_of(rows[i].other);
                struct digest a = pin_set_identity(one), b = pin_set_identity(other);
                if (digest_equal(&a, &b) != rows[i].same)
                        fail_msg("row %zu", i);
                pin_set_unref(one);
                pin_set_unref(other);
        }
}

static struct pin_set *million(bool named)
{
        struct pin_set_builder *builder = pin_set_builder_new();
        for (uint64_t i = 0; i < MILLION; i++) {
                char name[32];
                snprintf(name, sizeof(name), "device-%u", (unsigned)i);
                struct pin pin = {.kind = i % 4 == 0 ? PIN_CERTIFICATE : PIN_SPKI,
                                  .digest = numbered(i),
                                  .name = named ? slice_of(name) : SLICE_NONE,
                                  .not_before = PIN_ALWAYS_FROM,
                                  .not_after = PIN_ALWAYS_UNTIL};
                pin_set_builder_add(builder, &pin, i + 1);
        }
        return pin_set_build(builder);
}

static void a_million_pins_are_all_found_and_no_other(void **state)
{
        (void)state;
        struct pin_set *set = million(false);
        struct pin_match match;
        assert_int_equal(pin_set_count(set), MILLION);
        assert_int_equal(pin_set_faults(set)->count, 0);
        for (uint64_t i = 0; i < MILLION + 100000; i++) {
                struct digest digest = numbered(i);
                enum pin_kind kind = i % 4 == 0 ? PIN_CERTIFICATE : PIN_SPKI;
                enum pin_kind other = kind == PIN_SPKI ? PIN_CERTIFICATE : PIN_SPKI;
                enum pin_presence wanted = i < MILLION ? PIN_OPEN : PIN_ABSENT;
                if (pin_set_find(set, kind, &digest, 0, &match) != wanted ||
                    pin_set_find(set, other, &digest, 0, &match) != PIN_ABSENT)
                        fail_msg("pin %u", (unsigned)i);
        }
        assert_true(pin_set_bytes(set) <= (size_t)MILLION * BYTES_A_PIN_MAX);
        pin_set_unref(set);
}

static void a_million_named_pins_stay_within_64_bytes_each(void **state)
{
        (void)state;
        struct pin_set *set = million(true);
        struct pin_match match;
        struct digest digest = numbered(999999);
        assert_int_equal(pin_set_find(set, PIN_SPKI, &digest, 0, &match), PIN_OPEN);
        assert_true(slice_is(match.name, "device-999999"));
        print_message("%.1f bytes a pin, names included\n", (double)pin_set_bytes(set) / MILLION);
        assert_true(pin_set_bytes(set) <= (size_t)MILLION * BYTES_A_PIN_MAX);
        pin_set_unref(set);
}

/* A hostile list shares its first bytes: it still sorts and finds. */
static void digests_that_share_their_first_bytes_are_found(void **state)
{
        (void)state;
        struct pin_set_builder *builder = pin_set_builder_new();
        struct pin pin = {.not_before = PIN_ALWAYS_FROM, .not_after = PIN_ALWAYS_UNTIL};
        struct pin_match match;
        for (unsigned i = 1; i <= 50000; i++) {
                memset(pin.digest.bytes, 7, DIGEST_BYTES);
                memcpy(pin.digest.bytes + DIGEST_BYTES - sizeof(i), &i, sizeof(i));
                pin_set_builder_add(builder, &pin, i);
        }
        struct pin_set *set = pin_set_build(builder);
        assert_int_equal(pin_set_count(set), 50000);
        for (unsigned i = 0; i <= 50001; i++) {
                memcpy(pin.digest.bytes + DIGEST_BYTES - sizeof(i), &i, sizeof(i));
                assert_int_equal(pin_set_find(set, PIN_SPKI, &pin.digest, 0, &match),
                                 i >= 1 && i <= 50000 ? PIN_OPEN : PIN_ABSENT);
        }
        pin_set_unref(set);
}

static void exact_duplicates_are_one_pin(void **state)
{
        (void)state;
        struct pin_set *set = set_of("spki:" A " name=x\nspki:" A " name=x\nspki:" A " name=y\n");
        assert_int_equal(pin_set_count(set), 2);
        pin_set_unref(set);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_empty_set_matches_nobody),
                cmocka_unit_test(a_hash_never_matches_as_the_other_kind),
                cmocka_unit_test(a_renewed_certificate_with_its_key_matches_by_spki_only),
                cmocka_unit_test(a_window_is_open_from_its_start_until_before_its_end),
                cmocka_unit_test(one_digest_matches_while_any_of_its_windows_is_open),
                cmocka_unit_test(a_bad_line_is_named_and_the_others_stay_in_force),
                cmocka_unit_test(all_faults_are_counted_and_the_first_sixteen_described),
                cmocka_unit_test(the_digest_is_of_the_pins_and_not_of_their_writing),
                cmocka_unit_test(the_order_of_many_lines_leaves_no_trace),
                cmocka_unit_test(a_walk_goes_kind_by_kind_in_the_order_of_digests),
                cmocka_unit_test(an_owner_of_many_pins_is_kept_once),
                cmocka_unit_test(what_another_set_lacks_is_walked_in_order),
                cmocka_unit_test(a_set_asked_in_order_knows_what_it_has),
                cmocka_unit_test(the_first_end_of_all_windows_is_known),
                cmocka_unit_test(sets_of_the_same_pins_and_faults_have_one_identity),
                cmocka_unit_test(pieces_of_a_text_are_numbered_on),
                cmocka_unit_test(a_million_pins_are_all_found_and_no_other),
                cmocka_unit_test(a_million_named_pins_stay_within_64_bytes_each),
                cmocka_unit_test(digests_that_share_their_first_bytes_are_found),
                cmocka_unit_test(exact_duplicates_are_one_pin),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
