#include <stdio.h>
#include <string.h>

#include "text/time.h"
#include "trust/pin_set_table.h"

static bool is_blank(char c)
{
        return c == ' ' || c == '\t';
}

/* The next word of the line; false at its end or where a comment starts. */
static bool next_word(struct slice *line, struct slice *word)
{
        size_t start = 0;
        while (start < line->len && is_blank(line->data[start]))
                start++;
        if (start == line->len || line->data[start] == '#')
                return false;
        size_t end = start;
        while (end < line->len && !is_blank(line->data[end]))
                end++;
        *word = slice_sub(*line, start, end - start);
        *line = slice_skip(*line, end);
        return true;
}

/* openssl's "sha256 Fingerprint=…" is two words that are one pin. */
static struct slice join_fingerprint(struct slice first, struct slice *line)
{
        struct slice rest = *line, second;
        if (!slice_equal_nocase(first, SLICE("sha256")) || !next_word(&rest, &second) ||
            !slice_equal_nocase(slice_sub(second, 0, 12), SLICE("fingerprint=")))
                return first;
        *line = rest;
        return slice_from(first.data, (size_t)(second.data + second.len - first.data));
}

static bool parse_hash(struct slice word, struct slice *line, struct pin *pin, struct error *err)
{
        struct slice spki = SLICE("spki:"), cert = SLICE("cert:");
        if (slice_starts_with(word, spki))
                pin->kind = PIN_SPKI;
        else if (slice_starts_with(word, cert))
                pin->kind = PIN_CERTIFICATE;
        else
                return error_set(err, ERROR_INPUT,
                                 "a line starts with \"spki:\" or \"cert:\" and the hash");
        struct slice text = join_fingerprint(slice_skip(word, spki.len), line);
        return pin_text_parse(text, pin->kind, &pin->digest, err);
}

/* A line's first word at once, where it is what nearly all are. */
static bool take_plain_hash(struct slice *line, struct pin *pin)
{
        static const size_t lengths[] = {PIN_BASE64_LEN, PIN_HEX_LEN};
        enum {
                KIND_LEN = 5
        };
        if (line->len < KIND_LEN)
                return false;
        bool spki = memcmp(line->data, "spki:", KIND_LEN) == 0;
        if (!spki && memcmp(line->data, "cert:", KIND_LEN) != 0)
                return false;
        for (size_t i = 0; i < COUNT_OF(lengths); i++) {
                size_t end = KIND_LEN + lengths[i];
                if (end > line->len || (end < line->len && !is_blank(line->data[end])) ||
                    !pin_text_parse_plain(slice_from(line->data + KIND_LEN, lengths[i]),
                                          &pin->digest))
                        continue;
                pin->kind = spki ? PIN_SPKI : PIN_CERTIFICATE;
                *line = slice_from(line->data + end, line->len - end);
                return true;
        }
        return false;
}

static bool parse_moment(const char *field, struct slice value, int64_t *out, struct error *err)
{
        if (time_parse(value, out, err))
                return true;
        return error_wrap(err, "%s", field);
}

enum {
        SEEN_NAME = BIT(0),
        SEEN_OWNER = BIT(1),
        SEEN_NOT_BEFORE = BIT(2),
        SEEN_NOT_AFTER = BIT(3),
};

static bool parse_field(struct slice word, unsigned *seen, struct pin *pin, struct error *err)
{
        struct slice value = word, key;
        bool has_value = slice_find(word, '=') < word.len;
        unsigned bit = 0;
        slice_split(&value, '=', &key);
        if (slice_is(key, "name"))
                bit = SEEN_NAME;
        else if (slice_is(key, "owner"))
                bit = SEEN_OWNER;
        else if (slice_is(key, "not-before"))
                bit = SEEN_NOT_BEFORE;
        else if (slice_is(key, "not-after"))
                bit = SEEN_NOT_AFTER;
        if (bit == 0 || !has_value)
                return error_set(err, ERROR_INPUT,
                                 "unknown field; wants name=, owner=, not-before= or not-after=");
        if (*seen & bit)
                return error_set(err, ERROR_INPUT, "%.*s stands twice", SLICE_ARG(key));
        *seen |= bit;
        switch (bit) {
        case SEEN_NAME:
                pin->name = value;
                return pin_name_check(value, err);
        case SEEN_OWNER:
                pin->owner = value;
                return pin_owner_check(value, err);
        case SEEN_NOT_BEFORE:
                return parse_moment("not-before", value, &pin->not_before, err);
        default:
                return parse_moment("not-after", value, &pin->not_after, err);
        }
}

/* err is room for a fault, lent for all lines: it is a kilobyte. */
static void add_line(struct pin_set_builder *builder, struct slice line, size_t number,
                     struct error *err)
{
        struct pin pin = {.not_before = PIN_ALWAYS_FROM, .not_after = PIN_ALWAYS_UNTIL};
        struct slice word;
        unsigned seen = 0;
        bool good = take_plain_hash(&line, &pin);
        if (!good && !next_word(&line, &word))
                return;
        good = good || parse_hash(word, &line, &pin, err);
        while (good && next_word(&line, &word))
                good = parse_field(word, &seen, &pin, err);
        if (!good || !pin_set_builder_add_read(builder, &pin, err))
                pin_set_builder_fault(builder, number, err->text);
}

size_t pin_set_builder_add_lines(struct pin_set_builder *builder, struct slice lines, size_t line)
{
        const char *at = lines.data, *end = lines.data + lines.len;
        struct error err;
        for (bool last = false; !last; line++) {
                const char *stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
                last = !stop;
                stop = stop ? stop : end;
                size_t len = (size_t)(stop - at);
                if (len > 0 && at[len - 1] == '\r')
                        len--;
                add_line(builder, slice_from(at, len), line, &err);
                at = stop + 1;
        }
        return line;
}

void pin_set_builder_add_text(struct pin_set_builder *builder, struct slice pins_txt)
{
        pin_set_builder_add_lines(builder, pins_txt, 1);
}
