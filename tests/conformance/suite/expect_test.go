package suite

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/conformance/utils/http"
	"sigs.k8s.io/gateway-api/conformance/utils/kubernetes"
	"sigs.k8s.io/gateway-api/conformance/utils/roundtripper"
	confsuite "sigs.k8s.io/gateway-api/conformance/utils/suite"
	"sigs.k8s.io/gateway-api/conformance/utils/tlog"
	conftls "sigs.k8s.io/gateway-api/conformance/utils/tls"
)

const (
	conditionPinningEnforced = "pingate.dev/PinningEnforced"
	conditionPolicyAffected  = "pingate.dev/ClientCertificatePolicyAffected"
)

// door is a port of a Gateway, and the host that is asked for there.
type door struct {
	address string // with the port
	host    string
	path    string
}

// infra names an object of the namespace that all Gateways of these tests are in.
func infra(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: confsuite.InfrastructureNamespace, Name: name}
}

// gatewayMustServe waits for a Gateway and its routes and gives its address, without a port.
func gatewayMustServe(t *testing.T, s *confsuite.ConformanceTestSuite, gateway types.NamespacedName, routes ...types.NamespacedName) string {
	t.Helper()
	return kubernetes.GatewayAndRoutesMustBeAccepted(t, s.Client, s.TimeoutConfig, s.ControllerName,
		kubernetes.NewGatewayRef(gateway), &gatewayv1.HTTPRoute{}, false, routes...)
}

func doorAt(address, port, host string) door {
	return door{address: net.JoinHostPort(address, port), host: host, path: "/"}
}

// mustAdmit expects the client's requests to reach the backend, eventually and then consistently.
func mustAdmit(t *testing.T, s *confsuite.ConformanceTestSuite, d door, who *identity) {
	t.Helper()
	mustAdmitAs(t, s, d, who, "")
}

// mustAdmitAs also expects the backend to be told the client's name.
func mustAdmitAs(t *testing.T, s *confsuite.ConformanceTestSuite, d door, who *identity, name string) {
	t.Helper()
	expected := http.ExpectedResponse{
		Request:   http.Request{Host: d.host, Path: d.path},
		Response:  http.Response{StatusCodes: []int{200}},
		Backend:   confsuite.InfraBackendServiceNameV1,
		Namespace: confsuite.InfrastructureNamespace,
	}
	if name != "" {
		expected.ExpectedRequest = &http.ExpectedRequest{Request: http.Request{
			Host: d.host, Path: d.path,
			Headers: map[string]string{"Pingate-Client-Verify": "SUCCESS", "Pingate-Client-Name": name},
		}}
	}
	tlog.Logf(t, "%s must be admitted at %s as %s", who.name, d.address, d.host)
	conftls.MakeTLSRequestAndExpectEventuallyConsistentResponse(t, s.RoundTripper, s.TimeoutConfig, d.address,
		testPKI.ca.certPEM, who.certPEM, who.keyPEM, d.host, expected)
}

// mustAnswer expects an HTTP status, eventually and then consistently. A nil client shows no certificate.
func mustAnswer(t *testing.T, s *confsuite.ConformanceTestSuite, d door, who *identity, status int) {
	t.Helper()
	expected := http.ExpectedResponse{
		Request:   http.Request{Host: d.host, Path: d.path},
		Response:  http.Response{StatusCodes: []int{status}},
		Namespace: confsuite.InfrastructureNamespace,
	}
	request := requestOf(t, d, who, &expected)
	conftls.WaitForConsistentTLSResponse(t, s.RoundTripper, request, expected,
		s.TimeoutConfig.RequiredConsecutiveSuccesses, s.TimeoutConfig.MaxTimeToConsistency)
}

// mustRefuse expects the client to be refused in the handshake, eventually and then consistently: an HTTP response, and
// a port that nobody listens on, are both no refusal. A nil client shows no certificate.
func mustRefuse(t *testing.T, s *confsuite.ConformanceTestSuite, d door, who *identity) {
	t.Helper()
	tlog.Logf(t, "%s must be refused at %s as %s", nameOf(who), d.address, d.host)
	http.AwaitConvergence(t, s.TimeoutConfig.RequiredConsecutiveSuccesses, s.TimeoutConfig.MaxTimeToConsistency,
		func(_ time.Duration) bool {
			err := attempt(t, s, d, who)
			if !refused(err) {
				tlog.Logf(t, "not refused yet: %v", err)
			}
			return refused(err)
		})
}

// attempt makes one request, and tells how it failed. An answer of any status is no failure.
func attempt(t *testing.T, s *confsuite.ConformanceTestSuite, d door, who *identity) error {
	t.Helper()
	expected := http.ExpectedResponse{Request: http.Request{Host: d.host, Path: d.path}}
	_, _, err := s.RoundTripper.CaptureRoundTrip(requestOf(t, d, who, &expected))
	return err
}

// refused tells a refusal by TLS, or a connection cut short, from one that never came to be.
func refused(err error) bool {
	var op *net.OpError
	if err == nil || (errors.As(err, &op) && op.Op == "dial") || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	return strings.Contains(err.Error(), "remote error: tls:") || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func requestOf(t *testing.T, d door, who *identity, expected *http.ExpectedResponse) roundtripper.Request {
	t.Helper()
	request := http.MakeRequest(t, expected, d.address, roundtripper.HTTPSProtocol, "https")
	request.ServerName = d.host
	request.ServerCertificate = testPKI.ca.certPEM
	request.GetClientCertificateHook = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if who == nil {
			return &tls.Certificate{}, nil
		}
		return &who.keyPair, nil
	}
	return request
}

func nameOf(who *identity) string {
	if who == nil {
		return "a client without a certificate"
	}
	return who.name
}

// --- statuses ---

func condition(kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason}
}

func listenerMustHave(t *testing.T, s *confsuite.ConformanceTestSuite, gateway types.NamespacedName, listener string, conditions ...metav1.Condition) {
	t.Helper()
	kubernetes.GatewayListenerMustHaveConditions(t, s.Client, s.TimeoutConfig, gateway, listener, conditions)
}

var policyKind = schema.GroupVersionKind{Group: "pingate.dev", Version: "v1alpha1", Kind: "ClientCertificatePolicy"}

// policyMustHave waits until each condition stands, at the policy's present generation, under the ancestor of that name.
func policyMustHave(t *testing.T, s *confsuite.ConformanceTestSuite, policy types.NamespacedName, ancestor string, conditions ...metav1.Condition) {
	t.Helper()
	var lacking error
	err := wait.PollUntilContextTimeout(t.Context(), s.TimeoutConfig.DefaultPollInterval, s.TimeoutConfig.GatewayMustHaveCondition, true,
		func(ctx context.Context) (bool, error) {
			object := &unstructured.Unstructured{}
			object.SetGroupVersionKind(policyKind)
			if err := s.Client.Get(ctx, policy, object); err != nil {
				return false, err
			}
			status := gatewayv1.PolicyStatus{}
			raw, _, _ := unstructured.NestedMap(object.Object, "status")
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &status); err != nil {
				return false, err
			}
			for _, wanted := range conditions {
				if lacking = ancestorHas(object, status, s.ControllerName, ancestor, wanted); lacking != nil {
					return false, nil
				}
			}
			return true, nil
		})
	require.NoError(t, err, "ClientCertificatePolicy %s: %v", policy, lacking)
}

func ancestorHas(object metav1.Object, status gatewayv1.PolicyStatus, controller, ancestor string, wanted metav1.Condition) error {
	for _, a := range status.Ancestors {
		if string(a.AncestorRef.Name) != ancestor || string(a.ControllerName) != controller {
			continue
		}
		if err := kubernetes.ConditionsHaveLatestObservedGeneration(object, a.Conditions); err != nil {
			return err
		}
		for _, c := range a.Conditions {
			if c.Type == wanted.Type && c.Status == wanted.Status && c.Reason == wanted.Reason {
				return nil
			}
		}
		return fmt.Errorf("wants %s=%s %s, has %v", wanted.Type, wanted.Status, wanted.Reason, a.Conditions)
	}
	return fmt.Errorf("has no status for %s by %s", ancestor, controller)
}

// --- changes ---

// mustPatch changes an object by a JSON merge patch.
func mustPatch(t *testing.T, s *confsuite.ConformanceTestSuite, object client.Object, name types.NamespacedName, patch string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), s.TimeoutConfig.CreateTimeout)
	defer cancel()
	object.SetNamespace(name.Namespace)
	object.SetName(name.Name)
	require.NoError(t, s.Client.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(patch))))
}

func mustDelete(t *testing.T, s *confsuite.ConformanceTestSuite, object client.Object, name types.NamespacedName) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), s.TimeoutConfig.DeleteTimeout)
	defer cancel()
	object.SetNamespace(name.Namespace)
	object.SetName(name.Name)
	require.NoError(t, s.Client.Delete(ctx, object))
}

func policyObject() *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(policyKind)
	return object
}
