// Package canary has no code but a test: it sends one marked token through every path of the library and searches all that
// comes out for it.
package canary
