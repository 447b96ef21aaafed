#include "trust/pin.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "text/base64.h"

enum {
        /* Longer text is no pin in any spelling, and is not decoded to word the error. */
        PIN_TEXT_MAX = 16 * 1024,
};

struct prefix {
        const char *text;
        const char *fault; /* NULL: accepted */
};

/* Longest first where one starts another. Letters match in either case. */
static const struct prefix prefixes[] = {
        {"sha256//", NULL},
        {"sha256/", NULL},
        {"sha256:", NULL},
        {"sha256 fingerprint=", NULL},
        {"sha2-256(stdin)= ", NULL},
        {"sha256(stdin)= ", NULL},
        {"(stdin)= ", NULL},
        {"pin-sha256=", NULL},
        {"sha1 fingerprint=", "this is SHA-1, wants SHA-256"},
        {"sha1:", "this is SHA-1, wants SHA-256"},
        {"sha1/", "this is SHA-1, wants SHA-256"},
        {"sha-1:", "this is SHA-1, wants SHA-256"},
        {"sha224:", "this is SHA-224, wants SHA-256"},
        {"sha384:", "this is SHA-384, wants SHA-256"},
        {"sha384 fingerprint=", "this is SHA-384, wants SHA-256"},
        {"sha512:", "this is SHA-512, wants SHA-256"},
        {"sha512 fingerprint=", "this is SHA-512, wants SHA-256"},
        {"md5:", "this is MD5, wants SHA-256"},
        {"md5 fingerprint=", "this is MD5, wants SHA-256"},
        {"sha3-256:", "this is SHA3-256, wants SHA-256"},
        {"sha-256:", "the prefix is written \"sha256:\""},
        {"sha256=", "the prefix is written \"sha256:\""},
};

static const signed char hex_values[256] = {
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
        ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
        ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
        ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* hex_value() by table: a million pins are read at a time. */
static int hex_at_once(char c)
{
        return hex_values[(unsigned char)c] - 1;
}

const char *pin_kind_name(enum pin_kind kind)
{
        static const char *const names[] = {
                [PIN_SPKI] = "SPKI hash",
                [PIN_CERTIFICATE] = "certificate hash",
                [PIN_ISSUER] = "issuer SPKI hash",
        };
        must((unsigned)kind < PIN_KIND_COUNT);
        return names[kind];
}

/* What a hash of that many bytes is, for the commonest mistakes. */
static const char *algorithm_of(size_t bytes)
{
        switch (bytes) {
        case 16:
                return ": this is MD5";
        case 20:
                return ": this is SHA-1";
        case 28:
                return ": this is SHA-224";
        case 48:
                return ": this is SHA-384";
        case 64:
                return ": this is SHA-512";
        default:
                return "";
        }
}

static bool refuse_length(size_t bytes, enum pin_kind expected, struct error *err)
{
        return error_set(err, ERROR_INPUT, "%zu bytes%s, wants 32 (SHA-256, %s)", bytes,
                         algorithm_of(bytes), pin_kind_name(expected));
}

static bool is_hex_text(const unsigned char *bytes, size_t len)
{
        for (size_t i = 0; i < len; i++) {
                if (hex_at_once((char)bytes[i]) < 0 && !(i + 1 == len && bytes[i] == '\n'))
                        return false;
        }
        return len >= 2;
}

/* Bytes that are no digest: says what they probably are. */
static bool refuse_bytes(const unsigned char *bytes, size_t len, enum pin_kind expected,
                         struct error *err)
{
        if (len > DIGEST_BYTES && bytes[0] == 0x30)
                return error_set(err, ERROR_INPUT,
                                 "%zu bytes of DER: a whole %s was pasted, wants its SHA-256 "
                                 "(`pingate pin FILE` prints it)",
                                 len, len > 600 ? "certificate" : "certificate or public key");
        if ((len == 65 || len == 97 || len == 133) && bytes[0] == 4)
                return error_set(err, ERROR_INPUT,
                                 "%zu bytes: a raw public key was pasted, wants the SHA-256 of its "
                                 "SubjectPublicKeyInfo (`pingate pin FILE` prints it)",
                                 len);
        if (len > DIGEST_BYTES && is_hex_text(bytes, len))
                return error_set(err, ERROR_INPUT,
                                 "base64 of hexadecimal text: write the hexadecimal itself");
        return refuse_length(len, expected, err);
}

/* SHA-256 of no bytes: what a broken pipeline prints. */
static const struct digest nothing_digest = {{0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14,
                                              0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
                                              0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c,
                                              0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55}};

static bool accept_digest(const struct digest *digest, struct digest *out, struct error *err)
{
        if (digest->bytes[0] == 0 && digest_is_none(digest))
                return error_set(err, ERROR_INPUT,
                                 "32 zero bytes are the SHA-256 of nothing known");
        if (digest->bytes[0] == nothing_digest.bytes[0] && digest_equal(digest, &nothing_digest))
                return error_set(err, ERROR_INPUT,
                                 "this is the SHA-256 of no bytes at all: the command that made it "
                                 "read no input");
        *out = *digest;
        return true;
}

static bool parse_colons(struct slice body, enum pin_kind expected, struct digest *out,
                         struct error *err)
{
        struct digest digest;
        struct slice rest = body, pair;
        size_t count = 0;
        for (; slice_split(&rest, ':', &pair); count++) {
                if (pair.len == 0)
                        return error_set(err, ERROR_INPUT,
                                         "byte %zu is empty: one colon stands between two bytes, "
                                         "none at either end",
                                         count + 1);
                for (size_t i = 0; i < pair.len; i++) {
                        if (hex_at_once(pair.data[i]) < 0)
                                return error_set(err, ERROR_INPUT,
                                                 "mixed separators or characters: '%c' in byte %zu "
                                                 "among colon-separated pairs",
                                                 pair.data[i], count + 1);
                }
                if (pair.len != 2)
                        return error_set(err, ERROR_INPUT,
                                         "byte %zu has %zu hex digits; each wants 2", count + 1,
                                         pair.len);
                if (count < DIGEST_BYTES)
                        digest.bytes[count] = (unsigned char)(hex_at_once(pair.data[0]) << 4 |
                                                              hex_at_once(pair.data[1]));
        }
        if (count != DIGEST_BYTES)
                return refuse_length(count, expected, err);
        return accept_digest(&digest, out, err);
}

static bool parse_hex(struct slice body, enum pin_kind expected, struct digest *out,
                      struct error *err)
{
        if (body.len % 2 != 0)
                return error_set(err, ERROR_INPUT,
                                 "%zu hex digits, an odd number; wants 64 (SHA-256, %s)", body.len,
                                 pin_kind_name(expected));
        unsigned char bytes[PIN_TEXT_MAX / 2];
        size_t len = body.len / 2;
        for (size_t i = 0; i < len; i++)
                bytes[i] = (unsigned char)(hex_at_once(body.data[2 * i]) << 4 |
                                           hex_at_once(body.data[2 * i + 1]));
        if (len != DIGEST_BYTES)
                return refuse_bytes(bytes, len, expected, err);
        struct digest digest;
        memcpy(digest.bytes, bytes, DIGEST_BYTES);
        return accept_digest(&digest, out, err);
}

static bool parse_base64(struct slice body, enum pin_kind expected, struct digest *out,
                         struct error *err)
{
        bool url = slice_find(body, '-') < body.len || slice_find(body, '_') < body.len;
        bool standard = slice_find(body, '+') < body.len || slice_find(body, '/') < body.len;
        bool padded = slice_find(body, '=') < body.len;
        if (url && standard)
                return error_set(err, ERROR_INPUT, "base64 and base64url characters are mixed");
        if (url && padded)
                return error_set(err, ERROR_INPUT,
                                 "base64url is written without '=': 43 characters");
        if (standard && !padded && body.len == PIN_BASE64_LEN - 1)
                return error_set(err, ERROR_INPUT,
                                 "base64 without its padding: 43 characters, wants 44 with '='");
        unsigned char bytes[PIN_TEXT_MAX];
        size_t len;
        unsigned form =
                url || (!padded && body.len % 4 != 0) ? BASE64_URL | BASE64_BARE : BASE64_STANDARD;
        if (!base64_decode(body, form, bytes, &len, err))
                return false;
        if (len != DIGEST_BYTES)
                return refuse_bytes(bytes, len, expected, err);
        struct digest digest;
        memcpy(digest.bytes, bytes, DIGEST_BYTES);
        return accept_digest(&digest, out, err);
}

/* A character that no spelling has; places are those of the whole text. */
static bool check_characters(struct slice text, size_t from, struct error *err)
{
        for (size_t i = from; i < text.len; i++) {
                unsigned char c = (unsigned char)text.data[i];
                if (isalnum(c) && c < 0x80)
                        continue;
                if (c == '\0')
                        return error_set(err, ERROR_INPUT, "a NUL byte at character %zu", i + 1);
                if (strchr("+/=:_-", c))
                        continue;
                if (c == ' ' || (c >= '\t' && c <= '\r'))
                        return error_set(err, ERROR_INPUT, "white space at character %zu", i + 1);
                if (c == '"' || c == '\'')
                        return error_set(err, ERROR_INPUT, "a quote at character %zu", i + 1);
                if (c < 0x20 || c >= 0x7f)
                        return error_set(err, ERROR_INPUT,
                                         "byte 0x%02x at character %zu is not plain ASCII", c,
                                         i + 1);
                return error_set(err, ERROR_INPUT, "bad character '%c' at character %zu", c, i + 1);
        }
        return true;
}

/* True when there is no prefix or a good one; *len receives its length. */
static bool parse_prefix(struct slice text, size_t *len, struct error *err)
{
        for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
                struct slice prefix = slice_of(prefixes[i].text);
                if (!slice_equal_nocase(slice_sub(text, 0, prefix.len), prefix))
                        continue;
                if (prefixes[i].fault)
                        return error_set(err, ERROR_INPUT, "%s", prefixes[i].fault);
                *len = prefix.len;
                return true;
        }
        *len = 0;
        return true;
}

static bool all_hex(struct slice body)
{
        for (size_t i = 0; i < body.len; i++) {
                if (hex_at_once(body.data[i]) < 0)
                        return false;
        }
        return true;
}

/* Pairs with a separator of their own: Windows and some tools write '-' or nothing we take. */
static bool looks_like_dashed_pairs(struct slice body)
{
        for (size_t i = 0; i < body.len; i++) {
                if (i % 3 == 2 ? body.data[i] != '-' : hex_at_once(body.data[i]) < 0)
                        return false;
        }
        return body.len >= 8;
}

static bool parse_body(struct slice body, enum pin_kind expected, struct digest *out,
                       struct error *err)
{
        if (slice_find(body, ':') < body.len)
                return parse_colons(body, expected, out, err);
        /* 44 characters of base64 end in '=', 43 are no whole bytes of hex: nothing is ambiguous.
         */
        if (all_hex(body) && body.len != PIN_BASE64_LEN - 1)
                return parse_hex(body, expected, out, err);
        if (looks_like_dashed_pairs(body))
                return error_set(err, ERROR_INPUT, "pairs are separated by '-', wants ':'");
        /* One wrong character in 64 of hex is a slip in the hex, not base64 of 48 bytes. */
        if (body.len == PIN_HEX_LEN && slice_find(body, '=') == body.len) {
                size_t bad = 0, at = 0;
                for (size_t i = 0; i < body.len; i++) {
                        if (hex_at_once(body.data[i]) < 0 && bad++ == 0)
                                at = i;
                }
                if (bad <= 4)
                        return error_set(err, ERROR_INPUT,
                                         "'%c' at character %zu of 64 is no hex digit",
                                         body.data[at], at + 1);
        }
        return parse_base64(body, expected, out, err);
}

/* The canonical base64 without a detour: a set of a million has a million of it. Values bear a bit
 * that says they are some, so that one look at the end tells whether all were. */
static bool parse_plain_base64(struct slice text, struct digest *out)
{
        enum {
                GOOD = 64,
                GOOD_SUM = GOOD << 18 | GOOD << 12 | GOOD << 6 | GOOD
        };
        static const unsigned char values[256] = {
#define V(c, n) [c] = (n) | GOOD
                V('A', 0),  V('B', 1),  V('C', 2),  V('D', 3),  V('E', 4),  V('F', 5),  V('G', 6),
                V('H', 7),  V('I', 8),  V('J', 9),  V('K', 10), V('L', 11), V('M', 12), V('N', 13),
                V('O', 14), V('P', 15), V('Q', 16), V('R', 17), V('S', 18), V('T', 19), V('U', 20),
                V('V', 21), V('W', 22), V('X', 23), V('Y', 24), V('Z', 25), V('a', 26), V('b', 27),
                V('c', 28), V('d', 29), V('e', 30), V('f', 31), V('g', 32), V('h', 33), V('i', 34),
                V('j', 35), V('k', 36), V('l', 37), V('m', 38), V('n', 39), V('o', 40), V('p', 41),
                V('q', 42), V('r', 43), V('s', 44), V('t', 45), V('u', 46), V('v', 47), V('w', 48),
                V('x', 49), V('y', 50), V('z', 51), V('0', 52), V('1', 53), V('2', 54), V('3', 55),
                V('4', 56), V('5', 57), V('6', 58), V('7', 59), V('8', 60), V('9', 61), V('+', 62),
                V('/', 63),
#undef V
        };
        if (text.len != PIN_BASE64_LEN || text.data[PIN_BASE64_LEN - 1] != '=')
                return false;
        const unsigned char *at = (const unsigned char *)text.data;
        unsigned char bytes[33];
        unsigned good = GOOD;
        for (size_t i = 0; i < 11; i++, at += 4) {
                unsigned a = values[at[0]], b = values[at[1]], c = values[at[2]];
                unsigned d = i < 10 ? values[at[3]] : GOOD;
                unsigned bits = (a << 18) + (b << 12) + (c << 6) + d - GOOD_SUM;
                good &= a & b & c & d;
                bytes[3 * i] = (unsigned char)(bits >> 16);
                bytes[3 * i + 1] = (unsigned char)(bits >> 8);
                bytes[3 * i + 2] = (unsigned char)bits;
        }
        if (!good || bytes[32] != 0)
                return false;
        struct digest digest;
        memcpy(digest.bytes, bytes, DIGEST_BYTES);
        return accept_digest(&digest, out, NULL);
}

/* The same for 64 hex digits, without a table or a branch, so that it is done many at a time. */
static bool parse_plain_hex(struct slice text, struct digest *out)
{
        unsigned char values[PIN_HEX_LEN];
        unsigned char bad = 0;
        if (text.len != PIN_HEX_LEN)
                return false;
        for (size_t i = 0; i < PIN_HEX_LEN; i++) {
                unsigned char c = (unsigned char)text.data[i];
                unsigned char digit = (unsigned char)(c - '0');
                unsigned char letter = (unsigned char)((c | 0x20) - 'a');
                values[i] = digit < 10 ? digit : (unsigned char)(letter + 10);
                bad |= (unsigned char)((digit >= 10) & (letter >= 6));
        }
        struct digest digest;
        for (size_t i = 0; i < DIGEST_BYTES; i++)
                digest.bytes[i] = (unsigned char)(values[2 * i] << 4 | values[2 * i + 1]);
        return !bad && accept_digest(&digest, out, NULL);
}

bool pin_text_parse_plain(struct slice text, struct digest *out)
{
        return parse_plain_base64(text, out) || parse_plain_hex(text, out);
}

bool pin_text_parse(struct slice text, enum pin_kind expected, struct digest *out,
                    struct error *err)
{
        if (pin_text_parse_plain(text, out))
                return true;
        if (text.len == 0)
                return error_set(err, ERROR_INPUT, "empty, wants a SHA-256");
        if (slice_starts_with(text, SLICE("-----BEGIN")))
                return error_set(err, ERROR_INPUT,
                                 "a PEM block was pasted, wants its SHA-256 (`pingate pin FILE` "
                                 "prints it)");
        if (slice_starts_with(text, SLICE("ssh-")) || slice_starts_with(text, SLICE("ecdsa-")))
                return error_set(err, ERROR_INPUT, "an SSH key was pasted, wants a SHA-256");
        if (text.len > PIN_TEXT_MAX)
                return error_set(err, ERROR_INPUT, "%zu characters are too many for a SHA-256",
                                 text.len);
        size_t prefix_len;
        if (!parse_prefix(text, &prefix_len, err) || !check_characters(text, prefix_len, err))
                return false;
        struct slice body = slice_skip(text, prefix_len);
        if (body.len == 0)
                return error_set(err, ERROR_INPUT, "no hash behind \"%.*s\"", SLICE_ARG(text));
        return parse_body(body, expected, out, err);
}

const char *pin_text_print(enum pin_kind kind, const struct digest *digest,
                           char out[static PIN_TEXT_SIZE])
{
        if (kind == PIN_CERTIFICATE)
                return digest_hex(digest, out);
        struct buffer buffer;
        buffer_init(&buffer, PIN_TEXT_SIZE);
        must(base64_encode(slice_from(digest->bytes, DIGEST_BYTES), BASE64_STANDARD, &buffer));
        memcpy(out, buffer.data, buffer.len);
        out[buffer.len] = '\0';
        buffer_done(&buffer);
        return out;
}

#define LETTER (BIT(0) | BIT(1)) /* within a name, and in front of it */
#define SIGN   BIT(0)
static const unsigned char name_characters[256] = {
        ['0' ... '9'] = LETTER, ['A' ... 'Z'] = LETTER, ['a' ... 'z'] = LETTER, ['.'] = SIGN,
        ['_'] = SIGN,           ['/'] = SIGN,           ['@'] = SIGN,           ['-'] = SIGN,
};

bool pin_name_check(struct slice name, struct error *err)
{
        if (name.len == 0 || name.len > PIN_NAME_MAX)
                return error_set(err, ERROR_INPUT, "name has %zu characters, wants 1 to %d",
                                 name.len, PIN_NAME_MAX);
        for (size_t i = 0; i < name.len; i++) {
                unsigned char c = (unsigned char)name.data[i];
                if (!(name_characters[c] & (i == 0 ? BIT(1) : BIT(0))))
                        return error_set(err, ERROR_INPUT,
                                         "name: byte 0x%02x at character %zu is not allowed "
                                         "([A-Za-z0-9][A-Za-z0-9._/@-]*)",
                                         c, i + 1);
        }
        return true;
}

bool pin_owner_check(struct slice owner, struct error *err)
{
        if (owner.len == 0 || owner.len > PIN_OWNER_MAX)
                return error_set(err, ERROR_INPUT, "owner has %zu characters, wants 1 to %d",
                                 owner.len, PIN_OWNER_MAX);
        for (size_t i = 0; i < owner.len; i++) {
                unsigned char c = (unsigned char)owner.data[i];
                if (c <= ' ' || c >= 0x7f)
                        return error_set(err, ERROR_INPUT,
                                         "owner: byte 0x%02x at character %zu is not printable "
                                         "ASCII",
                                         c, i + 1);
        }
        return true;
}
