package credentials

import "regexp"

// packaging is something that people paste around a token, or in its place.
type packaging struct {
	shape   *regexp.Regexp
	problem string // what follows "token " in the error
}

const notReplaced = ": use a tool that replaces it with the secret, or give the token itself"

// packagings explain why a value is not a token68. The first that matches explains most.
var packagings = []packaging{
	pasted(`^-----BEGIN `, "is a PEM block: that is a key or a certificate, not an API token"),

	// Quotes.
	pasted(`(?s)^".*"$`, "is in double quotes: remove them (docker run --env-file keeps quotes)"),
	pasted(`(?s)^'.*'$`, "is in single quotes: remove them (docker run --env-file keeps quotes)"),
	pasted("(?s)^`.*`$", "is in backquotes: remove them"),
	pasted(`(?s)^[“”„‟«»‘’‚‛].*[“”„‟«»‘’‚‛]$`, "is in typographic quotes: remove them"),

	// Templates and variables that nothing has filled in.
	pasted(`^\{\{`, "is a placeholder {{…}} that was not replaced: fill in the template"),
	elsewhere(`^\$\{|^\$\(`, "is a reference like ${NAME} that was not expanded"),
	elsewhere(`^\$[A-Za-z_]`, "is a reference like $NAME that was not expanded"),
	elsewhere(`^%[A-Za-z_][A-Za-z0-9_]*%$`, "is a reference like %NAME% that was not expanded"),
	pasted(`(?s)^<.*>$`, "is a placeholder <…>: put the token in its place"),

	// JSON.
	pasted(`^\{`, "is a JSON object: store the token alone, "+
		"or read it from a file with credentials.WithJSON or credentials.WithField"),
	pasted(`^\[`, "is a JSON array: store the token alone"),

	// References to a secret elsewhere.
	elsewhere(`(?i)^op://`, "is a reference to a secret in 1Password"),
	elsewhere(`(?i)^arn:`, "is the ARN of a secret in AWS"),
	elsewhere(`(?i)^(?:aws-?sm|(?:aws-?)?(?:ssm|secretsmanager|parameterstore)):`,
		"is the address of a secret in AWS"),
	elsewhere(`(?i)^@Microsoft\.KeyVault\(`, "is a reference to a secret in Azure Key Vault"),
	elsewhere(`(?i)^https://[^/]*\.vault\.(?:azure\.net|azure\.cn|usgovcloudapi\.net)`,
		"is the address of a secret in Azure Key Vault"),
	elsewhere(`(?i)^(?:akv|azurekeyvault|keyvault):`,
		"is the address of a secret in Azure Key Vault"),
	elsewhere(`(?i)^vault:`, "is the address of a secret in Vault"),
	elsewhere(`(?i)^(?:gcp|gsm|sm|gcpsm|gcpsecretmanager|secretmanager):`,
		"is the address of a secret in Google Cloud"),
	pasted(`^ENC\[`, "is encrypted with sops: decrypt it first"),
	elsewhere(`^ref\+`, "is a reference to a secret elsewhere"),
	pasted(`(?i)^file:`, "is the address of a file: use credentials.File, or TOLOKA_TOKEN_FILE"),
	pasted(`(?i)^[a-z]:[\\/]`, "is the path of a file: use credentials.File, or TOLOKA_TOKEN_FILE"),
	pasted(`(?i)^[a-z][a-z0-9+.-]*://`, "is a URL: give the token itself"),

	// Lines of a file or of a request.
	pasted(`[\r\n]`, "has several lines: keep only the line with the token"),
	pasted(`^(?:export|set)[ \t]+[A-Za-z_]`,
		"is a line of a shell script: keep only what comes after the equals sign"),
	pasted(`^[A-Za-z_][A-Za-z0-9_.-]*[ \t]*=[ \t]*[^=]`,
		"is a line NAME=value of an env file: keep only the value"),
	pasted(`(?i)^(?:proxy-)?authorization[ \t]*:`,
		"is a whole Authorization header: keep only the token"),
	pasted(`(?i)^(?:apikey|oauth)[ \t]*:`,
		"has a colon after its scheme: write the scheme, a space and the token"),
	pasted(`(?i)^(?:(?:bearer|basic)[ \t:]|token[ \t])`,
		"starts with a scheme that the platform does not have, "+
			"such as Bearer: remove it (ApiKey and OAuth are allowed)"),
	pasted(`^[A-Za-z_][A-Za-z0-9_.-]*[ \t]*:[ \t]`, "is a line of YAML: keep only the value"),
	pasted(`^[A-Za-z][A-Za-z0-9+._-]*:`, "starts with a word and a colon, "+
		"as the address of a secret does: give the token itself"),
	pasted("^[\"'`“”„‟«»‘’‚‛]|[\"'`“”„‟«»‘’‚‛]$", "has a quote at one end: remove it"),
	pasted(`[,;]$`, "has a comma or semicolon at its end: remove it"),
}

// lookalikes are values that have only characters of a token68, but are no tokens.
var lookalikes = []packaging{
	pasted(`(?i)^(?:your|my|the)[-_](?:[a-z]+[-_])*(?:token|key)$|^change[-_]?me$`,
		"is a placeholder from an example: put the token in its place"),
	elsewhere(`^/aws/`, "is the name of a parameter in AWS"),
	elsewhere(`^projects/[^/]+/(?:locations/[^/]+/)?secrets/`,
		"is the name of a secret in Google Cloud"),
	pasted(`^/(?:dev|etc|home|mnt|opt|private|root|run|secrets|srv|tmp|usr|var|vault)/`,
		"is the path of a file: use credentials.File, or TOLOKA_TOKEN_FILE"),
	pasted(`^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+=$`,
		"is a line NAME= of an env file without a value: add the token"),
}

// pasted is for text around the token, or text that is no address.
func pasted(shape, problem string) packaging {
	return packaging{regexp.MustCompile(shape), problem}
}

// elsewhere is for an address of the token, or a reference to it.
func elsewhere(shape, problem string) packaging {
	return pasted(shape, problem+notReplaced)
}

// find returns the problem of the first of list that value looks like, or "".
func find(list []packaging, value string) (problem string) {
	for _, p := range list {
		if p.shape.MatchString(value) {
			return "token " + p.problem
		}
	}
	return ""
}
