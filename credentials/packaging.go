package credentials

import "regexp"

// packaging is something that people paste around a token, or in its place.
type packaging struct {
	shape   *regexp.Regexp
	problem string // after "token "
}

const notReplaced = ": use a tool that replaces it with the secret, or give the token itself"

// packagings are tried in order: the first that matches explains most. The expressions are
// anchored, so none of them finds its shape in the middle of a token.
var packagings = []packaging{
	{regexp.MustCompile(`^-----BEGIN `), "is a PEM block: that is a key or a certificate, not an API token"},

	// Quotes.
	{regexp.MustCompile(`(?s)^".*"$`), "is in double quotes: remove them (docker run --env-file keeps quotes)"},
	{regexp.MustCompile(`(?s)^'.*'$`), "is in single quotes: remove them (docker run --env-file keeps quotes)"},
	{regexp.MustCompile("(?s)^`.*`$"), "is in backquotes: remove them"},
	{regexp.MustCompile(`(?s)^[“”„‟«»‘’‚‛].*[“”„‟«»‘’‚‛]$`), "is in typographic quotes: remove them"},

	// Templates and variables that nothing has filled in.
	{regexp.MustCompile(`^\{\{`), "is a placeholder {{…}} that was not replaced: fill in the template"},
	{regexp.MustCompile(`^\$\{|^\$\(`), "is a reference like ${NAME} that was not expanded" + notReplaced},
	{regexp.MustCompile(`^\$[A-Za-z_]`), "is a reference like $NAME that was not expanded" + notReplaced},
	{regexp.MustCompile(`^%[A-Za-z_][A-Za-z0-9_]*%$`), "is a reference like %NAME% that was not expanded" + notReplaced},
	{regexp.MustCompile(`(?s)^<.*>$`), "is a placeholder <…>: put the token in its place"},

	// JSON.
	{regexp.MustCompile(`^\{`), "is a JSON object: store the token alone, " +
		"or read it from a file with credentials.WithJSON or credentials.WithField"},
	{regexp.MustCompile(`^\[`), "is a JSON array: store the token alone"},

	// References to a secret elsewhere.
	{regexp.MustCompile(`(?i)^op://`), "is a reference to a secret in 1Password" + notReplaced},
	{regexp.MustCompile(`(?i)^arn:`), "is the ARN of a secret in AWS" + notReplaced},
	{regexp.MustCompile(`(?i)^(?:aws-?)?(?:ssm|sm|secretsmanager|parameterstore):`), "is the address of a secret in AWS" + notReplaced},
	{regexp.MustCompile(`(?i)^/aws/`), "is the name of a parameter in AWS" + notReplaced},
	{regexp.MustCompile(`(?i)^@Microsoft\.KeyVault\(`), "is a reference to a secret in Azure Key Vault" + notReplaced},
	{regexp.MustCompile(`(?i)^https://[^/]*\.vault\.(?:azure\.net|azure\.cn|usgovcloudapi\.net)`), "is the address of a secret in Azure Key Vault" + notReplaced},
	{regexp.MustCompile(`(?i)^(?:akv|azurekeyvault|keyvault):`), "is the address of a secret in Azure Key Vault" + notReplaced},
	{regexp.MustCompile(`(?i)^vault:`), "is the address of a secret in Vault" + notReplaced},
	{regexp.MustCompile(`^projects/[^/]+/(?:locations/[^/]+/)?secrets/`), "is the name of a secret in Google Cloud" + notReplaced},
	{regexp.MustCompile(`(?i)^(?:gcp|gsm|gcpsm|gcpsecretmanager|secretmanager):`), "is the address of a secret in Google Cloud" + notReplaced},
	{regexp.MustCompile(`^ENC\[`), "is encrypted with sops: decrypt it first"},
	{regexp.MustCompile(`^ref\+`), "is a reference to a secret elsewhere" + notReplaced},
	{regexp.MustCompile(`(?i)^file:`), "is the address of a file: use credentials.File, or TOLOKA_TOKEN_FILE"},
	{regexp.MustCompile(`^/(?:dev|etc|home|mnt|opt|private|root|run|secrets|srv|tmp|usr|var|vault)/`), "is the path of a file: use credentials.File, or TOLOKA_TOKEN_FILE"},
	{regexp.MustCompile(`(?i)^[a-z]:[\\/]`), "is the path of a file: use credentials.File, or TOLOKA_TOKEN_FILE"},
	{regexp.MustCompile(`(?i)^[a-z][a-z0-9+.-]*://`), "is a URL: give the token itself"},

	// Lines of a file or of a request.
	{regexp.MustCompile(`[\r\n]`), "has several lines: keep only the line with the token"},
	{regexp.MustCompile(`^(?:export|set)[ \t]+[A-Za-z_]`), "is a line of a shell script: keep only what comes after the equals sign"},
	{regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*[ \t]*=[ \t]*[^=]`), "is a line NAME=value of an env file: keep only the value"},
	{regexp.MustCompile(`^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+=$`), "is a line NAME= of an env file without a value: add the token"},
	{regexp.MustCompile(`(?i)^(?:proxy-)?authorization[ \t]*:`), "is a whole Authorization header: keep only the token"},
	{regexp.MustCompile(`(?i)^(?:apikey|oauth)[ \t]*:`), "has a colon after its scheme: write the scheme, a space and the token"},
	{regexp.MustCompile(`(?i)^(?:(?:bearer|basic)[ \t:]|token[ \t])`), "starts with a scheme that the platform does not have, " +
		"such as Bearer: remove it (ApiKey and OAuth are allowed)"},
	{regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*[ \t]*:[ \t]`), "is a line of YAML: keep only the value"},
	{regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+._-]*:`), "starts with a word and a colon, " +
		"as the address of a secret does: give the token itself"},
	{regexp.MustCompile("^[\"'`“”„‟«»‘’‚‛]|[\"'`“”„‟«»‘’‚‛]$"), "has a quote at one end: remove it"},
	{regexp.MustCompile(`[,;]$`), "has a comma or semicolon at its end: remove it"},
}

// packagingOf says what value has around the token, or is instead of one; "" if it finds nothing.
func packagingOf(value string) (problem string) {
	for _, p := range packagings {
		if p.shape.MatchString(value) {
			return p.problem
		}
	}
	return ""
}
