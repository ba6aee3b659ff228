//go:build race && !mutation

package health_test

// modelSteps is lower than without the race detector, under which a step takes ten times as long.
const modelSteps = 20_000
