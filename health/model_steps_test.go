//go:build !race && !mutation

package health_test

// modelSteps is how many steps the checker has to go through at least.
const modelSteps = 100_000
