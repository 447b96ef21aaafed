#include <inttypes.h>

#include "base/buffer.h"
#include "cli/explain.h"
#include "text/json.h"
#include "text/time.h"

/* The gates as a person passes them, each with the reasons by which it refuses. */
struct gate {
        const char *name;
        enum reason last; /* reasons up to this one, in the order of reason.def, are its own */
};

static const struct gate gates[] = {
        {"a usable port", REASON_PORT_NOT_USABLE},
        {"a certificate", REASON_NO_CERTIFICATE},
        {"size and encoding", REASON_MALFORMED},
        {"keys and signatures", REASON_WEAK_SIGNATURE},
        {"use", REASON_WRONG_USE},
        {"path to a CA", REASON_PATH_INVALID},
        {"pins", REASON_NO_USABLE_PIN},
};

static const char *hint_for(enum reason reason)
{
        switch (reason) {
        case REASON_UNTRUSTED:
                return "send the intermediates (--untrusted) or trust the issuing CA (--ca)";
        case REASON_NOT_PINNED:
                return "add the spki or certificate digest above to the pins";
        case REASON_PIN_IN_WRONG_LIST:
                return "move the pin: SPKI hashes to spkiHashes, certificate hashes to "
                       "certificateHashes";
        case REASON_EXPIRED:
                return "renew the certificate; with the same key its SPKI pin still matches";
        case REASON_CRL_MISSING:
                return "every issuer on the path needs a current CRL in ca.crl";
        case REASON_WRONG_USE:
        case REASON_WEAK_KEY:
        case REASON_WEAK_SIGNATURE:
                return "issue it with: openssl req -new -newkey ec -pkeyopt "
                       "ec_paramgen_curve:P-256 -addext extendedKeyUsage=clientAuth -addext "
                       "keyUsage=digitalSignature";
        default:
                return NULL;
        }
}

static void print_gates(const struct verdict *v, FILE *out)
{
        bool decided = false;
        for (size_t i = 0; i < sizeof(gates) / sizeof(gates[0]); i++) {
                if (decided) {
                        fprintf(out, "  -    %s\n", gates[i].name);
                } else if (v->reason != REASON_ACCEPTED && v->reason <= gates[i].last) {
                        decided = true;
                        fprintf(out, "  NO   %s: %s%s%s\n", gates[i].name, reason_says(v->reason),
                                v->detail[0] ? "; " : "", v->detail);
                } else {
                        fprintf(out, "  yes  %s\n", gates[i].name);
                }
        }
}

void explain_print_text(const struct verdict *v, FILE *out)
{
        explain_print_word(v, out);
        explain_print_evidence(v, out);
}

void explain_print_word(const struct verdict *v, FILE *out)
{
        fprintf(out, "%s: %s\n", v->admitted ? "let in" : "refused", reason_token(v->reason));
}

void explain_print_evidence(const struct verdict *v, FILE *out)
{
        char text[PIN_TEXT_SIZE], from[TIME_SIZE], until[TIME_SIZE];
        print_gates(v, out);
        if (digest_is_none(&v->leaf))
                return;
        fprintf(out, "subject:     %s\nissuer:      %s\nserial:      %s\n", v->subject, v->issuer,
                v->serial);
        fprintf(out, "valid:       %s to %s\n", time_print(v->leaf_not_before, from),
                time_print(v->leaf_not_after, until));
        fprintf(out, "spki:        %s\n", pin_text_print(PIN_SPKI, &v->spki, text));
        fprintf(out, "certificate: %s\n", pin_text_print(PIN_CERTIFICATE, &v->leaf, text));
        if (hint_for(v->reason))
                fprintf(out, "hint:        %s\n", hint_for(v->reason));
}

void explain_write_verdict(struct json_writer *w, const struct verdict *v)
{
        char text[PIN_TEXT_SIZE], time[TIME_SIZE];
        json_begin_object(w);
        json_field_bool(w, "admitted", v->admitted);
        json_field_bool(w, "verified", v->verified);
        json_field_text(w, "reason", reason_token(v->reason));
        json_field_text(w, "detail", v->detail);
        json_field_text(w, "subject", v->subject);
        json_field_text(w, "issuer", v->issuer);
        json_field_text(w, "serial", v->serial);
        json_field_text(w, "notBefore", time_print(v->leaf_not_before, time));
        json_field_text(w, "notAfter", time_print(v->leaf_not_after, time));
        json_field_text(w, "spkiHash", pin_text_print(PIN_SPKI, &v->spki, text));
        json_field_text(w, "certificateHash", pin_text_print(PIN_CERTIFICATE, &v->leaf, text));
        json_key(w, SLICE("path"));
        json_begin_array(w);
        for (size_t i = 0; i < v->path.count; i++)
                json_write_string(w, slice_of(digest_hex(&v->path.certificates[i], text)));
        json_end_array(w);
        json_field_bool(w, "pinned", v->pinned);
        if (v->pin_source[0])
                json_field_text(w, "pinSource", v->pin_source);
        if (v->pin_name[0])
                json_field_text(w, "pinName", v->pin_name);
        if (v->report_only != REASON_ACCEPTED) {
                json_field_text(w, "reportOnly", reason_token(v->report_only));
                json_field_text(w, "reportScope", v->report_source);
        }
        json_end_object(w);
}

bool explain_print_json(const struct verdict *v, FILE *out)
{
        struct buffer buffer;
        struct json_writer w;
        buffer_init(&buffer, 64 * 1024);
        json_writer_init(&w, &buffer);
        explain_write_verdict(&w, v);
        bool good = json_writer_done(&w) &&
                    fprintf(out, "%.*s\n", SLICE_ARG(buffer_slice(&buffer))) > 0;
        buffer_done(&buffer);
        return good;
}
