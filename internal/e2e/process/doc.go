// Package process runs the programs that the end-to-end tests need: on loopback, each in a process of its own, and gone when
// the test ends. What they print is shown when the test fails.
package process
