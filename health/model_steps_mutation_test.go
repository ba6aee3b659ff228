//go:build mutation

package health_test

// modelSteps is enough to kill, and few enough to do so for each mutant. The tests in real time are left out of a mutation run
// for the same reason.
const modelSteps = 10_000
