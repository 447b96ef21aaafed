/* A CustomResourceDefinition as an API server hands it out. */
#include "fuzz.h"

#include "control/report/gateway_crd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct gateway_crd_facts facts = {.known = false};
        struct error err = {.text = ""};
        (void)route_crd_read(slice_from(data, size), &facts, &err);
        must(!facts.known);
        bool ok = gateway_crd_read(slice_from(data, size), &facts, &err);
        must(ok == facts.known);
        must(ok || err.text[0] != '\0');
        must(!facts.supported || *facts.version != '\0');
        return 0;
}
