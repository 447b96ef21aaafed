package suite

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// identity is a certificate with its key.
type identity struct {
	name    string
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
	certPEM []byte
	keyPEM  []byte
	keyPair tls.Certificate
}

// spki is a pin of the key: it outlives a renewal of the certificate.
func (i *identity) spki() string {
	digest := sha256.Sum256(i.cert.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(digest[:])
}

// hash is a pin of the certificate.
func (i *identity) hash() string {
	digest := sha256.Sum256(i.cert.Raw)
	return hex.EncodeToString(digest[:])
}

// fingerprint is hash as `openssl x509 -fingerprint -sha256` prints it.
func (i *identity) fingerprint() string {
	digits := strings.ToUpper(i.hash())
	pairs := make([]string, 0, len(digits)/2)
	for at := 0; at < len(digits); at += 2 {
		pairs = append(pairs, digits[at:at+2])
	}
	return strings.Join(pairs, ":")
}

// pki is made anew for each run, and nothing of it is kept.
type pki struct {
	ca       *identity // whom the Gateways trust
	rogueCA  *identity // whom nobody trusts
	server   *identity // for *.pinning.example
	pinned   *identity // by ca, pinned by the manifests
	renewed  *identity // by ca, with the key of pinned
	second   *identity // by ca, pinned where the manifests say so
	unpinned *identity // by ca, pinned nowhere
	rogue    *identity // by rogueCA, with the key of pinned
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	p := &pki{}
	p.ca = newIdentity(t, "ca", nil, nil)
	p.rogueCA = newIdentity(t, "rogue-ca", nil, nil)
	p.server = newIdentity(t, "server", p.ca, nil)
	p.pinned = newIdentity(t, "pinned", p.ca, nil)
	p.renewed = newIdentity(t, "renewed", p.ca, p.pinned.key)
	p.second = newIdentity(t, "second", p.ca, nil)
	p.unpinned = newIdentity(t, "unpinned", p.ca, nil)
	p.rogue = newIdentity(t, "rogue", p.rogueCA, p.pinned.key)
	require.Equal(t, p.pinned.spki(), p.renewed.spki())
	require.Equal(t, p.pinned.spki(), p.rogue.spki())
	require.NotEqual(t, p.pinned.hash(), p.renewed.hash())
	return p
}

// identities are those that manifests may name in placeholders.
func (p *pki) identities() []*identity {
	return []*identity{p.pinned, p.renewed, p.second, p.unpinned, p.rogue}
}

// newIdentity makes a CA without an issuer, the server by its name, and clients otherwise.
func newIdentity(t *testing.T, name string, issuer *identity, key *ecdsa.PrivateKey) *identity {
	t.Helper()
	var err error
	if key == nil {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name, Organization: []string{"pinning tests"}},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
	}
	parent, signer := template, key
	switch {
	case issuer == nil:
		template.IsCA = true
		template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	case name == "server":
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		template.DNSNames = []string{"*.pinning.example"}
	default:
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		template.DNSNames = []string{name + ".clients.example"}
	}
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)

	made := &identity{name: name, key: key}
	made.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	made.certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	made.keyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	made.keyPair, err = tls.X509KeyPair(made.certPEM, made.keyPEM)
	require.NoError(t, err)
	return made
}
