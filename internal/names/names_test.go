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
	wantShown(t, names.Variable,
		"TOLOKA_TOKEN", "_", "token", "tolokaToken", "OAUTH2_TOKEN", "AWS_S3_K8S_V1_TOKEN_2",
		"http_proxy", "K8sToken", "LongNameOfTheTokenOfTheService",
	)
	wantHidden(t, names.Variable, map[string][]string{
		"looks like a secret": {apiKey, oauth, hexSecret, uuid, strings.Repeat("x", 32)},
		"is too long":         {vaultID, strings.Repeat("A_", 33)},
		"has characters that the name of a variable cannot have": {"", "1A", "a-b"},
		"looks like a line NAME=value of an env file":            {"TOLOKA_TOKEN=x", "export A=x"},
		"has quotes":                            {`"A"`},
		"starts like an Authorization header":   {"ApiKey x", "Authorization: x"},
		"has a placeholder or JSON in it":       {"${A}"},
		"has a line break":                      {"A\nB"},
		"has characters that cannot be printed": {"A\x1b", "A\xff"},
		"has a separator in it":                 {"A,B"},
	})
}

func TestPath(t *testing.T) {
	wantShown(t, names.Path,
		"/etc/toloka/token", "token.txt", "secret/data/toloka", "kv", "OAuth/token", "Authorization",
		"/mnt/My Files/token", `C:\Program Files\token`, "/etc/größe/токен", "/data/dt=2024/token",
		"/var/lib/kubelet/pods/"+uuid+"/volumes/kubernetes.io~secret/toloka/token",
		"/var/lib/docker/containers/"+hexSecret+hexSecret+"/token",
		"/var/folders/2f/8k3jd9x51l1_z6y8m5lwtq6r0000gn/T/TestFile1/001/token",
		"/etc/..2024_05_01_12_00_00.123456789/token",
		"./TestFilePermissionsOfKubernetes3928374982/001",
		"/run/credentials/toloka.service/toloka-token",
		"/mnt/"+strings.Repeat("x", 40)+" y/z",
	)
	wantHidden(t, names.Path, map[string][]string{
		"looks like a secret": {
			apiKey, "ключ" + apiKey, oauth, vaultID, jwt, uuid, hexSecret, "my " + apiKey,
			"/etc/" + apiKey, "/etc/" + oauth + "/token", "secret/" + uuid,
			"secret/" + vaultID + "/x", "AbC1/dEf2gH/3iJ4kL",
		},
		"has an equals sign":                          {"AQ/Nabcd=="},
		"has a placeholder or JSON in it":             {"a{b", "$HOME/token"},
		"has a line break":                            {"/etc/token\n/x"},
		"has characters that cannot be printed":       {"/etc/\u202etoken"},
		"has quotes":                                  {"'/etc/token'"},
		"starts like an Authorization header":         {"OAuth AQAA/x", "Bearer: x"},
		"looks like a line NAME=value of an env file": {"TOKEN=/x"},
		"is too long":                                 {"/" + strings.Repeat("a/", 256)},
		"has a separator in it":                       {"/etc/a;" + apiKey},
	})
}

func TestField(t *testing.T) {
	wantShown(t, names.Field,
		"token", "api_key", "toloka.token", "TOLOKA-TOKEN", "my token", "токен", "auth/approle", "2",
	)
	wantHidden(t, names.Field, map[string][]string{
		"looks like a secret":                         {apiKey, hexSecret, uuid},
		"looks like a line NAME=value of an env file": {"a=b"},
		"has characters that names do not have":       {"a?b"},
		"is too long":                                 {strings.Repeat("a", 65)},
	})
}

func wantShown(t *testing.T, show func(string) names.Name, all ...string) {
	t.Helper()
	for _, name := range all {
		assert.Equal(t, names.Name{Text: name}, show(name))
	}
}

func wantHidden(t *testing.T, show func(string) names.Name, all map[string][]string) {
	t.Helper()
	for problem, hidden := range all {
		for _, name := range hidden {
			assert.Equal(t, names.Name{Text: names.Hidden, Problem: problem}, show(name), "%q", name)
		}
	}
}

func TestRandomSecretsAreHidden(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const runs = 1_000
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
	for _, seed := range []string{"", "TOLOKA_TOKEN", "/etc/token", "ApiKey:", "\xff\xfe", "a,b",
		"\u2028", "$", " = "} {
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
