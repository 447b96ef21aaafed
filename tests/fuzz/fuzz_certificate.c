#include "fuzz.h"
#include "trust/certificate.h"
#include "trust/chain.h"
#include "trust/hash.h"
#include "trust/peer_name.h"
#include "trust/pinnable.h"

#include <string.h>

/* One line of text, whatever the certificate holds (I13). */
static void check_text(const char *text, size_t size)
{
        must(memchr(text, '\0', size) != NULL);
        for (; *text; text++)
                must((unsigned char)*text >= 0x20 && *text != 0x7f);
}

/* Whatever it bears, it is no name without text. */
static void check_names(X509 *leaf)
{
        const struct peer_name nobody[] = {{PEER_NAME_DNS, SLICE_NONE},
                                           {PEER_NAME_URI, SLICE_NONE},
                                           {PEER_NAME_DNS, SLICE(".example")},
                                           {PEER_NAME_DNS, SLICE("a\0b.example")}};
        const struct peer_name somebody[] = {{PEER_NAME_DNS, SLICE("a.b.example")},
                                             {PEER_NAME_URI, SLICE("spiffe://a/b")}};
        char text[32];
        must(!certificate_bears_name(leaf, nobody, 3));
        certificate_bears_name(leaf, &nobody[3], 1);
        certificate_bears_name(leaf, somebody, 2);
        for (size_t size = 1; size <= sizeof(text); size++)
                check_text(certificate_names_text(leaf, text, size), size);
}

static void check_chain(struct slice bytes)
{
        struct chain *chain = NULL;
        struct error err = {.text = ""};
        char why[RULE_TEXT_SIZE], name[64];
        if (!chain_parse(bytes, SLICE_NONE, &chain, &err)) {
                must(strlen(err.text) > 0);
                return;
        }
        /* A pin is over the octets as received, or there is no pin (I4). */
        struct digest received = sha256(bytes);
        if (bytes.data[0] == 0x30 && chain->fault == REASON_ACCEPTED)
                must(digest_equal(&received, &chain->leaf_digest));
        key_floor_check(X509_get_X509_PUBKEY(chain->leaf), why);
        signature_check(chain->leaf, why);
        leaf_use_check(chain->leaf, USE_CLIENT_AUTH, why);
        anchor_check(chain->leaf, why);
        check_text(name_text(X509_get_subject_name(chain->leaf), name, sizeof(name)), sizeof(name));
        check_names(chain->leaf);
        chain_free(chain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct slice bytes = slice_from(data, size);
        struct pinnable pinnable;
        struct error err = {.text = ""};
        check_chain(bytes);
        if (pinnable_parse(bytes, 1800000000, &pinnable, &err)) {
                check_text(pinnable.subject, sizeof(pinnable.subject));
                check_text(pinnable.issuer, sizeof(pinnable.issuer));
                check_text(pinnable.serial, sizeof(pinnable.serial));
                must(!digest_is_none(&pinnable.spki));
                must((pinnable.kind == PINNABLE_CERTIFICATE) ==
                     !digest_is_none(&pinnable.certificate));
        } else {
                must(strlen(err.text) > 0);
        }
        return 0;
}
