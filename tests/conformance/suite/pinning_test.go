package suite

import (
	"context"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/gateway-api/conformance"
	confsuite "sigs.k8s.io/gateway-api/conformance/utils/suite"
	"sigs.k8s.io/gateway-api/pkg/features"
)

// Features of client certificate pinning, named as upstream names its own. None of them is in a profile of upstream's,
// so they are given to the suite and not read from the GatewayClass.
const (
	SupportGatewayFrontendClientCertificatePinning           features.FeatureName = "GatewayFrontendClientCertificatePinning"
	SupportGatewayFrontendClientCertificatePinningReferences features.FeatureName = "GatewayFrontendClientCertificatePinningReferences"
	SupportGatewayFrontendClientCertificatePinningRequired   features.FeatureName = "GatewayFrontendClientCertificatePinningRequired"
	SupportClientCertificatePolicy                           features.FeatureName = "ClientCertificatePolicy"
)

// PinningTests are run by TestPinning, in this order. Each file of tests adds its own.
var PinningTests []confsuite.ConformanceTest

// testPKI is who the clients of PinningTests are: made by TestPinning, before the first of them.
var testPKI *pki

// TestPinning is the conformance of client certificate pinning, GEP-4078 and the policy, in upstream's form.
func TestPinning(t *testing.T) {
	options := conformance.DefaultOptions(t)
	testPKI = newPKI(t)
	pinned, err := pinnedManifests(testPKI)
	require.NoError(t, err)
	options.ManifestFS = []fs.FS{&conformance.Manifests, pinned}
	options.ConformanceProfiles = nil
	options.ReportOutputPath = ""
	options.SupportedFeatures = []features.FeatureName{
		features.SupportGateway,
		features.SupportReferenceGrant,
		features.SupportHTTPRoute,
		features.SupportGatewayFrontendClientCertificateValidation,
		features.SupportGatewayFrontendClientCertificateValidationInsecureFallback,
		SupportGatewayFrontendClientCertificatePinning,
		SupportGatewayFrontendClientCertificatePinningReferences,
		SupportGatewayFrontendClientCertificatePinningRequired,
		SupportClientCertificatePolicy,
	}

	baseNamespacesMustNotBeLeaving(t, options.Client)
	s, err := confsuite.NewConformanceTestSuite(options)
	require.NoError(t, err, "error initializing conformance suite")
	s.Setup(t, PinningTests)
	for _, object := range testPKI.objects() {
		mustReplace(t, s, object)
	}
	require.NoError(t, s.Run(t, PinningTests))
}

// The namespaces of a former run are taken down behind its back: objects of this one would be refused.
func baseNamespacesMustNotBeLeaving(t *testing.T, c client.Client) {
	t.Helper()
	names := []string{confsuite.InfrastructureNamespace, confsuite.AppBackendNamespace, confsuite.WebBackendNamespace}
	err := wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, 2*time.Minute, true, func(ctx context.Context) (bool, error) {
		for _, name := range names {
			namespace := &corev1.Namespace{}
			err := c.Get(ctx, types.NamespacedName{Name: name}, namespace)
			if err == nil && namespace.DeletionTimestamp != nil {
				return false, nil
			}
			if err != nil && !apierrors.IsNotFound(err) {
				return false, err
			}
		}
		return true, nil
	})
	require.NoError(t, err, "the namespaces of a former run do not go away")
}

// objects are what the manifests refer to by name.
func (p *pki) objects() []client.Object {
	infra, other := confsuite.InfrastructureNamespace, confsuite.WebBackendNamespace
	return []client.Object{
		&corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: infra, Name: "pinning-ca"},
			Data:       map[string]string{"ca.crt": string(p.ca.certPEM)},
		},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: infra, Name: "pinning-server"},
			Type:       corev1.SecretTypeTLS,
			Data:       map[string][]byte{corev1.TLSCertKey: p.server.certPEM, corev1.TLSPrivateKeyKey: p.server.keyPEM},
		},
		&corev1.Secret{ // of a TLS Secret the key is nobody's business
			ObjectMeta: metav1.ObjectMeta{Namespace: infra, Name: "pinned-client"},
			Type:       corev1.SecretTypeTLS,
			Data:       map[string][]byte{corev1.TLSCertKey: p.pinned.certPEM, corev1.TLSPrivateKeyKey: p.pinned.keyPEM},
		},
		&corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: other, Name: "second-client"},
			Data:       map[string]string{"tls.crt": string(p.second.certPEM)},
		},
	}
}

// mustReplace leaves nothing of an object of that name that a former run may have left.
func mustReplace(t *testing.T, s *confsuite.ConformanceTestSuite, object client.Object) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), s.TimeoutConfig.CreateTimeout)
	defer cancel()
	old := object.DeepCopyObject().(client.Object)
	require.NoError(t, client.IgnoreNotFound(s.Client.Delete(ctx, old)))
	require.NoError(t, s.Client.Create(ctx, object))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.TimeoutConfig.DeleteTimeout)
		defer cancel()
		require.NoError(t, client.IgnoreNotFound(s.Client.Delete(ctx, object)))
	})
}
