// Package deploy validates the manifests of examples/deploy with the types and tools of the
// platforms that read them, strictly: a misspelt field is an error.
package deploy
