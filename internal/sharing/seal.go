package sharing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net/http"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/shared"
)

// Keys are what follows from a token and from how a client sends it: replicas with the same token
// need no other secret to share its verdict.
type Keys struct {
	// Name is the key in the store. It tells nothing about the token to those who do not know
	// the token, and is a Redis hash tag in braces, so that all of a token is in one slot.
	Name string
	seal []byte
}

// The info strings of HKDF. A change of the protocol changes them.
const (
	infoName = "tolokacheck shared name v1"
	infoSeal = "tolokacheck shared seal v1"
)

// KeysOf returns the keys of t as client sends it.
func KeysOf(client *requester.Client, t credentials.Token) Keys {
	h := make(http.Header, 2)
	client.Authorize(h, t)
	return deriveKeys(t.Reveal(), client.BaseURL().String(), h.Get("Authorization"),
		h.Get("X-Act-Under-Account-Id"))
}

func deriveKeys(token, baseURL, authorization, actUnder string) Keys {
	derive := func(info string) []byte {
		key, err := hkdf.Key(sha256.New, []byte(token), nil, info, sha256.Size)
		if err != nil {
			panic(err) // only for lengths that HKDF cannot give
		}
		return key
	}
	name := hmac.New(sha256.New, derive(infoName))
	for _, part := range []string{baseURL, authorization, actUnder} {
		// With its length, so that no two triples are written alike.
		name.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		name.Write([]byte(part))
	}
	return Keys{
		Name: "toloka:{" + base64.RawURLEncoding.EncodeToString(name.Sum(nil)) + "}",
		seal: derive(infoSeal),
	}
}

// slot says which of a key's entries was sealed, so that the owner of the store cannot swap them.
type slot byte

const (
	verdictSlot slot = 'v'
	troubleSlot slot = 't'
)

const (
	version  = 1
	saltSize = 32
	overhead = 1 + saltSize + 16 // version, salt, tag of GCM
)

var errSealed = errors.New(
	"the entry is not one that a holder of this token sealed under this key and fence")

// encrypt seals plain. Every entry has a key of its own, derived with 32 random bytes: no key
// encrypts twice, so that a fixed nonce never repeats under a key.
func (k *Keys) encrypt(random io.Reader, s slot, fence uint64, plain []byte) ([]byte, error) {
	out := make([]byte, 1+saltSize, overhead+len(plain))
	out[0] = version
	if _, err := io.ReadFull(random, out[1:]); err != nil {
		return nil, err
	}
	aead, err := k.aead(out[1:])
	if err != nil {
		return nil, err
	}
	return aead.Seal(out, make([]byte, aead.NonceSize()), plain, k.context(s, fence)), nil
}

// open decrypts what encrypt returned for the same key, slot and fence.
func (k *Keys) open(s slot, fence uint64, data []byte) ([]byte, error) {
	if len(data) < overhead || len(data) > shared.MaxData || data[0] != version {
		return nil, errSealed
	}
	aead, err := k.aead(data[1 : 1+saltSize])
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, make([]byte, aead.NonceSize()), data[1+saltSize:],
		k.context(s, fence))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

func (k *Keys) aead(salt []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, k.seal, salt, "entry", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// context is authenticated with an entry, so that it can neither be moved nor renumbered.
func (k *Keys) context(s slot, fence uint64) []byte {
	out := append([]byte{version, byte(s)}, k.Name...)
	return binary.BigEndian.AppendUint64(out, fence)
}
