// Package readme has no code but tests: they compile and run every Go snippet of the README, and hold the README to them word
// for word.
package readme
