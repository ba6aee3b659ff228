package vaulttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"testing"
	"time"
)

// Issuer signs JSON web tokens with its own key, as a Kubernetes cluster or an identity provider
// does.
type Issuer struct {
	// PublicKey is for the jwt_validation_pubkeys of Vault's jwt auth method.
	PublicKey string

	tb  testing.TB
	key *ecdsa.PrivateKey
}

// NewIssuer makes a key pair.
func NewIssuer(tb testing.TB) *Issuer {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		tb.Fatal(err)
	}
	return &Issuer{
		PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		tb:        tb, key: key,
	}
}

// Token returns a JWT for subject that is valid for an hour after issuedAt.
func (i *Issuer) Token(subject, audience string, issuedAt time.Time) string {
	i.tb.Helper()
	claims, err := json.Marshal(map[string]any{
		"sub": subject, "aud": audience, "iat": issuedAt.Unix(), "nbf": issuedAt.Unix(),
		"exp": issuedAt.Add(time.Hour).Unix(),
	})
	if err != nil {
		i.tb.Fatal(err)
	}
	signed := encode([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + encode(claims)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, digest[:])
	if err != nil {
		i.tb.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return signed + "." + encode(signature)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
