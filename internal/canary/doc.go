// Package canary has only a test. It sends a marked token through every path of the library and
// searches all output for it.
package canary
