// Package names decides which names and paths errors and logs may show. People put a secret
// where its name belongs: credentials.Env(os.Getenv("TOLOKA_TOKEN")). So a name is shown only
// if it looks like one.
package names

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tolokacheck/tolokacheck/internal/secrettext"
)

// Hidden stands where a name that does not look like one would be.
const Hidden = "(hidden)"

const (
	maxVariable = 64
	maxField    = 64
	maxPath     = 512
)

// Name is a name as errors and logs may show it.
type Name struct {
	// Text is the name, or [Hidden].
	Text string
	// Problem is "" for a name that is shown. Otherwise it says, without any character of the
	// name, why the name is hidden: "looks like a secret".
	Problem string
}

var (
	variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// conventional are variables as most programs name them. Their digits are no sign of a
	// random text: AWS_S3_K8S_V1_TOKEN.
	conventional = regexp.MustCompile(
		`^[A-Z]{1,16}[0-9]{0,4}(?:_[A-Z]{0,16}[0-9]{0,4}[A-Z]{0,2})+$`)
	assignment = regexp.MustCompile(`^\s*(?:export\s+)?[A-Za-z_][A-Za-z0-9_.-]*\s*=`)
	header     = regexp.MustCompile("(?i)^[\\s\"'`]*(?:(?:proxy-)?authorization\\s*:|" +
		"(?:apikey|oauth|bearer|basic|token)(?:\\s*:|\\s))")
)

// Variable is for the name of an environment variable. It is shown if it has only letters,
// digits and underscores, at most 64 of them, and does not look like a secret.
func Variable(name string) Name {
	problem := packaging(name, maxVariable)
	switch {
	case problem != "":
	case conventional.MatchString(name):
	case secrettext.LooksAlone(name):
		problem = "looks like a secret"
	case !variable.MatchString(name):
		problem = "has characters that the name of a variable cannot have"
	}
	return shown(name, problem)
}

// Field is for the name of a field in a JSON object or a secret, for an engine's mount, a role and
// other single words. It is shown if it has only letters, digits, spaces and -_.:/@, at most
// 64 of them, and no part of it looks like a secret.
func Field(name string) Name {
	problem := packaging(name, maxField)
	if problem == "" {
		problem = word(name)
	}
	return shown(name, problem)
}

// Path is for the path of a file or of a secret. It is shown if it is printable, has at most 512
// bytes and no quotes, and no part of it looks like a secret. The caller quotes it where it
// has spaces.
func Path(path string) Name {
	problem := packaging(path, maxPath)
	if problem == "" && !rooted(path) && strings.Contains(path, "=") {
		problem = "has an equals sign"
	}
	if problem == "" {
		problem = segments(path)
	}
	return shown(path, problem)
}

func shown(name, problem string) Name {
	if problem != "" {
		return Name{Text: Hidden, Problem: problem}
	}
	return Name{Text: name}
}

// packaging returns what name has that no name has: what env files, headers, JSON and templates
// put around a value.
func packaging(name string, maxLen int) (problem string) {
	switch {
	case len(name) > maxLen:
		return "is too long"
	case strings.ContainsAny(name, "\r\n"):
		return "has a line break"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unprintable):
		return "has characters that cannot be printed"
	case header.MatchString(name):
		return "starts like an Authorization header"
	case assignment.MatchString(name):
		return "looks like a line NAME=value of an env file"
	case strings.ContainsAny(name, "\"'`“”„‘’«»"):
		return "has quotes"
	case strings.ContainsAny(name, "${}<>"):
		return "has a placeholder or JSON in it"
	case strings.ContainsAny(name, ",;|"):
		return "has a separator in it"
	}
	return ""
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

func word(name string) (problem string) {
	if strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" -_.:/@", r)
	}) {
		return "has characters that names do not have"
	}
	return segments(name)
}

// segments looks at the parts of a path. A secret may have slashes itself, so one part that looks
// like a secret hides all of it.
func segments(path string) (problem string) {
	const looks = "looks like a secret"
	single := !strings.ContainsAny(path, `/\ `)
	if single && secrettext.LooksAlone(path) || !rooted(path) && base64Path(path) {
		return looks
	}
	parts := strings.FieldsFunc(path, func(r rune) bool {
		// Secrets are not written in other scripts.
		return strings.ContainsRune("/\\ :@", r) || r > unicode.MaxASCII
	})
	for i, part := range parts {
		if rooted(path) && i < len(parts)-1 && !strings.ContainsFunc(part, unicode.IsUpper) {
			continue // directories are often named by a UUID, a hash or another random id
		}
		if secrettext.Looks(part) || secrettext.IsUUID(part) {
			return looks
		}
	}
	return ""
}

// base64Path reports whether path without its slashes, which base64 has between random
// characters, looks like a secret.
func base64Path(path string) bool {
	return !strings.Contains(path, " ") &&
		secrettext.Looks(strings.NewReplacer("/", "", `\`, "").Replace(path))
}

// rooted reports whether path says where it begins, as most paths in a configuration do.
func rooted(path string) bool {
	if len(path) >= 3 && path[1] == ':' && (path[2] == '\\' || path[2] == '/') {
		return true // a drive of Windows
	}
	for _, root := range []string{"/", "./", "../", "~/", `\\`} {
		if strings.HasPrefix(path, root) {
			return true
		}
	}
	return false
}
