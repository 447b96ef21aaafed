/* Names for proposed pins. A name is an identity: two clients that share one are one client to
 * every backend, so nobody gets a name by a common name alone that another subject bears. */
#include <string.h>

#include "cli/learn.h"

enum {
        NAME_PROPOSED_MAX = 63,
        DIGITS_OF_KEY = 8,
};

/* One character of an RFC 4514 value, escapes resolved; moves *text on. */
static char take_character(struct slice *text)
{
        char c = text->data[0];
        size_t len = 1;
        if (c == '\\' && text->len >= 2) {
                bool hex = text->len >= 3 && hex_value(text->data[1]) >= 0 &&
                           hex_value(text->data[2]) >= 0;
                c = hex ? (char)(hex_value(text->data[1]) * 16 + hex_value(text->data[2]))
                        : text->data[1];
                len = hex ? 3 : 2;
        }
        *text = slice_skip(*text, len);
        return c;
}

/* Up to the next ',' or '+' that is not escaped; moves *text behind it. */
static struct slice take_attribute(struct slice *text)
{
        struct slice whole = *text;
        while (text->len > 0 && text->data[0] != ',' && text->data[0] != '+')
                take_character(text);
        struct slice attribute = slice_sub(whole, 0, whole.len - text->len);
        *text = slice_skip(*text, 1);
        return attribute;
}

static struct slice common_name(struct slice subject)
{
        while (subject.len > 0) {
                struct slice attribute = take_attribute(&subject);
                if (slice_equal_nocase(slice_sub(attribute, 0, 3), SLICE("CN=")))
                        return slice_skip(attribute, 3);
        }
        return SLICE_NONE;
}

static bool is_alphanumeric(char c)
{
        char lower = ascii_lower(c);
        return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
}

struct slice learn_name_of(struct arena *arena, struct slice subject, const struct digest *spki)
{
        struct slice value = common_name(subject);
        char name[NAME_PROPOSED_MAX + 1], hex[DIGEST_HEX_SIZE];
        size_t len = 0;
        while (value.len > 0 && len < NAME_PROPOSED_MAX) {
                char c = take_character(&value);
                bool fits = is_alphanumeric(c) || (c != '\0' && strchr("._/@", c));
                if (!fits)
                        c = '-';
                if (len == 0 ? is_alphanumeric(c) : c != '-' || name[len - 1] != '-')
                        name[len++] = c;
        }
        while (len > 0 && !is_alphanumeric(name[len - 1]))
                len--;
        if (len > 0)
                return arena_slice(arena, slice_from(name, len));
        return arena_printf(arena, "client-%.*s", DIGITS_OF_KEY, digest_hex(spki, hex));
}

static struct slice *boxed(struct learner *learner, struct slice text)
{
        struct slice *box = ARENA_NEW(&learner->arena, struct slice);
        *box = text;
        return box;
}

/* Of who was admitted before with the same subject, from the same issuer. */
static bool name_known(struct learner *learner, struct learn_client *c, struct slice subject)
{
        struct error err;
        if (c->renewal_of.len && pin_name_check(c->renewal_of, &err)) {
                c->name = c->renewal_of;
                c->name_note = arena_printf(&learner->arena, "renewal of %.*s: new key",
                                            SLICE_ARG(c->name));
                return true;
        }
        const struct slice *known = map_find(&learner->name_of_subject, subject);
        if (known && !c->cut) {
                c->name = *known;
                c->name_note = arena_printf(&learner->arena,
                                            "subject and issuer of the client that is admitted as "
                                            "%.*s: a new key?",
                                            SLICE_ARG(c->name));
                return true;
        }
        known = map_find(&learner->given_names, subject);
        if (known && !c->cut) {
                c->name = *known;
                c->name_note = SLICE("another key of this subject: one client, or two?");
                return true;
        }
        return false;
}

/* The same client, refused by another scope. */
static bool name_of_same(const struct learner *learner, struct learn_client *c)
{
        const struct digest *digest = learner->certificates ? &c->certificate : &c->spki;
        const struct learn_client *other =
                map_find(&learner->by_digest, slice_from(digest->bytes, DIGEST_BYTES));
        while (other && other->name.len == 0)
                other = other->same_digest;
        if (!other)
                return false;
        c->name = other->name;
        c->name_note = other->name_note;
        return true;
}

static struct slice name_free(struct learner *learner, struct slice base)
{
        if (!map_find(&learner->subject_of_name, base))
                return base;
        uint64_t *next = map_find(&learner->next_suffix, base);
        if (!next) {
                next = ARENA_NEW(&learner->arena, uint64_t);
                *next = 2;
                map_set(&learner->next_suffix, base, next);
        }
        struct slice name;
        do
                name = arena_printf(&learner->arena, "%.*s-%llu", SLICE_ARG(base),
                                    (unsigned long long)(*next)++);
        while (map_find(&learner->subject_of_name, name));
        return name;
}

static void name_give(struct learner *learner, struct learn_client *c)
{
        struct slice subject = arena_printf(&learner->arena, "%.*s\n%.*s", SLICE_ARG(c->subject),
                                            SLICE_ARG(c->issuer));
        if (name_of_same(learner, c) || name_known(learner, c, subject))
                return;
        struct slice base = learn_name_of(&learner->arena, c->subject, &c->spki);
        c->name = name_free(learner, base);
        if (!slice_equal(c->name, base))
                c->name_note = arena_printf(&learner->arena,
                                            "%.*s is the name of another subject or issuer",
                                            SLICE_ARG(base));
        map_set(&learner->subject_of_name, c->name, boxed(learner, subject));
        map_set(&learner->given_names, subject, boxed(learner, c->name));
}

void learn_names(struct learner *learner)
{
        for (size_t i = 0; i < learner->proposed.count; i++)
                name_give(learner, learner->proposed.items[i]);
}
