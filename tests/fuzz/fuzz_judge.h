/* The judge over fuzzed CAs, CRLs and chains, and what must hold of every verdict. */
#pragma once

#include <string.h>

#include "base/must.h"
#include "trust/judge.h"

enum {
        FUZZ_NOW = 1800000000, /* 2027-01-15: the seeds are valid then */
};

static inline void check_verdict(const struct judge_request *request, const struct verdict *v)
{
        must(v->verified == (v->reason == REASON_ACCEPTED));
        must(v->admitted == v->verified);
        must(memchr(v->detail, '\0', sizeof(v->detail)) != NULL);
        must(v->reason != REASON_INTERNAL);
        if (!v->verified)
                return;
        must(request->chain->fault == REASON_ACCEPTED);
        must(v->path.count >= 1 && v->path.count <= PATH_CERTIFICATES_MAX);
        must(digest_equal(&v->path.certificates[0], &request->chain->leaf_digest));
        must(ca_set_has_anchor(request->policy->cas, &v->path.certificates[v->path.count - 1]));
        must(v->valid_from <= request->now && request->now < v->valid_until);
}

/* Judges twice, and a third time from the cache: one request has one verdict. */
static inline void judge_and_check(struct ca_set *cas, const struct chain *chain)
{
        struct client_policy policy = {.cas = cas, .rules = path_rules_default()};
        struct verdict first, second;
        client_policy_seal(&policy);
        struct trust_store *store = trust_store_new(cas);
        struct path_cache *cache = path_cache_new(4);
        struct judge_request request = {.policy = &policy,
                                        .chain = chain,
                                        .listener = LISTENER_UNKNOWN,
                                        .now = FUZZ_NOW,
                                        .store = store,
                                        .cache = cache};
        judge(&request, &first);
        check_verdict(&request, &first);
        for (int i = 0; i < 2; i++) {
                judge(&request, &second);
                check_verdict(&request, &second);
                must(first.reason == second.reason && first.path.count == second.path.count);
                must(second.path_from_cache == (i == 1 && first.verified));
                path_cache_commit(cache, &second);
        }
        path_cache_free(cache);
        trust_store_unref(store);
}
