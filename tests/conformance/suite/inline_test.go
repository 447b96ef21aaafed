package suite

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	stdhttp "net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/conformance/utils/http"
	"sigs.k8s.io/gateway-api/conformance/utils/kubernetes"
	confsuite "sigs.k8s.io/gateway-api/conformance/utils/suite"
	conftls "sigs.k8s.io/gateway-api/conformance/utils/tls"
	"sigs.k8s.io/gateway-api/pkg/features"
)

// Pins in the Gateway itself: spec.tls.frontend…validation.certificatePinning.
func init() {
	PinningTests = append(PinningTests,
		PinningSPKI, PinningCertificateHash, PinningPerPort, PinningInsecureFallback,
		PinningReferences, PinningInvalidReferences, PinningRemoval)
}

func pinningFeatures(more ...features.FeatureName) []features.FeatureName {
	return append([]features.FeatureName{
		features.SupportGateway,
		features.SupportHTTPRoute,
		features.SupportGatewayFrontendClientCertificateValidation,
	}, more...)
}

var PinningSPKI = confsuite.ConformanceTest{
	ShortName:   "GatewayFrontendClientCertificatePinningSPKI",
	Description: "A client is admitted when its certificate verifies and its public key is pinned, and by neither alone",
	Features:    pinningFeatures(SupportGatewayFrontendClientCertificatePinning),
	Manifests:   []string{"manifests/pinning-spki.yaml"},
	Test: func(t *testing.T, s *confsuite.ConformanceTestSuite) {
		name := infra("pinning-spki")
		d := doorAt(gatewayMustServe(t, s, name, name), "443", "spki.pinning.example")
		listenerMustHave(t, s, name, "https", condition(conditionPinningEnforced, metav1.ConditionTrue, "Enforced"))

		mustAdmit(t, s, d, testPKI.pinned)
		t.Run("a renewed certificate with the pinned key is admitted", func(t *testing.T) {
			mustAdmit(t, s, d, testPKI.renewed)
		})
		t.Run("a certificate of the CA that is not pinned is refused", func(t *testing.T) {
			mustRefuse(t, s, d, testPKI.unpinned)
		})
		t.Run("a certificate with the pinned key by another CA is refused", func(t *testing.T) {
			mustRefuse(t, s, d, testPKI.rogue)
		})
		t.Run("a client without a certificate is refused", func(t *testing.T) {
			mustRefuse(t, s, d, nil)
		})
	},
}

var PinningCertificateHash = confsuite.ConformanceTest{
	ShortName:   "GatewayFrontendClientCertificatePinningCertificateHash",
	Description: "A client is admitted when its very certificate is pinned: a renewed one with the same key is another",
	Features:    pinningFeatures(SupportGatewayFrontendClientCertificatePinning),
	Manifests:   []string{"manifests/pinning-certificate-hash.yaml"},
	Test: func(t *testing.T, s *confsuite.ConformanceTestSuite) {
		name := infra("pinning-certificate-hash")
		d := doorAt(gatewayMustServe(t, s, name, name), "443", "hash.pinning.example")

		t.Run("64 digits", func(t *testing.T) { mustAdmit(t, s, d, testPKI.pinned) })
		t.Run("pairs with colons", func(t *testing.T) { mustAdmit(t, s, d, testPKI.second) })
		t.Run("a renewed certificate with the same key is refused", func(t *testing.T) {
			mustRefuse(t, s, d, testPKI.renewed)
		})
		t.Run("a certificate of the CA that is not pinned is refused", func(t *testing.T) {
			mustRefuse(t, s, d, testPKI.unpinned)
		})
	},
}

var PinningPerPort = confsuite.ConformanceTest{
	ShortName:   "GatewayFrontendClientCertificatePinningPerPort",
	Description: "The pins of a port stand in place of the default ones, and so does their absence",
	Features:    pinningFeatures(SupportGatewayFrontendClientCertificatePinning),
	Manifests:   []string{"manifests/pinning-per-port.yaml"},
	Test: func(t *testing.T, s *confsuite.ConformanceTestSuite) {
		name := infra("pinning-per-port")
		address := gatewayMustServe(t, s, name, name)
		host := "port.pinning.example"

		t.Run("default", func(t *testing.T) {
			mustAdmit(t, s, doorAt(address, "443", host), testPKI.pinned)
			mustRefuse(t, s, doorAt(address, "443", host), testPKI.second)
		})
		t.Run("a port with other pins", func(t *testing.T) {
			mustAdmit(t, s, doorAt(address, "8443", host), testPKI.second)
			mustRefuse(t, s, doorAt(address, "8443", host), testPKI.pinned)
		})
		t.Run("a port without pins", func(t *testing.T) {
			mustAdmit(t, s, doorAt(address, "9443", host), testPKI.unpinned)
			mustRefuse(t, s, doorAt(address, "9443", host), testPKI.rogue)
			mustRefuse(t, s, doorAt(address, "9443", host), nil)
		})
	},
}

var PinningInsecureFallback = confsuite.ConformanceTest{
	ShortName:   "GatewayFrontendClientCertificatePinningInsecureFallback",
	Description: "With AllowInsecureFallback everybody is let in, and the backend is told who is pinned and who is not",
	Features: pinningFeatures(SupportGatewayFrontendClientCertificatePinning,
		features.SupportGatewayFrontendClientCertificateValidationInsecureFallback),
	Manifests: []string{"manifests/pinning-insecure-fallback.yaml"},
	Test: func(t *testing.T, s *confsuite.ConformanceTestSuite) {
		name := infra("pinning-insecure-fallback")
		d := doorAt(gatewayMustServe(t, s, name, name), "443", "fallback.pinning.example")
		listenerMustHave(t, s, name, "https", condition(conditionPinningEnforced, metav1.ConditionFalse, "InsecureFallback"))
		kubernetes.GatewayMustHaveLatestConditions(t, s.Client, s.TimeoutConfig, name)
		kubernetes.GatewayMustHaveCondition(t, s.Client, s.TimeoutConfig, name, condition(
			string(gatewayv1.GatewayConditionInsecureFrontendValidationMode), metav1.ConditionTrue,
			string(gatewayv1.GatewayReasonConfigurationChanged)))

		verify := func(who *identity, told string) func(*testing.T) {
			return func(t *testing.T) {
				expected := http.ExpectedResponse{
					Request: http.Request{Host: d.host, Path: "/"},
					ExpectedRequest: &http.ExpectedRequest{Request: http.Request{
						Host: d.host, Path: "/", Headers: map[string]string{"Pingate-Client-Verify": told},
					}},
					Response:  http.Response{StatusCodes: []int{200}},
					Backend:   confsuite.InfraBackendServiceNameV1,
					Namespace: confsuite.InfrastructureNamespace,
				}
				conftls.WaitForConsistentTLSResponse(t, s.RoundTripper, requestOf(t, d, who, &expected), expected,
					s.TimeoutConfig.RequiredConsecutiveSuccesses, s.TimeoutConfig.MaxTimeToConsistency)
			}
		}
		t.Run("pinned", verify(testPKI.pinned, "SUCCESS"))
		t.Run("not pinned", verify(testPKI.unpinned, "FAILED:not_pinned"))
		t.Run("of another CA", verify(testPKI.rogue, "FAILED:untrusted"))
		t.Run("without a certificate", verify(nil, "NONE"))
	},
}

var PinningReferences = confsuite.ConformanceTest{
	ShortName:   "GatewayFrontendClientCertificatePinningReferences",
	Description: "Certificates are pinned by reference, in another namespace for as long as a ReferenceGrant stands",
	Features: pinningFeatures(SupportGatewayFrontendClientCertificatePinning,
		SupportGatewayFrontendClientCertificatePinningReferences, features.SupportReferenceGrant),
	Manifests: []string{"manifests/pinning-references.yaml"},
	Test: func(t *testing.T, s *confsuite.ConformanceTestSuite) {
		name := infra("pinning-references")
		d := doorAt(gatewayMustServe(t, s, name, name), "443", "references.pinning.example")

		t.Run("a Secret of the same namespace", func(t *testing.T) { mustAdmit(t, s, d, testPKI.pinned) })
		t.Run("what is pinned is the certificate, not its key", func(t *testing.T) { mustRefuse(t, s, d, testPKI.renewed) })
		t.Run("a ConfigMap of another namespace", func(t *testing.T) { mustAdmit(t, s, d, testPKI.second) })
		t.Run("the grant is taken back", func(t *testing.T) {
			mustDelete(t, s, &gatewayv1.ReferenceGrant{}, types.NamespacedName{
				Namespace: confsuite.WebBackendNamespace, Name: "pinning-references",
			})
			listenerMustHave(t, s, name, "https",
				condition(string(gatewayv1.ListenerConditionResolvedRefs), metav1.ConditionFalse, "RefNotPermitted"),
				condition(string(gatewayv1.ListenerConditionAccepted), metav1.ConditionTrue, "Accepted"),
				condition(string(gatewayv1.ListenerConditionProgrammed), metav1.ConditionTrue, "Programmed"))
			mustRefuse(t, s, d, testPKI.second)
			mustAdmit(t, s, d, testPKI.pinned)
		})
	},
}

var PinningInvalidReferences = confsuite.ConformanceTest{
	ShortName:   "GatewayInvalidFrontendClientCertificatePinning",
	Description: "Pins that can't be had are told on the listeners of their port, and a port without any pin admits nobody",
	Features: pinningFeatures(SupportGatewayFrontendClientCertificatePinning,
		SupportGatewayFrontendClientCertificatePinningReferences, features.SupportReferenceGrant),
	Manifests: []string{"manifests/pinning-invalid-references.yaml"},
	Test: func(t *testing.T, s *confsuite.ConformanceTestSuite) {
		name := infra("pinning-invalid-references")
		address, err := kubernetes.WaitForGatewayAddress(t, s.Client, s.TimeoutConfig, kubernetes.NewGatewayRef(name, "valid"))
		require.NoError(t, err)
		address, _, err = net.SplitHostPort(address)
		require.NoError(t, err)
		host := "invalid.pinning.example"

		t.Run("a port whose pins are in order", func(t *testing.T) {
			listenerMustHave(t, s, name, "valid",
				condition(string(gatewayv1.ListenerConditionResolvedRefs), metav1.ConditionTrue, "ResolvedRefs"),
				condition(string(gatewayv1.ListenerConditionAccepted), metav1.ConditionTrue, "Accepted"),
				condition(string(gatewayv1.ListenerConditionProgrammed), metav1.ConditionTrue, "Programmed"))
			mustAdmit(t, s, doorAt(address, "443", host), testPKI.pinned)
		})
		for _, broken := range []struct{ listener, port, reason string }{
			{"missing", "6443", "InvalidPinnedCertificateRef"},
			{"kind", "7443", "InvalidPinnedCertificateKind"},
			{"not-permitted", "8443", "RefNotPermitted"},
		} {
			t.Run(broken.reason+" and no pin left", func(t *testing.T) {
				listenerMustHave(t, s, name, broken.listener,
					condition(string(gatewayv1.ListenerConditionResolvedRefs), metav1.ConditionFalse, broken.reason),
					condition(string(gatewayv1.ListenerConditionAccepted), metav1.ConditionFalse, "NoValidPin"),
					condition(string(gatewayv1.ListenerConditionProgrammed), metav1.ConditionFalse, "Invalid"))
				d := doorAt(address, broken.port, host)
				for _, who := range []*identity{testPKI.pinned, testPKI.second, testPKI.unpinned, nil} {
					mustRefuse(t, s, d, who)
				}
			})
		}
		t.Run("the pins that are left stay in force", func(t *testing.T) {
			listenerMustHave(t, s, name, "partly",
				condition(string(gatewayv1.ListenerConditionResolvedRefs), metav1.ConditionFalse, "InvalidPinnedCertificateRef"),
				condition(string(gatewayv1.ListenerConditionAccepted), metav1.ConditionTrue, "Accepted"),
				condition(string(gatewayv1.ListenerConditionProgrammed), metav1.ConditionTrue, "Programmed"))
			mustAdmit(t, s, doorAt(address, "9443", host), testPKI.pinned)
			mustRefuse(t, s, doorAt(address, "9443", host), testPKI.second)
		})
	},
}

var PinningRemoval = confsuite.ConformanceTest{
	ShortName:   "GatewayFrontendClientCertificatePinningRemoval",
	Description: "A pin that is taken away refuses new handshakes and ends connections that are open",
	Features:    pinningFeatures(SupportGatewayFrontendClientCertificatePinning),
	Manifests:   []string{"manifests/pinning-removal.yaml"},
	Test: func(t *testing.T, s *confsuite.ConformanceTestSuite) {
		name := infra("pinning-removal")
		d := doorAt(gatewayMustServe(t, s, name, name), "443", "removal.pinning.example")
		mustAdmit(t, s, d, testPKI.pinned)
		mustAdmit(t, s, d, testPKI.second)
		leaving, staying := mustOpen(t, s, d, testPKI.second), mustOpen(t, s, d, testPKI.pinned)

		mustPatch(t, s, &gatewayv1.Gateway{}, name, fmt.Sprintf(
			`{"spec":{"tls":{"frontend":{"default":{"validation":{"certificatePinning":{"spkiHashes":[%q]}}}}}}}`, testPKI.pinned.spki()))
		mustRefuse(t, s, d, testPKI.second)
		t.Run("the open connection ends", func(t *testing.T) { leaving.mustEnd(t, s.TimeoutConfig.MaxTimeToConsistency) })
		t.Run("that of a client that is still pinned goes on", func(t *testing.T) { staying.mustServe(t) })

		mustPatch(t, s, &gatewayv1.Gateway{}, name, fmt.Sprintf(
			`{"spec":{"tls":{"frontend":{"default":{"validation":{"certificatePinning":{"spkiHashes":[%q,%q]}}}}}}}`,
			testPKI.pinned.spki(), testPKI.second.spki()))
		t.Run("the pin comes back", func(t *testing.T) { mustAdmit(t, s, d, testPKI.second) })
	},
}

// connection is one that stays open between requests, which upstream's clients do not.
type connection struct {
	tls    *tls.Conn
	reader *bufio.Reader
	host   string
}

func mustOpen(t *testing.T, s *confsuite.ConformanceTestSuite, d door, who *identity) *connection {
	t.Helper()
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(testPKI.ca.certPEM))
	dialer := &net.Dialer{Timeout: s.TimeoutConfig.RequestTimeout}
	conn, err := tls.DialWithDialer(dialer, "tcp", d.address, &tls.Config{
		ServerName: d.host, RootCAs: roots, Certificates: []tls.Certificate{who.keyPair}, MinVersion: tls.VersionTLS12,
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	c := &connection{tls: conn, reader: bufio.NewReader(conn), host: d.host}
	c.mustServe(t)
	return c
}

// mustServe makes a request, and leaves the connection open for the next.
func (c *connection) mustServe(t *testing.T) {
	t.Helper()
	require.NoError(t, c.tls.SetDeadline(time.Now().Add(10*time.Second)))
	_, err := fmt.Fprintf(c.tls, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", c.host)
	require.NoError(t, err)
	response, err := stdhttp.ReadResponse(c.reader, nil)
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode)
	require.False(t, response.Close, "the gateway ends a connection that it should keep")
	buffer := make([]byte, 4096)
	for err == nil {
		_, err = response.Body.Read(buffer)
	}
	require.NoError(t, response.Body.Close())
}

// mustEnd waits, without asking for anything, until the other side closes.
func (c *connection) mustEnd(t *testing.T, within time.Duration) {
	t.Helper()
	require.NoError(t, c.tls.SetDeadline(time.Now().Add(within)))
	_, err := c.reader.ReadByte()
	require.Error(t, err, "the gateway says something that nobody asked for")
	require.False(t, errors.Is(err, os.ErrDeadlineExceeded), "the connection is still open after %v", within)
}
