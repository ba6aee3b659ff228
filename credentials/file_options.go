package credentials

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tolokacheck/tolokacheck/internal/names"
	"github.com/tolokacheck/tolokacheck/internal/secrettext"
)

// FileOption configures [File] and [Default]. A nil option is an error.
type FileOption func(*fileConfig) error

// fileConfig is what the options set. The zero value has the defaults.
type fileConfig struct {
	refuseInsecure bool
	fields         []string // the token is in the one of these fields that a JSON object has
}

// RefuseInsecurePermissions makes a file that every user can read or write an error that wraps
// [ErrInvalid]. By default it is a warning, see [Warner] and [File].
func RefuseInsecurePermissions() FileOption {
	return func(cfg *fileConfig) error {
		cfg.refuseInsecure = true
		return nil
	}
}

// WithJSON reads the token from a file with a JSON object: from its string field "token" or
// "value", of which it must have exactly one. By default a JSON file is [ErrInvalid].
func WithJSON() FileOption {
	return func(cfg *fileConfig) error {
		if cfg.fields == nil {
			cfg.fields = []string{"token", "value"}
		}
		return nil
	}
}

// WithField reads the token from a file with a JSON object: from its string field name, whose
// spelling must be exact. It replaces the names of [WithJSON]. An empty name is an error.
func WithField(name string) FileOption {
	return func(cfg *fileConfig) error {
		if name == "" {
			return errors.New("WithField: the name of the field is empty")
		}
		cfg.fields = []string{name}
		return nil
	}
}

// newFileConfig applies opts. The error wraps ErrInvalid.
func newFileConfig(opts []FileOption) (fileConfig, *sourceError) {
	var cfg fileConfig
	for i, opt := range opts {
		if opt == nil {
			return cfg, &sourceError{
				problem: fmt.Sprintf("option %d of %d is nil", i+1, len(opts)), kind: ErrInvalid,
			}
		}
		if err := opt(&cfg); err != nil {
			return cfg, &sourceError{problem: err.Error(), kind: ErrInvalid}
		}
	}
	return cfg, nil
}

// parse returns either the token in content or what is wrong, in words that hold nothing of it.
func (cfg *fileConfig) parse(content string) (t Token, problem string) {
	content = secrettext.Trim(content)
	if cfg.fields == nil || content == "" {
		return parse(content)
	}
	value, problem := cfg.field(content)
	if problem != "" {
		return Token{}, problem
	}
	if t, problem = parse(value); problem != "" {
		return Token{}, "in its JSON field, the " + problem
	}
	return t, ""
}

// field returns the value of the one field of content that the options name.
func (cfg *fileConfig) field(content string) (value, problem string) {
	const notJSON = "file is not a JSON object, as WithJSON and WithField expect: " +
		"remove the option, or write valid JSON"
	found := ""
	decoder := json.NewDecoder(strings.NewReader(content))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return "", notJSON
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return "", notJSON
		}
		var raw json.RawMessage
		if err := decoder.Decode(&raw); err != nil {
			return "", notJSON
		}
		for _, want := range cfg.fields {
			switch {
			case name != want:
			case found != "":
				return "", "JSON object has more than one field " + cfg.fieldNames() +
					": keep one, or name it with WithField"
			case !bytes.HasPrefix(raw, []byte(`"`)) || json.Unmarshal(raw, &value) != nil:
				return "", "JSON field " + shownField(want) + " is not a string"
			default:
				found = want
			}
		}
	}
	if _, err := decoder.Token(); err != nil ||
		strings.TrimSpace(content[decoder.InputOffset():]) != "" {
		return "", notJSON
	}
	if found == "" {
		return "", "JSON object has no field " + cfg.fieldNames() +
			": name the field with WithField"
	}
	return value, ""
}

func (cfg *fileConfig) fieldNames() string {
	shown := make([]string, len(cfg.fields))
	for i, name := range cfg.fields {
		shown[i] = shownField(name)
	}
	return strings.Join(shown, " or ")
}

func shownField(name string) string {
	if n := names.Field(name); n.Problem != "" {
		return n.Text
	}
	return fmt.Sprintf("%q", name)
}
