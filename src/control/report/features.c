#include "control/report/features.h"

#include <string.h>

#include "base/memory.h"
#include "control/api/object.h"

/* Not claimed: UDPRoute and what concerns a mesh. */
static const char *const features[] = {
        "BackendTLSPolicy",
        "BackendTLSPolicySANValidation",
        "GRPCRoute",
        "GRPCRouteNamedRouteRule",
        "Gateway",
        "GatewayAddressEmpty",
        "GatewayBackendClientCertificate",
        "GatewayFrontendClientCertificateValidation",
        "GatewayFrontendClientCertificateValidationInsecureFallback",
        "GatewayHTTPListenerIsolation",
        "GatewayHTTPSListenerDetectMisdirectedRequests",
        "GatewayInfrastructurePropagation",
        "GatewayPort8080",
        "GatewayStaticAddresses",
        "HTTPRoute",
        "HTTPRoute303RedirectStatusCode",
        "HTTPRoute307RedirectStatusCode",
        "HTTPRoute308RedirectStatusCode",
        "HTTPRouteBackendProtocolH2C",
        "HTTPRouteBackendProtocolWebSocket",
        "HTTPRouteBackendRequestHeaderModification",
        "HTTPRouteBackendTimeout",
        "HTTPRouteCORS",
        "HTTPRouteDestinationPortMatching",
        "HTTPRouteHostRewrite",
        "HTTPRouteMethodMatching",
        "HTTPRouteNamedRouteRule",
        "HTTPRouteParentRefPort",
        "HTTPRoutePathRedirect",
        "HTTPRoutePathRewrite",
        "HTTPRoutePortRedirect",
        "HTTPRouteQueryParamMatching",
        "HTTPRouteRequestMirror",
        "HTTPRouteRequestMultipleMirrors",
        "HTTPRouteRequestPercentageMirror",
        "HTTPRouteRequestTimeout",
        "HTTPRouteResponseHeaderModification",
        "HTTPRouteRetry",
        "HTTPRouteRetryBackendTimeout",
        "HTTPRouteRetryConnectionError",
        "HTTPRouteSchemeRedirect",
        "ListenerSet",
        "ReferenceGrant",
        "TCPRoute",
        "TLSRoute",
        "TLSRouteModeMixed",
        "TLSRouteModeTerminate",
};
_Static_assert(COUNT_OF(features) <= FEATURES_MAX, "upstream's maximum");

/* A load balancer chooses the address, and its Service is in pingate's own namespace. */
static bool wants_pool(const char *feature)
{
        return strcmp(feature, "GatewayInfrastructurePropagation") == 0 ||
               strcmp(feature, "GatewayStaticAddresses") == 0;
}

static bool begins(const char *feature, const char *with)
{
        return strncmp(feature, with, strlen(with)) == 0;
}

/* A feature's name begins with that of the kind it is of. */
static bool wants_absent(const char *feature, unsigned absent)
{
        for (size_t kind = 0; kind < KIND_COUNT; kind++)
                if ((absent & BIT(kind)) &&
                    begins(feature, object_kind_name((enum object_kind)kind)))
                        return true;
        return false;
}

size_t features_list(struct features_ground ground, const char *out[static FEATURES_MAX])
{
        size_t count = 0;
        for (size_t i = 0; i < COUNT_OF(features); i++)
                if ((ground.pooled || !wants_pool(features[i])) &&
                    (ground.retry || !begins(features[i], "HTTPRouteRetry")) &&
                    !wants_absent(features[i], ground.absent))
                        out[count++] = features[i];
        return count;
}
