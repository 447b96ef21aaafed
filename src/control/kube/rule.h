/* What a role lacks, as RBAC writes it: behind the API server's own words wherever it answers 403,
 * and always in the same form, so that it can be looked for and copied. */
#pragma once

#define RULE_BEGIN      "{apiGroups: [\"%s\"], resources: ["
#define RULE_END        "], verbs: [%s]}"
#define RULE_WANTED     "; the role wants the rule " RULE_BEGIN "%s" RULE_END
#define RULE_VERBS_READ "get, list, watch"
