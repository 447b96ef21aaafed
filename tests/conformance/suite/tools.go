//go:build tools

// The backend that upstream's tests talk to is built from this module, so that its version is pinned with the suite's:
// `go build sigs.k8s.io/gateway-api/conformance/echo-basic`.
package suite

import _ "sigs.k8s.io/gateway-api/conformance/echo-basic"
