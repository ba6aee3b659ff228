package sharing

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

const vectorsFile = "testdata/vectors.json"

// vector is everything that an entry follows from, and the entry. Binary values are in hex.
type vector struct {
	Token         string `json:"token"`
	BaseURL       string `json:"base_url"`
	Authorization string `json:"authorization"`
	ActUnder      string `json:"act_under"`
	Name          string `json:"name"`
	SealKey       string `json:"seal_key"`
	Slot          string `json:"slot"`
	Fence         uint64 `json:"fence"`
	Salt          string `json:"salt"`
	Plain         string `json:"plain"`
	Entry         string `json:"entry"`
}

// The vectors fix the format: replicas of different versions share one store. A change of the
// format needs a new version, and new info strings.
func TestVectors(t *testing.T) {
	raw, err := os.ReadFile(vectorsFile)
	require.NoError(t, err)
	var vectors []vector
	require.NoError(t, json.Unmarshal(raw, &vectors))
	require.Len(t, vectors, 4)
	for i, v := range vectors {
		k := deriveKeys(v.Token, v.BaseURL, v.Authorization, v.ActUnder)
		salt, err := hex.DecodeString(v.Salt)
		require.NoError(t, err)
		sealed, err := k.encrypt(bytes.NewReader(salt), slot(v.Slot[0]), v.Fence, []byte(v.Plain))
		require.NoError(t, err)
		if *update {
			vectors[i].Name, vectors[i].SealKey = k.Name, hex.EncodeToString(k.seal)
			vectors[i].Entry = hex.EncodeToString(sealed)
			continue
		}
		assert.Equal(t, v.Name, k.Name)
		assert.Equal(t, v.SealKey, hex.EncodeToString(k.seal))
		assert.Equal(t, v.Entry, hex.EncodeToString(sealed))
		plain, err := k.open(slot(v.Slot[0]), v.Fence, sealed)
		require.NoError(t, err)
		assert.Equal(t, v.Plain, string(plain))
	}
	if *update {
		raw, err := json.MarshalIndent(vectors, "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(vectorsFile, append(raw, '\n'), 0o644))
	}
}

// Every part of what is sent gives other keys, and parts that only look alike together do, too.
func TestKeysDiffer(t *testing.T) {
	names := map[string]bool{}
	all := []Keys{
		deriveKeys("t", "u", "a", "x"),
		deriveKeys("T", "u", "a", "x"),
		deriveKeys("t", "U", "a", "x"),
		deriveKeys("t", "u", "A", "x"),
		deriveKeys("t", "u", "a", "X"),
		deriveKeys("t", "u", "a", ""),
		deriveKeys("t", "ua", "", "x"),
		deriveKeys("t", "", "ua", "x"),
		deriveKeys("t", "u", "ax", ""),
		deriveKeys("", "u", "a", "x"),
	}
	for _, k := range all {
		assert.Regexp(t, `^toloka:\{[A-Za-z0-9_-]{43}\}$`, k.Name)
		names[k.Name] = true
	}
	assert.Len(t, names, len(all))
	assert.NotEqual(t, all[0].seal, all[1].seal)
}

// No two entries of the same answer are alike: each has a key of its own.
func TestEncryptIsRandom(t *testing.T) {
	k, a := keysFor(token), verified(t)
	one, two := entry(t, k, a), entry(t, k, a)
	assert.NotEqual(t, one.Data[1:1+saltSize], two.Data[1:1+saltSize])
	assert.NotEqual(t, one.Data[1+saltSize:], two.Data[1+saltSize:])
}

func TestEncryptWithoutRandomness(t *testing.T) {
	_, err := keysFor(token).encrypt(bytes.NewReader(make([]byte, saltSize-1)), verdictSlot, 1, nil)
	assert.ErrorContains(t, err, "unexpected EOF")
}
