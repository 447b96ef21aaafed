/* The gateway's proof to itself that pins are enforced. Before a generation is published, each of
 * its client policies that has pins is put to the test with its anchors replaced by a throw-away
 * CA: of two leaves of that CA the one that is pinned nowhere must be refused as not_pinned, and
 * the one whose pin is added beside the policy's own sets must come in. Both by real handshakes in
 * memory, in TLS 1.2 and 1.3, through the contexts that tls/ builds and the hooks that every client
 * meets.
 *
 * What is probed is a snapshot of its own: the probe's CA never enters a live store, its set never
 * a live policy, and nothing is counted or recorded as a handshake. Sets are shared, not copied: a
 * million pins cost what one costs, and a policy whose digest has passed is not probed again.
 * Used by the control thread alone. */
#pragma once

#include "base/error.h"
#include "snapshot/snapshot.h"
#include "tls/context.h"

struct probe;

/* tls_contexts_build; another only to show that the probe sees a context that is built wrongly. */
typedef bool (*build_contexts_fn)(struct snapshot *snapshot, const struct tls_options *options,
                                  struct error *err);

/* Makes the CA and its leaves. The options (hooks, library) are those of the live contexts, and
 * outlive the probe. NULL: OpenSSL gave no keys. */
struct probe *probe_new(const struct tls_options *options, build_contexts_fn build,
                        struct error *err);
void probe_free(struct probe *probe); /* NULL is fine */

/* Every policy of the snapshot that is new. False: one failed, err says which port and how; what
 * passed before is still known. *count: how many were put to the test, the failed one included. */
bool probe_run(struct probe *probe, const struct snapshot *snapshot, size_t *count,
               struct error *err);
