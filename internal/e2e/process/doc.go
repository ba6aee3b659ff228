// Package process runs the programs that the end-to-end tests need, until the test ends. If the
// test fails, their output is logged.
package process
