package names_test

import (
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/internal/names"
)

const (
	apiKey    = "AQVN0123456789abcdefgh.ijklmnop.qrs"
	oauth     = "y0_AgAAAAAbCdEfGhIjKlMnOpQrStUvWxYz012345"
	vaultID   = "hvs.CAESIJlU9JMYEhOPYv4igdhm9PnZDrabYTobQ4Ymnlq1qY-LGh4KHGh2cy43OVRN"
	uuid      = "59d6d1ca-47bb-4e7e-a40b-8be3bc5a0ba8"
	jwt       = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N"
	hexSecret = "9f86d081884c7d659a2feaa0c55ad015"
)

func TestVariable(t *testing.T) {
	for _, name := range []string{
		"TOLOKA_TOKEN", "_", "token", "tolokaToken", "OAUTH2_TOKEN", "AWS_S3_K8S_V1_TOKEN_2", "http_proxy", "K8sToken",
		"LongNameOfTheTokenOfTheService",
	} {
		assert.Equal(t, names.Name{Text: name}, names.Variable(name))
	}
	for name, problem := range map[string]string{
		apiKey: "looks like a secret", oauth: "looks like a secret", vaultID: "is too long",
		hexSecret: "looks like a secret", uuid: "looks like a secret", strings.Repeat("x", 32): "looks like a secret",
		strings.Repeat("A_", 33): "is too long", "": "has characters that the name of a variable cannot have",
		"1A": "has characters that the name of a variable cannot have", "a-b": "has characters that the name of a variable cannot have",
		"TOLOKA_TOKEN=x": "looks like a line NAME=value of an env file", "export A=x": "looks like a line NAME=value of an env file",
		`"A"`: "has quotes", "ApiKey x": "starts like an Authorization header", "Authorization: x": "starts like an Authorization header",
		"${A}": "has a placeholder or JSON in it", "A\nB": "has a line break", "A\x1b": "has characters that cannot be printed",
		"A,B": "has a separator in it", "A\xff": "has characters that cannot be printed",
	} {
		assert.Equal(t, names.Name{Text: names.Hidden, Problem: problem}, names.Variable(name), "%q", name)
	}
}

func TestPath(t *testing.T) {
	for _, path := range []string{
		"/etc/toloka/token", "token.txt", "secret/data/toloka", "kv", "/mnt/My Files/token", `C:\Program Files\token`, "/etc/größe/токен",
		"/var/lib/kubelet/pods/" + uuid + "/volumes/kubernetes.io~secret/toloka/token",
		"/var/lib/docker/containers/" + hexSecret + hexSecret + "/token",
		"/var/folders/2f/8k3jd9x51l1_z6y8m5lwtq6r0000gn/T/TestFile1/001/token",
		"/etc/..2024_05_01_12_00_00.123456789/token", "/data/dt=2024/token", "./TestFilePermissionsOfKubernetes3928374982/001",
		"OAuth/token", "Authorization", "/run/credentials/toloka.service/toloka-token", "/mnt/" + strings.Repeat("x", 40) + " y/z",
	} {
		assert.Equal(t, names.Name{Text: path}, names.Path(path))
	}
	const looks = "looks like a secret"
	for path, problem := range map[string]string{
		apiKey: looks, oauth: looks, vaultID: looks, jwt: looks, uuid: looks, hexSecret: looks, "/etc/" + apiKey: looks,
		"/etc/" + oauth + "/token": looks, "secret/" + uuid: looks, "secret/" + vaultID + "/x": looks, "my " + apiKey: looks,
		"AbC1/dEf2gH/3iJ4kL": looks, "AQ/Nabcd==": "has an equals sign", "a{b": "has a placeholder or JSON in it",
		"/etc/token\n/x": "has a line break", "/etc/\u202etoken": "has characters that cannot be printed", "'/etc/token'": "has quotes",
		"OAuth AQAA/x": "starts like an Authorization header", "Bearer: x": "starts like an Authorization header",
		"TOKEN=/x": "looks like a line NAME=value of an env file", "/" + strings.Repeat("a/", 256): "is too long",
		"/etc/a;" + apiKey: "has a separator in it", "$HOME/token": "has a placeholder or JSON in it",
	} {
		assert.Equal(t, names.Name{Text: names.Hidden, Problem: problem}, names.Path(path), "%q", path)
	}
}

func TestField(t *testing.T) {
	for _, name := range []string{"token", "api_key", "toloka.token", "TOLOKA-TOKEN", "my token", "токен", "auth/approle", "2"} {
		assert.Equal(t, names.Name{Text: name}, names.Field(name))
	}
	for name, problem := range map[string]string{
		apiKey: "looks like a secret", hexSecret: "looks like a secret", uuid: "looks like a secret", "a=b": "looks like a line NAME=value of an env file",
		"a?b": "has characters that names do not have", strings.Repeat("a", 65): "is too long",
	} {
		assert.Equal(t, names.Name{Text: names.Hidden, Problem: problem}, names.Field(name), "%q", name)
	}
}

func TestRandomSecretsAreHidden(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const runs = 10_000
	for _, length := range []int{18, 24, 32, 48} { // bytes
		shown := 0
		for range runs {
			secret := make([]byte, length)
			for i := range secret {
				secret[i] = byte(random.Uint32())
			}
			for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				text := encoding.EncodeToString(secret)
				for _, n := range []names.Name{names.Variable(text), names.Path(text), names.Field(text)} {
					if n.Problem == "" {
						shown++
					}
				}
			}
		}
		assert.Less(t, float64(shown)/(6*runs), 0.02, "secrets of %d bytes that are shown", length)
	}
}

func FuzzNames(f *testing.F) {
	for _, seed := range []string{"", "TOLOKA_TOKEN", "/etc/token", "ApiKey:", "\xff\xfe", "a,b", "\u2028", "$", " = "} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		for _, show := range []func(string) names.Name{names.Variable, names.Path, names.Field} {
			for _, s := range []string{before, before + " " + after, before + "/" + after} {
				if n := show(s); n.Problem == "" && n.Text != s || n.Problem != "" && n.Text != names.Hidden {
					t.Fatalf("%q: %+v", s, n)
				}
			}
			if n := show(before + " " + apiKey + " " + after); n.Problem == "" {
				t.Fatalf("a token between %q and %q is shown: %+v", before, after, n)
			}
		}
	})
}
