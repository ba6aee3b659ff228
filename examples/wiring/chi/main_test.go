package main

import (
	"testing"

	"github.com/tolokacheck/tolokacheck/examples/wiring/internal/wiringtest"
)

func TestWiring(t *testing.T) { wiringtest.Run(t, serve) }
