package suite

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/conformance"
	"sigs.k8s.io/gateway-api/conformance/tests"
	"sigs.k8s.io/gateway-api/conformance/utils/suite"
	"sigs.k8s.io/gateway-api/pkg/features"
)

// TestClaims holds the GatewayClass to every feature of the four profiles, extended and experimental ones included.
// Upstream's suite leaves out what is not claimed and calls that a success, so a feature lost from the status would
// otherwise go unnoticed; what this cluster's CRDs or addresses can't hold must not be claimed.
func TestClaims(t *testing.T) {
	options := conformance.DefaultOptions(t)
	class := &gatewayv1.GatewayClass{}
	name := types.NamespacedName{Name: options.GatewayClassName}
	require.NoError(t, options.Client.Get(context.Background(), name, class))

	claimed := sets.New[features.FeatureName]()
	for _, feature := range class.Status.SupportedFeatures {
		claimed.Insert(features.FeatureName(feature.Name))
	}
	// No profile has it, yet upstream tests it.
	wanted := sets.New(features.SupportGRPCRouteNamedRouteRule)
	for _, profile := range []suite.ConformanceProfile{
		suite.GatewayHTTPConformanceProfile, suite.GatewayTLSConformanceProfile,
		suite.GatewayGRPCConformanceProfile, suite.GatewayTCPConformanceProfile,
	} {
		wanted = wanted.Union(profile.CoreFeatures).Union(profile.ExtendedFeatures)
	}
	if os.Getenv("PINGATE_MODE") == "service" {
		// Where a load balancer has the address, and pingate's namespace the Service, nothing of these is promised.
		wanted.Delete(features.SupportGatewayStaticAddresses, features.SupportGatewayInfrastructurePropagation)
	}
	if os.Getenv("PINGATE_CHANNEL") == "standard" {
		// The HTTPRoute CRD of that channel drops the field.
		wanted.Delete(features.SupportHTTPRouteRetry, features.SupportHTTPRouteRetryBackendTimeout,
			features.SupportHTTPRouteRetryConnectionError)
	}
	require.Empty(t, sets.List(wanted.Difference(claimed)), "features that the GatewayClass %s does not claim", name.Name)
	require.Empty(t, sets.List(claimed.Difference(wanted)), "features that the GatewayClass %s claims and no test covers", name.Name)
}

// namesIn returns what docs/conformance.md has between two marks in backquotes.
func namesIn(t *testing.T, text, begin, end string) sets.Set[string] {
	_, after, found := strings.Cut(text, begin)
	require.True(t, found, begin)
	block, _, found := strings.Cut(after, end)
	require.True(t, found, end)
	names := sets.New[string]()
	for _, match := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(block, -1) {
		names.Insert(match[1])
	}
	return names
}

// TestSkipped holds the manual to name every test of upstream's that does not run for want of a feature. It asks no cluster.
func TestSkipped(t *testing.T) {
	_, here, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(here), "..", "..", "..", "docs", "conformance.md"))
	require.NoError(t, err)
	claimed := namesIn(t, string(text), "<!-- features -->", "<!-- end -->")
	told := namesIn(t, string(text), "<!-- skipped -->", "<!-- end skipped -->")

	skipped := sets.New[string]()
	for _, test := range tests.ConformanceTests {
		for _, feature := range test.Features {
			if !claimed.Has(string(feature)) {
				skipped.Insert(test.ShortName)
			}
		}
	}
	told.Delete("UDPRoute") // the feature, and a test as well
	skipped.Delete("UDPRoute")
	require.Equal(t, sets.List(skipped), sets.List(told))
}
