package credentials_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/davecgh/go-spew/spew"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/internal/describe"
)

// canary is in every token of these tests, after the characters that a fingerprint shows.
const (
	canary      = "zQxJ9vKw"
	canaryToken = "AQVN-0123456789-" + canary + "-0123456789"
)

type exported struct {
	Token   credentials.Token
	Pointer *credentials.Token
	Slice   []credentials.Token
	Array   [1]credentials.Token
	Map     map[string]credentials.Token
	Any     any
}

type unexported struct {
	token   credentials.Token
	pointer *credentials.Token
	slice   []credentials.Token
	array   [1]credentials.Token
	hash    map[string]credentials.Token
	any     any
	next    *unexported
}

type embedded struct{ credentials.Token }

func shapes(token credentials.Token) map[string]any {
	e := exported{token, &token, []credentials.Token{token}, [1]credentials.Token{token},
		map[string]credentials.Token{"k": token}, token}
	u := unexported{token, &token, e.Slice, e.Array, e.Map, &token, nil}
	u.next = &unexported{token: token, any: e}
	return map[string]any{
		"token":                        token,
		"pointer":                      &token,
		"slice":                        e.Slice,
		"map":                          e.Map,
		"exported fields":              e,
		"pointer to exported fields":   &e,
		"unexported fields":            u,
		"pointer to unexported fields": &u,
		"slice of all":                 []any{token, &token, e, &e, u, &u},
		"embedded field":               embedded{token},
		"pointer to an embedded field": &embedded{token},
		"error with the token":         fmt.Errorf("refused: %v %+v %#v", token, e, u),
		"func with the token":          func() string { return token.Reveal() },
	}
}

// shows reports whether text contains the canary in one of the ways that printers write strings.
func shows(text string) bool {
	lower := strings.ToLower(text)
	var decimals, hexes []string
	for _, b := range []byte(canary) {
		decimals = append(decimals, fmt.Sprint(b))
		hexes = append(hexes, fmt.Sprintf("0x%x", b))
	}
	for _, needle := range []string{
		strings.ToLower(canary), hex.EncodeToString([]byte(canary)),
		strings.Join(decimals, " "), strings.Join(decimals, ","), strings.Join(hexes, ", "),
		strings.ToLower(base64.StdEncoding.EncodeToString([]byte(canaryToken))[12:44]),
	} {
		if strings.Contains(lower, needle) {
			return true
		}
	}
	return false
}

func TestNoPrinterShowsAToken(t *testing.T) {
	require.True(t,
		shows(fmt.Sprintf("%s %x %v %#v", canaryToken, canaryToken, []byte(canaryToken),
			[]byte(canaryToken))), "the search itself")
	require.True(t,
		shows(fmt.Sprintf("%v", []byte(canaryToken))) && shows(fmt.Sprintf("%X",
			canaryToken)) && shows(fmt.Sprintf("%#v", []byte(canaryToken))))

	for shape, value := range shapes(parse(t, "OAuth "+canaryToken)) {
		t.Run("fmt: "+shape, func(t *testing.T) {
			for _, verb := range "vTtbcdoOqxXUeEfFgGspwzi" {
				for _, flags := range []string{"", "+", "#", " ", "-", "0", "+#", "# ", "80", "-80", ".200",
					"+200.200", "[1]"} {
					format := "%" + flags + string(verb)
					if text := fmt.Sprintf(format, value); shows(text) {
						t.Errorf("%s: %s", format, text)
					}
				}
			}
			assert.False(t, shows(fmt.Sprint(value)))
			assert.False(t, shows(fmt.Sprintln(value)))
		})

		t.Run("log: "+shape, func(t *testing.T) {
			var out bytes.Buffer
			log.New(&out, "", 0).Print(value)
			for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil),
				slog.NewJSONHandler(&out, nil)} {
				logger := slog.New(h).With("with", value)
				logger.Info("m", "attr", value, slog.Group("group", "attr", value), slog.Any("any", &value))
			}
			assert.NotEmpty(t, out.String())
			assert.False(t, shows(out.String()), out.String())
		})

		t.Run("encoders: "+shape, func(t *testing.T) {
			var out bytes.Buffer
			encoded, err := json.Marshal(value)
			fmt.Fprintln(&out, string(encoded), err)
			encoded, err = xml.Marshal(value)
			fmt.Fprintln(&out, string(encoded), err)
			fmt.Fprintln(&out,
				template.Must(template.New("").Parse("{{.}} {{printf `%#v` .}} {{js .}}")).Execute(&out, value))
			fmt.Fprintln(&out, gob.NewEncoder(&out).Encode(value))
			assert.False(t, shows(out.String()), out.String())
		})

		t.Run("testify: "+shape, func(t *testing.T) {
			r := &recorder{}
			assert.Equal(r, value, nil)
			assert.Equal(r, value, reflect.Zero(reflect.TypeOf(value)).Interface())
			assert.Nil(r, value)
			assert.Contains(r, []any{value}, "x")
			assert.ElementsMatch(r, []any{value}, []any{1})
			assert.Greater(t, r.failures, 3)
			assert.False(t, shows(r.String()), r.String())
		})

		t.Run("spew: "+shape, func(t *testing.T) {
			methods := spew.ConfigState{Indent: " "}
			raw := spew.ConfigState{Indent: " ", DisableMethods: true, DisablePointerMethods: true,
				DisableCapacities: true}
			for _, config := range []*spew.ConfigState{&spew.Config, &methods, &raw} {
				text := config.Sdump(value) + config.Sprintf("%v %+v %#v %#+v", value, value, value, value)
				assert.False(t, shows(text), text)
			}
		})

		t.Run("reflection: "+shape, func(t *testing.T) {
			walk(reflect.ValueOf(value), func(found string) {
				if _, ok := value.(error); !ok || shows(found) {
					assert.False(t, shows(found), found)
				}
			})
		})
	}
}

func TestEveryPrinterShowsTheFingerprint(t *testing.T) {
	token := parse(t, canaryToken)
	const want = "credentials.Token(AQVN…#c4e4e940)"
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		assert.Equal(t, want, fmt.Sprintf(verb, token), verb)
	}
	assert.Equal(t, want, token.String())
	text, err := token.MarshalText() // for YAML encoders
	require.NoError(t, err)
	assert.Equal(t, want, string(text))
	encoded, err := json.Marshal(map[string]any{"token": token, "pointer": &token})
	require.NoError(t, err)
	assert.JSONEq(t, `{"token":"`+want+`","pointer":"`+want+`"}`, string(encoded))
	assert.Equal(t, want, token.LogValue().String())

	var fromJSON credentials.Token
	err = json.Unmarshal(encoded, &struct{ Token *credentials.Token }{&fromJSON})
	require.Error(t, err, "a token cannot be unmarshalled")
	assert.True(t, fromJSON.IsZero())
}

func TestNoErrorShowsAPackagedToken(t *testing.T) {
	for _, p := range packaged {
		written := strings.ReplaceAll(p.written, "@T@", canaryToken)
		for name, err := range map[string]error{
			"ParseToken": second(credentials.ParseToken(written)),
			"Static":     second(credentials.Static(written).Token(t.Context())),
			"Env":        second(credentials.Env(written).Token(t.Context())),
			"File":       second(credentials.File(written).Token(t.Context())),
			"JSON field": second(credentials.File("x", credentials.WithField(written)).Token(t.Context())),
		} {
			require.Error(t, err, "%s: %s", name, p.name)
			assert.False(t, shows(fmt.Sprintf("%v %+v %#v", err, err, err)), "%s: %s: %v", name, p.name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestNoProviderShowsItsToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte(canaryToken), 0o600))
	jsonPath := filepath.Join(t.TempDir(), "token.json")
	require.NoError(t, os.WriteFile(jsonPath, []byte(`{"token": "`+canaryToken+`"}`), 0o604))
	t.Setenv("TOLOKA_TOKEN", canaryToken)
	t.Setenv("CANARY_BAD", canaryToken+" x")
	broken := credentials.Env("CANARY_BAD")
	mistaken := credentials.File("AQVN0123456789abcdefgh." + canary + ".x") // a token instead of a path

	providers := map[string]credentials.Provider{
		"Static":            credentials.Static(canaryToken),
		"Static, refused":   credentials.Static(canaryToken + " x"),
		"Env":               credentials.Env("TOLOKA_TOKEN"),
		"Env, refused":      broken,
		"File":              credentials.File(path),
		"File, mistaken":    mistaken,
		"Env, mistaken":     credentials.Env(canaryToken),
		"File, JSON":        credentials.File(jsonPath, credentials.WithField("token")),
		"File, field":       credentials.File(jsonPath, credentials.WithField(canaryToken)),
		"File, JSON broken": credentials.File(path, credentials.WithJSON()),
		"File, quoted":      credentials.File(jsonPath),
		"Chain":             credentials.Chain(credentials.Env("CANARY_UNSET"), credentials.File(path)),
		"Chain, refused":    credentials.Chain(credentials.Env("CANARY_UNSET"), broken),
		"Default":           credentials.Default(),
		"Failover": credentials.Failover(credentials.File(path),
			credentials.Static(canaryToken+"2")),
		"Failover, refused": credentials.Failover(broken, mistaken),
		"ProviderFunc":      credentials.ProviderFunc(credentials.Static(canaryToken).Token),
	}
	for name, p := range providers {
		t.Run(name, func(t *testing.T) {
			_, err := p.Token(context.Background())
			values := []any{err, errors.Join(err), describe.Of(p)}
			if w, ok := p.(credentials.Warner); ok {
				values = append(values, w.Warnings())
			}
			if !slices.Contains([]string{"File, mistaken", "Env, mistaken", "File, field",
				"Failover, refused"}, name) { // these hold it as a name
				values = append(values, p)
			}
			for _, value := range values {
				for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
					text := fmt.Sprintf(format, value)
					assert.False(t, shows(text), "%s: %s", format, text)
				}
				r := &recorder{}
				assert.Equal(r, value, 1)
				assert.False(t, shows(r.String()), r.String())
			}
			walk(reflect.ValueOf(values), func(found string) { assert.False(t, shows(found), found) })
		})
	}
}

// recorder is a test that only records its failures.
type recorder struct {
	strings.Builder
	failures int
}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures++
	fmt.Fprintf(r, format, args...)
}

// walk calls found with every string and byte slice that reflection reaches from v: what a
// printer that ignores methods and follows every pointer could show.
func walk(v reflect.Value, found func(string)) { walkSeen(v, found, map[uintptr]bool{}) }

func walkSeen(v reflect.Value, found func(string), seen map[uintptr]bool) {
	switch v.Kind() {
	case reflect.String:
		found(v.String())
	case reflect.Pointer:
		if seen[v.Pointer()] {
			return
		}
		seen[v.Pointer()] = true
		walkSeen(v.Elem(), found, seen)
	case reflect.Interface:
		walkSeen(v.Elem(), found, seen)
	case reflect.Struct:
		for i := range v.NumField() {
			walkSeen(v.Field(i), found, seen)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			found(fmt.Sprint(v))
		}
		for i := range v.Len() {
			walkSeen(v.Index(i), found, seen)
		}
	case reflect.Map:
		for iter := v.MapRange(); iter.Next(); {
			walkSeen(iter.Key(), found, seen)
			walkSeen(iter.Value(), found, seen)
		}
	}
}
