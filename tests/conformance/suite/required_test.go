package suite

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	confsuite "sigs.k8s.io/gateway-api/conformance/utils/suite"
)

func init() {
	PinningTests = append(PinningTests, PinningRequired)
}

var PinningRequired = confsuite.ConformanceTest{
	ShortName:   "GatewayFrontendClientCertificatePinningRequired",
	Description: "Where pins are required, a Gateway CRD that knows no pins lets nobody in who was not pinned",
	Features: pinningFeatures(SupportGatewayFrontendClientCertificatePinning,
		SupportGatewayFrontendClientCertificatePinningRequired),
	Manifests: []string{"manifests/pinning-required.yaml"},
	Test: func(t *testing.T, s *confsuite.ConformanceTestSuite) {
		name := infra("pinning-required")
		d := doorAt(gatewayMustServe(t, s, name, name), "443", "required.pinning.example")
		mustAdmit(t, s, d, testPKI.pinned)
		mustRefuse(t, s, d, testPKI.unpinned)

		watch := startWatch(t, s, d, testPKI.unpinned)
		patched := mustTakePinningOutOfCRD(t, s)
		t.Cleanup(func() { mustReplaceSpec(t, s, patched) })
		require.Eventually(t, func() bool { return !hasPinning(t, s, name) },
			s.TimeoutConfig.GatewayMustHaveCondition, s.TimeoutConfig.DefaultPollInterval, "the field is still there")
		t.Run("pins that were read before stay in force", func(t *testing.T) {
			// Written once more, the field is gone from the store too, in the same generation.
			mustPatch(t, s, &gatewayv1.Gateway{}, name, `{"metadata":{"labels":{"touched":"yes"}}}`)
			mustAdmit(t, s, d, testPKI.pinned)
			mustRefuse(t, s, d, testPKI.unpinned)
		})
		// An edit of the spec makes a generation that has none.
		mustPatch(t, s, &gatewayv1.Gateway{}, name, `{"spec":{"infrastructure":{"labels":{"touched":"yes"}}}}`)

		t.Run("nobody is admitted, and the status says why", func(t *testing.T) {
			listenerMustHave(t, s, name, "https", condition(conditionPinningEnforced, metav1.ConditionFalse, "NoPins"))
			mustRefuse(t, s, d, testPKI.pinned)
			mustRefuse(t, s, d, testPKI.unpinned)
		})
		mustReplaceSpec(t, s, patched)
		t.Run("pins that come back are in force", func(t *testing.T) {
			patch := fmt.Sprintf(
				`{"spec":{"tls":{"frontend":{"default":{"validation":{"certificatePinning":{"spkiHashes":[%q]}}}}}}}`, testPKI.pinned.spki())
			require.Eventually(t, func() bool {
				mustPatch(t, s, &gatewayv1.Gateway{}, name, patch)
				return hasPinning(t, s, name)
			}, s.TimeoutConfig.GatewayMustHaveCondition, s.TimeoutConfig.DefaultPollInterval)
			mustAdmit(t, s, d, testPKI.pinned)
			mustRefuse(t, s, d, testPKI.unpinned)
		})
		require.NotZero(t, watch.stop(), "nobody knocked")
	},
}

const gatewayCRD = "gateways.gateway.networking.k8s.io"

// mustTakePinningOutOfCRD makes the Gateway CRD upstream's again, by what upstream's does not have, and gives the one
// that was there.
func mustTakePinningOutOfCRD(t *testing.T, s *confsuite.ConformanceTestSuite) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	require.NoError(t, s.Client.Get(t.Context(), types.NamespacedName{Name: gatewayCRD}, crd))
	plain := crd.DeepCopy()
	taken := 0
	for i := range plain.Spec.Versions {
		taken += takeOut(plain.Spec.Versions[i].Schema.OpenAPIV3Schema, "certificatePinning")
	}
	require.NotZero(t, taken, "the Gateway CRD has no certificatePinning: this test wants the patched one")
	mustReplaceSpec(t, s, plain)
	return crd
}

func takeOut(schema *apiextensionsv1.JSONSchemaProps, field string) int {
	if schema == nil {
		return 0
	}
	taken := 0
	for name, property := range schema.Properties {
		if name == field {
			delete(schema.Properties, name)
			taken++
			continue
		}
		taken += takeOut(&property, field)
		schema.Properties[name] = property
	}
	if schema.Items != nil {
		taken += takeOut(schema.Items.Schema, field)
	}
	return taken
}

func mustReplaceSpec(t *testing.T, s *confsuite.ConformanceTestSuite, crd *apiextensionsv1.CustomResourceDefinition) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), s.TimeoutConfig.CreateTimeout)
	defer cancel()
	require.NoError(t, retry.RetryOnConflict(retry.DefaultRetry, func() error {
		present := &apiextensionsv1.CustomResourceDefinition{}
		if err := s.Client.Get(ctx, types.NamespacedName{Name: crd.Name}, present); err != nil {
			return err
		}
		crd.Spec.DeepCopyInto(&present.Spec)
		return s.Client.Update(ctx, present)
	}))
}

func hasPinning(t *testing.T, s *confsuite.ConformanceTestSuite, gateway types.NamespacedName) bool {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(gatewayv1.SchemeGroupVersion.WithKind("Gateway"))
	if err := s.Client.Get(t.Context(), gateway, object); err != nil {
		return true // while the API server makes the kind anew
	}
	_, found, err := unstructured.NestedMap(object.Object, "spec", "tls", "frontend", "default", "validation", "certificatePinning")
	require.NoError(t, err)
	return found
}

// watch is a client that knocks all the time and must never be let in.
type watch struct {
	t     *testing.T
	end   chan struct{}
	done  sync.WaitGroup
	knock int
}

func startWatch(t *testing.T, s *confsuite.ConformanceTestSuite, d door, who *identity) *watch {
	t.Helper()
	w := &watch{t: t, end: make(chan struct{})}
	w.done.Add(1)
	go func() {
		defer w.done.Done()
		for {
			select {
			case <-w.end:
				return
			case <-time.After(20 * time.Millisecond):
			}
			if attempt(t, s, d, who) == nil {
				t.Errorf("%s was admitted", who.name)
				return
			}
			w.knock++
		}
	}()
	t.Cleanup(func() { w.stop() })
	return w
}

// stop gives how often the client knocked in vain.
func (w *watch) stop() int {
	select {
	case <-w.end:
	default:
		close(w.end)
	}
	w.done.Wait()
	return w.knock
}
