#include "fuzz.h"
#include "fuzz_judge.h"
#include "fuzz_parts.h"

/* A CA without which a bare CRL would not be looked at. */
static const char bare_ca[] = "-----BEGIN CERTIFICATE-----\n"
                              "MIIBVDCB/KADAgECAgID6DAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdGdXp6IENB\n"
                              "MB4XDTI2MDEwMTAwMDAwMFoXDTM2MDEwMTAwMDAwMFowEjEQMA4GA1UEAwwHRnV6\n"
                              "eiBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAUSu8CVLLxFxCblhtIR+P4s\n"
                              "BMalG9ugIP9FDA3HfHqmEN4MSW3sB7RQowhGky//1N2ntV/jNb18r28G4kat+c+j\n"
                              "QjBAMA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0OBBYEFHssqfZ88X8vPf0o9HqpRlo8\n"
                              "Nm5JMA4GA1UdDwEB/wQEAwIBBjAKBggqhkjOPQQDAgNHADBEAiB50gbfVbxI7Vfh\n"
                              "EhLAHD6/VOsBuOH+ov4Obg8DI2rT9wIge7vlHn0eDQyKH42S9hwbZDwE2CvB0nIk\n"
                              "UAXFJoPWtQs=\n"
                              "-----END CERTIFICATE-----\n";

static struct ca_set *set_of(struct slice ca, struct slice crl)
{
        struct ca_set_builder *builder = ca_set_builder_new(CA_FLOOR_FULL);
        struct error err = {.text = ""};
        bool good = ca_set_builder_add(builder, ca, &crl, &err);
        must(good || strlen(err.text) > 0);
        struct ca_set *set = ca_set_build(builder);
        must(good == (set != NULL));
        /* CRLs are all there or the reference is refused (I12). */
        must(!set || ca_set_crl_count(set) > 0);
        return set;
}

/* Parts: a CA, its CRL, a leaf. Or one CRL in DER, as OpenSSL's corpus has them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct slice rest = slice_from(data, size), ca = slice_of(bare_ca), crl, leaf = SLICE_NONE;
        struct arena arena;
        struct chain *chain = NULL;
        arena_init(&arena, 8192);
        if (size > 0 && data[0] == 0x30) {
                crl = pem_print(&arena, "X509 CRL", rest);
        } else {
                ca = parts_as_pem(&rest, &arena, "CERTIFICATE", 1);
                crl = parts_as_pem(&rest, &arena, "X509 CRL", 1);
                leaf = parts_as_pem(&rest, &arena, "CERTIFICATE", 1);
        }
        struct ca_set *cas = set_of(ca, crl);
        if (cas && chain_parse(leaf, SLICE_NONE, &chain, NULL))
                judge_and_check(cas, chain);
        else if (cas)
                trust_store_unref(trust_store_new(cas));
        chain_free(chain);
        ca_set_unref(cas);
        arena_done(&arena);
        return 0;
}
