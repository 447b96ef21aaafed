#include "cli/pin.h"

#include "base/buffer.h"
#include "text/json.h"
#include "text/time.h"
#include "trust/pin.h"

static const char sign_command[] =
        "openssl x509 -req -in client.csr -CA ca.crt -CAkey ca.key -CAcreateserial -sha256 -days 90 "
        "-out client.crt -extfile <(printf '%s\\n' basicConstraints=critical,CA:FALSE "
        "keyUsage=critical,digitalSignature extendedKeyUsage=clientAuth subjectKeyIdentifier=hash "
        "authorityKeyIdentifier=keyid)";
static const char request_new_key[] =
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout client.key "
        "-subj /CN=client -out client.csr";
static const char request_same_key[] =
        "openssl req -new -key client.key -subj /CN=client -out client.csr";

/* A key above the floor can stay, and with it the SPKI pin. */
static const char *request_command(const struct pinnable *p)
{
        for (size_t i = 0; i < p->fault_count; i++)
                if (p->faults[i].reason == REASON_WEAK_KEY)
                        return request_new_key;
        return request_same_key;
}

struct digests {
        char spki[PIN_TEXT_SIZE], certificate[PIN_TEXT_SIZE];
};

static struct digests print_digests(const struct pinnable *p)
{
        struct digests d;
        pin_text_print(PIN_SPKI, &p->spki, d.spki);
        pin_text_print(PIN_CERTIFICATE, &p->certificate, d.certificate);
        return d;
}

static void print_faults(const struct pin_report *report, const char *lead, FILE *out)
{
        const struct pinnable *p = &report->pinnable;
        if (report->from_network)
                fprintf(out,
                        "%snote:        it comes from the network, unverified: compare it another "
                        "way before you pin it\n",
                        lead);
        for (size_t i = 0; i < p->fault_count; i++)
                fprintf(out, "%srefused:     %s: %s\n", lead, reason_token(p->faults[i].reason),
                        p->faults[i].text);
        if (p->fault_count > 0)
                fprintf(out, "%sgood one:    %s\n%sthen:        %s\n", lead, request_command(p),
                        lead, sign_command);
}

static void print_line(FILE *out, const char *what, const char *value)
{
        if (value[0] != '\0')
                fprintf(out, "%-12s %s\n", what, value);
}

/* Lines as pins.txt takes them. */
static void print_pins_txt(const struct pin_report *report, const struct digests *d, FILE *out)
{
        const char *label = report->name ? " name=" : "", *name = report->name ? report->name : "";
        fprintf(out, "pins.txt:    spki:%s%s%s\n", d->spki, label, name);
        if (report->pinnable.kind == PINNABLE_CERTIFICATE)
                fprintf(out, "pins.txt:    cert:%s%s%s\n", d->certificate, label, name);
}

void pin_print_text(const struct pin_report *report, FILE *out)
{
        const struct pinnable *p = &report->pinnable;
        struct digests d = print_digests(p);
        char from[TIME_SIZE], until[TIME_SIZE];
        fprintf(out, "%s: %s (%s)\n", report->where, pinnable_kind_name(p->kind), p->form);
        print_line(out, "subject:", p->subject);
        print_line(out, "issuer:", p->issuer);
        print_line(out, "serial:", p->serial);
        if (p->kind == PINNABLE_CERTIFICATE)
                fprintf(out, "valid:       %s to %s\n", time_print(p->not_before, from),
                        time_print(p->not_after, until));
        if (p->others > 0)
                fprintf(out, "behind it:   %zu more, not pinned\n", p->others);
        print_line(out, "spki:", d.spki);
        if (p->kind == PINNABLE_CERTIFICATE)
                print_line(out, "certificate:", d.certificate);
        print_pins_txt(report, &d, out);
        print_faults(report, "", out);
}

/* The SPKI pin survives a renewal with the same key; the narrower one stands beside it as a
 * comment, because both together admit what the SPKI pin alone admits. */
static void print_policy_pins(const struct pin_report *report, const struct digests *d, FILE *out)
{
        fprintf(out, "pins:\n- name: \"%s\"\n  spkiHash: \"%s\"\n", report->name, d->spki);
        if (report->pinnable.kind == PINNABLE_CERTIFICATE)
                fprintf(out,
                        "  # or this one certificate only, until it is renewed:\n"
                        "  # certificateHash: \"%s\"\n",
                        d->certificate);
}

static void print_inline_pins(const struct pin_report *report, const struct digests *d, FILE *out)
{
        fprintf(out, "certificatePinning:\n  spkiHashes: [\"%s\"]\n", d->spki);
        if (report->pinnable.kind == PINNABLE_CERTIFICATE)
                fprintf(out,
                        "  # or this one certificate only, until it is renewed:\n"
                        "  # certificateHashes: [\"%s\"]\n",
                        d->certificate);
}

void pin_print_yaml(const struct pin_report *report, FILE *out)
{
        const struct pinnable *p = &report->pinnable;
        struct digests d = print_digests(p);
        if (p->subject[0] != '\0')
                fprintf(out, "# %s of %s\n", pinnable_kind_name(p->kind), p->subject);
        if (report->name)
                print_policy_pins(report, &d, out);
        else
                print_inline_pins(report, &d, out);
        print_faults(report, "# ", out);
}

static void write_certificate(struct json_writer *w, const struct pinnable *p,
                              const struct digests *d)
{
        char time[TIME_SIZE];
        json_field_text(w, "certificateHash", d->certificate);
        json_field_text(w, "issuer", p->issuer);
        json_field_text(w, "serial", p->serial);
        json_field_text(w, "notBefore", time_print(p->not_before, time));
        json_field_text(w, "notAfter", time_print(p->not_after, time));
}

static void write_faults(struct json_writer *w, const struct pinnable *p)
{
        json_key(w, SLICE("faults"));
        json_begin_array(w);
        for (size_t i = 0; i < p->fault_count; i++) {
                json_begin_object(w);
                json_field_text(w, "reason", reason_token(p->faults[i].reason));
                json_field_text(w, "detail", p->faults[i].text);
                json_end_object(w);
        }
        json_end_array(w);
        if (p->fault_count == 0)
                return;
        json_key(w, SLICE("commands"));
        json_begin_array(w);
        json_write_string(w, slice_of(request_command(p)));
        json_write_string(w, slice_of(sign_command));
        json_end_array(w);
}

bool pin_print_json(const struct pin_report *report, FILE *out)
{
        const struct pinnable *p = &report->pinnable;
        struct digests d = print_digests(p);
        struct buffer buffer;
        struct json_writer w;
        buffer_init(&buffer, 64 * 1024);
        json_writer_init(&w, &buffer);
        w.pretty = true;
        json_begin_object(&w);
        if (report->name)
                json_field_text(&w, "name", report->name);
        json_field_text(&w, "kind", pinnable_kind_name(p->kind));
        json_field_text(&w, "form", p->form);
        json_field_bool(&w, "unverified", report->from_network);
        json_field_text(&w, "spkiHash", d.spki);
        if (p->kind != PINNABLE_PUBLIC_KEY)
                json_field_text(&w, "subject", p->subject);
        if (p->kind == PINNABLE_CERTIFICATE)
                write_certificate(&w, p, &d);
        json_field_unsigned(&w, "others", p->others);
        write_faults(&w, p);
        json_end_object(&w);
        bool good = json_writer_done(&w) &&
                    fprintf(out, "%.*s\n", SLICE_ARG(buffer_slice(&buffer))) > 0;
        buffer_done(&buffer);
        return good;
}
