package main

import (
	"os"
	"os/exec"
	"path/filepath"
)

// sizes builds the two programs and returns their sizes in bytes.
func sizes() (without, with int64, err error) {
	dir, err := os.MkdirTemp("", "footprint")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	if without, err = size(dir, "without"); err != nil {
		return 0, 0, err
	}
	with, err = size(dir, "with")
	return without, with, err
}

func size(dir, program string) (int64, error) {
	binary := filepath.Join(dir, program)
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary,
		"github.com/tolokacheck/tolokacheck/internal/benchmarks/cmd/footprint/"+program)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return 0, err
	}
	info, err := os.Stat(binary)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
