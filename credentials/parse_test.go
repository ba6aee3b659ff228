package credentials_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
)

func TestParseToken(t *testing.T) {
	longest := strings.Repeat("x", credentials.MaxTokenLen)
	for _, tt := range []struct {
		name, written, value string
		scheme               credentials.Scheme
	}{
		{"plain value", apiKey, apiKey, ""},
		{"one character", "x", "x", ""},
		{"all characters of a token68", "Az09-._~+/==", "Az09-._~+/==", ""},
		{"longest value", longest, longest, ""},
		{"longest value and scheme", "ApiKey " + longest, longest, credentials.SchemeAPIKey},
		{"trailing newline", apiKey + "\n", apiKey, ""},
		{"Windows line ends", "\r\n" + apiKey + "\r\n\r\n", apiKey, ""},
		{"byte order mark", "\ufeff" + apiKey + "\r\n", apiKey, ""},
		{"white space around a byte order mark", " \ufeff\t" + apiKey, apiKey, ""},
		{"no-break space from a web page", "\u00a0" + apiKey + "\u00a0", apiKey, ""},
		{"ApiKey prefix", "ApiKey " + apiKey, apiKey, credentials.SchemeAPIKey},
		{"OAuth prefix", "OAuth AQAA", "AQAA", credentials.SchemeOAuth},
		{"prefix in another case", "oAUTH AQAA", "AQAA", credentials.SchemeOAuth},
		{"prefix and several spaces", " apikey \t  AQAA ", "AQAA", credentials.SchemeAPIKey},
		{"value that starts like a scheme", "OAuthAQAA", "OAuthAQAA", ""},
		{"value that starts with a slash", "/AQVN/0123456789==", "/AQVN/0123456789==", ""},
		{"value that starts with the name of a manager", "vault-AQVN", "vault-AQVN", ""},
	} {
		t.Run("accepts "+tt.name, func(t *testing.T) {
			token, err := credentials.ParseToken(tt.written)
			require.NoError(t, err)
			assert.True(t, tt.value == token.Reveal(), "the value")
			assert.Equal(t, tt.scheme, token.Scheme())
			assert.False(t, token.IsZero())
		})
	}

	const onlySchemes = ": only ApiKey or OAuth may stand before a space"
	for _, tt := range []struct{ name, written, message string }{
		{"nothing", "", "token is empty"},
		{"white space", " \t\r\n", "token is empty"},
		{"byte order mark", "\ufeff\n", "token is empty"},
		{"scheme alone", "ApiKey ", "token is missing after its scheme"},
		{"two schemes alone", "ApiKey OAuth", "token is missing after its scheme"},
		{"too long", longest + "x", "token is longer than 4096 bytes"},
		{"equals signs", "==", "token has only equals signs"},
		{"space inside", "AQVN abcd", "token has white space inside, at byte 5" + onlySchemes},
		{"tab inside", "AQVN\tabcd", "token has white space inside, at byte 5" + onlySchemes},
		{"scheme twice", "ApiKey ApiKey abcd", "token has white space inside, at byte 7" + onlySchemes},
		{"two lines", "AQVN\nabcd", "token has several lines: keep only the line with the token"},
		{"two Windows lines", "AQVN\r\nabcd",
			"token has several lines: keep only the line with the token"},
		{"NUL", "AQVN\x00", "token has a control character, at byte 5"},
		{"DEL", "\x7fAQVN", "token has a control character, at byte 1"},
		{"letter outside ASCII", "AQVÑ", "token has a character outside ASCII, at byte 4: copy it again"},
		{"zero-width space", "AQVN\u200b",
			"token has a character outside ASCII, at byte 5: copy it again"},
		{"invalid UTF-8", "AQVN\xff", "token has a character outside ASCII, at byte 5: copy it again"},
		{"equals sign inside", "/AQVN=abcd",
			"token has an equals sign inside, at byte 6: keep only the token's value"},
		{"other character", "AQVN#abcd",
			"token has a character that no token has, at byte 5: only letters, digits and -._~+/= are " +
				"allowed"},
		{"UTF-16 of Windows", "\xff\xfeA\x00Q\x00",
			"token is written in UTF-16: write it in UTF-8 or ASCII"},
		{"UTF-16 in network order", "\xfe\xff\x00A\x00Q",
			"token is written in UTF-16: write it in UTF-8 or ASCII"},
	} {
		t.Run("refuses "+tt.name, func(t *testing.T) { wantRefused(t, tt.written, tt.message) })
	}
}

const (
	notReplaced  = ": use a tool that replaces it with the secret, or give the token itself"
	doubleQuotes = "is in double quotes: remove them (docker run --env-file keeps quotes)"
	isJSON       = "is a JSON object: store the token alone, " +
		"or read it from a file with credentials.WithJSON or credentials.WithField"
	otherScheme = "starts with a scheme that the platform does not have, " +
		"such as Bearer: remove it (ApiKey and OAuth are allowed)"
)

// packaged are values with something around the token, or in its place, and what ParseToken
// says of them. @T@ is the token.
var packaged = []struct{ name, written, message string }{
	{"double quotes", `"@T@"`, doubleQuotes},
	{"double quotes and scheme", `ApiKey "@T@"`, doubleQuotes},
	{"scheme in double quotes", `"ApiKey @T@"`, doubleQuotes},
	{"single quotes", `'@T@'`,
		"is in single quotes: remove them (docker run --env-file keeps quotes)"},
	{"backquotes", "`@T@`", "is in backquotes: remove them"},
	{"typographic quotes", "“@T@”", "is in typographic quotes: remove them"},
	{"German quotes", "„@T@“", "is in typographic quotes: remove them"},
	{"Russian quotes", "«@T@»", "is in typographic quotes: remove them"},
	{"single typographic quotes", "‘@T@’", "is in typographic quotes: remove them"},
	{"opening quote", `"@T@`, "has a quote at one end: remove it"},
	{"closing quote", `@T@'`, "has a quote at one end: remove it"},
	{"JSON object", `{"token": "@T@"}`, isJSON},
	{"JSON object on several lines", "{\n  \"token\": \"@T@\"\n}\n", isJSON},
	{"JSON array", `["@T@"]`, "is a JSON array: store the token alone"},
	{"env line", "TOLOKA_TOKEN=@T@", "is a line NAME=value of an env file: keep only the value"},
	{"env line with quotes", `TOLOKA_TOKEN="@T@"`,
		"is a line NAME=value of an env file: keep only the value"},
	{"env line with spaces", "token = @T@",
		"is a line NAME=value of an env file: keep only the value"},
	{"env line with a scheme", "TOLOKA_TOKEN=ApiKey @T@",
		"is a line NAME=value of an env file: keep only the value"},
	{"env line without a value", "TOLOKA_TOKEN=",
		"is a line NAME= of an env file without a value: add the token"},
	{"export", "export TOLOKA_TOKEN=@T@",
		"is a line of a shell script: keep only what comes after the equals sign"},
	{"two env lines", "A=1\nTOLOKA_TOKEN=@T@", "has several lines: keep only the line with the token"},
	{"YAML", "token: @T@", "is a line of YAML: keep only the value"},
	{"${NAME}", "${TOLOKA_TOKEN}", "is a reference like ${NAME} that was not expanded" + notReplaced},
	{"$(command)", "$(cat /run/token)",
		"is a reference like ${NAME} that was not expanded" + notReplaced},
	{"$NAME", "$TOLOKA_TOKEN", "is a reference like $NAME that was not expanded" + notReplaced},
	{"%NAME%", "%TOLOKA_TOKEN%", "is a reference like %NAME% that was not expanded" + notReplaced},
	{"{{name}}", "{{ .Values.token }}",
		"is a placeholder {{…}} that was not replaced: fill in the template"},
	{"<placeholder>", "<your API token>", "is a placeholder <…>: put the token in its place"},
	{"placeholder of a README", "YOUR_TOKEN",
		"is a placeholder from an example: put the token in its place"},
	{"placeholder with more words", "your-toloka-api-key",
		"is a placeholder from an example: put the token in its place"},
	{"placeholder changeme", "ApiKey changeme",
		"is a placeholder from an example: put the token in its place"},
	{"1Password", "op://vault/toloka/token", "is a reference to a secret in 1Password" + notReplaced},
	{"AWS ARN", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:toloka-AbCdEf",
		"is the ARN of a secret in AWS" + notReplaced},
	{"AWS SSM", "ssm:/prod/toloka/token", "is the address of a secret in AWS" + notReplaced},
	{"AWS Secrets Manager", "aws-sm:toloka", "is the address of a secret in AWS" + notReplaced},
	{"AWS parameter", "/aws/reference/secretsmanager/toloka",
		"is the name of a parameter in AWS" + notReplaced},
	{"AWS CloudFormation", "{{resolve:secretsmanager:toloka}}",
		"is a placeholder {{…}} that was not replaced: fill in the template"},
	{"Azure reference", "@Microsoft.KeyVault(SecretUri=https://x.vault.azure.net/secrets/toloka/)",
		"is a reference to a secret in Azure Key Vault" + notReplaced},
	{"Azure address", "https://x.vault.azure.net/secrets/toloka/0123",
		"is the address of a secret in Azure Key Vault" + notReplaced},
	{"Azure scheme", "akv://x/toloka", "is the address of a secret in Azure Key Vault" + notReplaced},
	{"Vault", "vault:secret/data/toloka#token", "is the address of a secret in Vault" + notReplaced},
	{"Google name", "projects/123/secrets/toloka/versions/latest",
		"is the name of a secret in Google Cloud" + notReplaced},
	{"Google regional name", "projects/p/locations/eu/secrets/toloka",
		"is the name of a secret in Google Cloud" + notReplaced},
	{"Google address", "gsm:toloka", "is the address of a secret in Google Cloud" + notReplaced},
	{"sops", "ENC[AES256_GCM,data:AbCd,iv:x,tag:y,type:str]",
		"is encrypted with sops: decrypt it first"},
	{"vals", "ref+vault://secret/toloka#/token", "is a reference to a secret elsewhere" + notReplaced},
	{"other address", "doppler:toloka",
		"starts with a word and a colon, as the address of a secret does: give the token itself"},
	{"URL", "https://toloka.example/token", "is a URL: give the token itself"},
	{"path", "/run/secrets/toloka-token",
		"is the path of a file: use credentials.File, or TOLOKA_TOKEN_FILE"},
	{"path on Windows", `C:\secrets\token`,
		"is the path of a file: use credentials.File, or TOLOKA_TOKEN_FILE"},
	{"file address", "file:///run/token",
		"is the address of a file: use credentials.File, or TOLOKA_TOKEN_FILE"},
	{"Bearer", "Bearer @T@", otherScheme},
	{"Basic", "basic @T@", otherScheme},
	{"Token", "Token @T@", otherScheme},
	{"ApiKey and a colon", "ApiKey: @T@",
		"has a colon after its scheme: write the scheme, a space and the token"},
	{"header", "Authorization: ApiKey @T@", "is a whole Authorization header: keep only the token"},
	{"PEM", "-----BEGIN PRIVATE KEY-----\nT\n-----END PRIVATE KEY-----",
		"is a PEM block: that is a key or a certificate, not an API token"},
	{"comma", "@T@,", "has a comma or semicolon at its end: remove it"},
}

func TestPackagedTokens(t *testing.T) {
	for _, tt := range packaged {
		t.Run(tt.name, func(t *testing.T) {
			for _, value := range []string{apiKey, canaryToken} {
				written := strings.ReplaceAll(tt.written, "@T@", value)
				wantRefused(t, written, "token "+tt.message)
			}
		})
	}

	t.Run("too long", func(t *testing.T) {
		wantRefused(t, `"`+strings.Repeat("x", 10_000)+`"`,
			"token is in double quotes: remove them (docker run --env-file keeps quotes)")
	})
}

func wantRefused(t *testing.T, written, message string) {
	t.Helper()
	token, err := credentials.ParseToken(written)
	require.EqualError(t, err, "credentials: "+message)
	wantKind(t, err, credentials.ErrInvalid)
	assert.True(t, token.IsZero())
}

// token68 is the syntax of RFC 9110, section 11.2.
var token68 = regexp.MustCompile(`^[A-Za-z0-9\-._~+/]+=*$`)

// fixedErrors are the texts of all errors, each of them fixed but for a position.
func fixedErrors() map[string]bool {
	position := regexp.MustCompile(`at byte \d+`)
	texts := map[string]bool{}
	for _, s := range []string{
		"", "ApiKey", strings.Repeat("x",
			credentials.MaxTokenLen+1), "=", "x x", "x\nx", "x\x00", "xé", "/x=x", "x#", "\xff\xfe",
	} {
		_, err := credentials.ParseToken(s)
		texts[position.ReplaceAllString(err.Error(), "")] = true
	}
	for _, p := range packaged {
		texts["credentials: token "+p.message] = true
	}
	return texts
}

func FuzzParseToken(f *testing.F) {
	for _, seed := range []string{
		"", " ", "\n", "x", apiKey, apiKey + "\r\n", "\ufeff" + apiKey, "\xff\xfeA\x00", "\u00a0x\u2003",
		"ApiKey " + apiKey, "oauth\tAQAA", "OAuth", "ApiKey OAuth", "ApiKey ApiKey x", "x y", "x\ny", "x\x00", "xé",
		strings.Repeat("x", credentials.MaxTokenLen+1),
	} {
		f.Add(seed)
	}
	for _, p := range packaged {
		f.Add(p.written)
	}
	fixed := fixedErrors()
	position := regexp.MustCompile(`at byte \d+`)
	f.Fuzz(func(t *testing.T, written string) {
		token, err := credentials.ParseToken(written)
		if err != nil {
			text := position.ReplaceAllString(err.Error(), "")
			if !errors.Is(err, credentials.ErrInvalid) || !token.IsZero() || !fixed[text] {
				t.Fatalf("%q: token %v, error %q", written, token, err)
			}
			return
		}
		value := token.Reveal()
		if len(value) > credentials.MaxTokenLen || !token68.MatchString(value) ||
			!strings.Contains(written, value) {
			t.Fatalf("%q: value %q", written, value)
		}
		for _, tt := range []struct {
			written string
			scheme  credentials.Scheme
		}{{value, ""}, {"\ufeff apikey  " + value + "\r\n", credentials.SchemeAPIKey}, {"OAUTH\t" + value,
			credentials.SchemeOAuth}} {
			again, err := credentials.ParseToken(tt.written)
			if err != nil || again.Reveal() != value || again.Scheme() != tt.scheme {
				t.Fatalf("%q: token %v, scheme %q, error %v", tt.written, again, again.Scheme(), err)
			}
		}
		// A short one may be in the fixed text or the digits by chance.
		if len(value) >= 20 && strings.Contains(token.String(), value[:6]) {
			t.Fatalf("%q: String shows the value", written)
		}
	})
}
