//go:build !unix

package health_test

// runAsChild reports whether this process is the child of a test.
func runAsChild() bool { return false }
