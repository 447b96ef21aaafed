// Package suite runs the Gateway API conformance suite against the gateway in the cluster that KUBECONFIG names:
// upstream's, unmodified, and our own tests of client certificate pinning, which have the same form.
package suite

import (
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
)

// TestConformance is upstream's suite with upstream's flags. Its features are those that the GatewayClass claims.
func TestConformance(t *testing.T) {
	conformance.RunConformance(t)
}
