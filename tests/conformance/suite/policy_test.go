package suite

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/conformance/utils/http"
	"sigs.k8s.io/gateway-api/conformance/utils/kubernetes"
	confsuite "sigs.k8s.io/gateway-api/conformance/utils/suite"
)

// Pins with names, scopes and a life: ClientCertificatePolicy, attached as GEP-713 says.
func init() {
	PinningTests = append(PinningTests,
		PolicyGateway, PolicyListener, PolicyRoute, PolicyConflict, PolicyTargetNotFound, PolicyPinSet, PolicyDeny)
}

var (
	policyAccepted = condition(string(gatewayv1.PolicyConditionAccepted), metav1.ConditionTrue, string(gatewayv1.PolicyReasonAccepted))
	policyResolved = condition("ResolvedRefs", metav1.ConditionTrue, "ResolvedRefs")
	policyEnforced = condition(conditionPinningEnforced, metav1.ConditionTrue, "Enforced")
)

func policyRefused(reason gatewayv1.PolicyConditionReason) metav1.Condition {
	return condition(string(gatewayv1.PolicyConditionAccepted), metav1.ConditionFalse, string(reason))
}

var PolicyGateway = confsuite.ConformanceTest{
	ShortName:   "ClientCertificatePolicyGateway",
	Description: "A policy on a Gateway admits whom it pins, tells the backend who that is, and is told on the Gateway",
	Features:    pinningFeatures(SupportClientCertificatePolicy),
	Manifests:   []string{"manifests/policy-gateway.yaml"},
	Test: func(t *testing.T, s *confsuite.ConformanceTestSuite) {
		name := infra("policy-gateway")
		d := doorAt(gatewayMustServe(t, s, name, name), "443", "gateway.pinning.example")
		policyMustHave(t, s, name, name.Name, policyAccepted, policyResolved, policyEnforced)
		kubernetes.GatewayMustHaveLatestConditions(t, s.Client, s.TimeoutConfig, name)
		kubernetes.GatewayMustHaveCondition(t, s.Client, s.TimeoutConfig, name,
			condition(conditionPolicyAffected, metav1.ConditionTrue, "PolicyAttached"))

		mustAdmitAs(t, s, d, testPKI.pinned, "acme-robot")
		mustAdmitAs(t, s, d, testPKI.second, "beta-robot")
		mustRefuse(t, s, d, testPKI.unpinned)
		mustRefuse(t, s, d, nil)
		t.Run("a policy that goes lets in whom the CA trusts, and is told no longer", func(t *testing.T) {
			mustDelete(t, s, policyObject(), name)
			mustAdmit(t, s, d, testPKI.unpinned)
			require.Eventually(t, func() bool {
				gateway := &gatewayv1.Gateway{}
				require.NoError(t, s.Client.Get(t.Context(), name, gateway))
				for _, c := range gateway.Status.Conditions {
					if c.Type == conditionPolicyAffected {
						return false
					}
				}
				return true
			}, s.TimeoutConfig.GatewayMustHaveCondition, s.TimeoutConfig.DefaultPollInterval)
		})
	},
}

var PolicyListener = confsuite.ConformanceTest{
	ShortName:   "ClientCertificatePolicyListener",
	Description: "A policy on a listener holds there, and not on another of the same port",
	Features:    pinningFeatures(SupportClientCertificatePolicy),
	Manifests:   []string{"manifests/policy-listener.yaml"},
	Test: func(t *testing.T, s *confsuite.ConformanceTestSuite) {
		name := infra("policy-listener")
		address := gatewayMustServe(t, s, name, name)
		first, second := doorAt(address, "443", "first.pinning.example"), doorAt(address, "443", "second.pinning.example")
		policyMustHave(t, s, name, name.Name, policyAccepted, policyEnforced)
		listenerMustHave(t, s, name, "second", policyEnforced)

		mustAdmitAs(t, s, second, testPKI.pinned, "acme-robot")
		mustRefuse(t, s, second, testPKI.unpinned)
		mustAdmit(t, s, first, testPKI.unpinned)
		mustRefuse(t, s, first, testPKI.rogue)
		t.Run("a connection of the one carries no request for the other", func(t *testing.T) {
			around := http.ExpectedResponse{Request: http.Request{Host: second.host, Path: "/"}}
			request := requestOf(t, first, testPKI.unpinned, &around)
			_, response, err := s.RoundTripper.CaptureRoundTrip(request)
			require.NoError(t, err)
			require.Equal(t, 421, response.StatusCode)
		})
	},
}

var PolicyRoute = confsuite.ConformanceTest{
	ShortName:   "ClientCertificatePolicyRoute",
	Description: "Policies on a route and a rule of it answer 403 to whom they do not pin, on every listener, and concern no other route",
	Features:    pinningFeatures(SupportClientCertificatePolicy),
	Manifests:   []string{"manifests/policy-route.yaml"},
	Test: func(t *testing.T, s *confsuite.ConformanceTestSuite) {
		name := infra("policy-route")
		address := gatewayMustServe(t, s, name, infra("policy-route-guarded"), infra("policy-route-open"))
		policyMustHave(t, s, name, "policy-route-guarded", policyAccepted, policyResolved)
		policyMustHave(t, s, infra("policy-route-admin"), "policy-route-guarded", policyAccepted, policyResolved)
		guarded, open := doorAt(address, "443", "guarded.pinning.example"), doorAt(address, "443", "open.pinning.example")

		t.Run("the route", func(t *testing.T) {
			mustAdmitAs(t, s, guarded, testPKI.pinned, "acme-robot")
			mustAdmitAs(t, s, guarded, testPKI.second, "beta-robot")
			mustAnswer(t, s, guarded, testPKI.unpinned, 403)
		})
		t.Run("the rule", func(t *testing.T) {
			admin := guarded
			admin.path = "/admin"
			mustAdmitAs(t, s, admin, testPKI.pinned, "acme-robot")
			mustAnswer(t, s, admin, testPKI.second, 403)
			mustAnswer(t, s, admin, testPKI.unpinned, 403)
		})
		t.Run("a route beside it", func(t *testing.T) { mustAdmit(t, s, open, testPKI.unpinned) })
		t.Run("a listener without TLS", func(t *testing.T) {
			http.MakeRequestAndExpectEventuallyConsistentResponse(t, s.RoundTripper, s.TimeoutConfig, net.JoinHostPort(address, "80"),
				http.ExpectedResponse{
					Request:   http.Request{Host: guarded.host, Path: "/"},
					Response:  http.Response{StatusCodes: []int{403}},
					Namespace: confsuite.InfrastructureNamespace,
				})
		})
	},
}

var PolicyConflict = confsuite.ConformanceTest{
	ShortName:   "ClientCertificatePolicyConflict",
	Description: "Of two policies on one target the older holds, whatever its name, and the other takes its place when it goes",
	Features:    pinningFeatures(SupportClientCertificatePolicy),
	Manifests:   []string{"manifests/policy-conflict.yaml"},
	Test: func(t *testing.T, s *confsuite.ConformanceTestSuite) {
		gateway, older, younger := infra("policy-conflict"), infra("z-older"), infra("a-younger")
		d := doorAt(gatewayMustServe(t, s, gateway, gateway), "443", "conflict.pinning.example")
		policyMustHave(t, s, older, gateway.Name, policyAccepted, policyEnforced)

		// creationTimestamp has whole seconds: within one, the name would decide.
		present := policyObject()
		require.NoError(t, s.Client.Get(t.Context(), older, present))
		time.Sleep(time.Until(present.GetCreationTimestamp().Add(time.Second)))
		object := policyOn(younger.Name, gateway.Name, testPKI.second)
		mustReplace(t, s, object)

		policyMustHave(t, s, younger, gateway.Name, policyRefused(gatewayv1.PolicyReasonConflicted))
		policyMustHave(t, s, older, gateway.Name, policyAccepted, policyEnforced)
		mustAdmit(t, s, d, testPKI.pinned)
		mustRefuse(t, s, d, testPKI.second)
		t.Run("the older one goes", func(t *testing.T) {
			mustDelete(t, s, policyObject(), older)
			policyMustHave(t, s, younger, gateway.Name, policyAccepted, policyEnforced)
			mustAdmit(t, s, d, testPKI.second)
			mustRefuse(t, s, d, testPKI.pinned)
		})
	},
}

func policyOn(name, gateway string, pinned *identity) *unstructured.Unstructured {
	object := policyObject()
	object.SetNamespace(confsuite.InfrastructureNamespace)
	object.SetName(name)
	object.Object["spec"] = map[string]any{
		"targetRefs": []any{map[string]any{"group": gatewayv1.GroupName, "kind": "Gateway", "name": gateway}},
		"pins":       []any{map[string]any{"name": pinned.name, "spkiHash": pinned.spki()}},
	}
	return object
}

var PolicyTargetNotFound = confsuite.ConformanceTest{
	ShortName:   "ClientCertificatePolicyTargetNotFound",
	Description: "A policy whose target is not there says so, and has no effect",
	Features:    pinningFeatures(SupportClientCertificatePolicy),
	Manifests:   []string{"manifests/policy-target-not-found.yaml"},
	Test: func(t *testing.T, s *confsuite.ConformanceTestSuite) {
		name := infra("policy-target-not-found")
		d := doorAt(gatewayMustServe(t, s, name, name), "443", "target.pinning.example")
		policyMustHave(t, s, infra("target-missing"), "does-not-exist", policyRefused(gatewayv1.PolicyReasonTargetNotFound))
		policyMustHave(t, s, infra("section-missing"), name.Name, policyRefused(gatewayv1.PolicyReasonTargetNotFound))
		mustAdmit(t, s, d, testPKI.unpinned)
	},
}

var PolicyPinSet = confsuite.ConformanceTest{
	ShortName:   "ClientCertificatePolicyPinSet",
	Description: "Pins come from a ConfigMap: nobody is admitted while it is not there, and what it says holds at once",
	Features:    pinningFeatures(SupportClientCertificatePolicy),
	Manifests:   []string{"manifests/policy-pin-set.yaml"},
	Test: func(t *testing.T, s *confsuite.ConformanceTestSuite) {
		name := infra("policy-pin-set")
		d := doorAt(gatewayMustServe(t, s, name, name), "443", "set.pinning.example")
		policyMustHave(t, s, name, name.Name, policyAccepted,
			condition("ResolvedRefs", metav1.ConditionFalse, "InvalidPinSetRef"),
			condition(conditionPinningEnforced, metav1.ConditionFalse, "NoUsablePin"))
		mustRefuse(t, s, d, testPKI.pinned)

		mustReplace(t, s, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name},
			Data: map[string]string{"pins.txt": "spki:" + testPKI.pinned.spki() + " name=acme-robot\n" +
				"cert:" + testPKI.second.hash() + " name=beta-robot\n"},
		})
		t.Run("the set appears", func(t *testing.T) {
			policyMustHave(t, s, name, name.Name, policyAccepted, policyResolved, policyEnforced)
			mustAdmitAs(t, s, d, testPKI.pinned, "acme-robot")
			mustAdmitAs(t, s, d, testPKI.second, "beta-robot")
			mustRefuse(t, s, d, testPKI.unpinned)
		})
		t.Run("a line is taken out", func(t *testing.T) {
			mustPatch(t, s, &corev1.ConfigMap{}, name, `{"data":{"pins.txt":"spki:`+testPKI.pinned.spki()+` name=acme-robot\n"}}`)
			mustRefuse(t, s, d, testPKI.second)
			mustAdmit(t, s, d, testPKI.pinned)
		})
		t.Run("the set goes", func(t *testing.T) {
			mustDelete(t, s, &corev1.ConfigMap{}, name)
			mustRefuse(t, s, d, testPKI.pinned)
		})
	},
}

var PolicyDeny = confsuite.ConformanceTest{
	ShortName:   "ClientCertificatePolicyDeny",
	Description: "A denial refuses whom a pin admits",
	Features:    pinningFeatures(SupportClientCertificatePolicy),
	Manifests:   []string{"manifests/policy-deny.yaml"},
	Test: func(t *testing.T, s *confsuite.ConformanceTestSuite) {
		name := infra("policy-deny")
		d := doorAt(gatewayMustServe(t, s, name, name), "443", "deny.pinning.example")
		policyMustHave(t, s, name, name.Name, policyAccepted, policyEnforced)
		mustAdmit(t, s, d, testPKI.pinned)
		mustRefuse(t, s, d, testPKI.second)
		t.Run("the denial goes", func(t *testing.T) {
			mustPatch(t, s, policyObject(), name, `{"spec":{"deny":null}}`)
			mustAdmit(t, s, d, testPKI.second)
		})
	},
}
