// Command caches compares the bounded caches that internal/callers could use and prints a Markdown
// table. internal/callers uses otter.
//
//	go run ./cmd/caches
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
)

func main() {
	runs := flag.Int("runs", 10, "number of measurements of each cache")
	var l load
	flag.IntVar(&l.entries, "entries", 10_000, "capacity of a cache; 4 of 5 are for live keys")
	flag.IntVar(&l.operations, "operations", 1_000_000, "operations per measurement")
	flag.Parse()
	if err := compare(*runs, l); err != nil {
		fmt.Fprintln(os.Stderr, "caches:", err)
		os.Exit(1)
	}
}

// compare measures each cache in each run, so that other work of the machine affects all of them.
func compare(runs int, l load) error {
	results := make([][]result, len(subjects))
	for range runs {
		for i, s := range subjects {
			r, err := l.measure(s.open)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			results[i] = append(results[i], r)
		}
	}
	fmt.Printf("%d runs of %d operations, %d entries, %d live keys: median (quartiles).\n\n",
		runs, l.operations, l.entries, l.live())
	fmt.Println("| cache | hit, 1 goroutine | hit, 8 goroutines | mixed load, 8 goroutines " +
		"| memory per entry | live keys found in a flood |")
	fmt.Println("| --- | ---: | ---: | ---: | ---: | ---: |")
	for i, s := range subjects {
		cell := func(format string, of func(result) float64) string {
			var values []float64
			for _, r := range results[i] {
				values = append(values, of(r))
			}
			slices.Sort(values)
			at := func(part int) float64 { return values[min(part*len(values)/4, len(values)-1)] }
			return fmt.Sprintf(format, at(2), at(1), at(3))
		}
		const times = "%.0f ns (%.0f–%.0f)"
		fmt.Printf("| %s | %s | %s | %s | %s | %s |\n", s.name,
			cell(times, func(r result) float64 { return r.hit }),
			cell(times, func(r result) float64 { return r.sharedHit }),
			cell(times, func(r result) float64 { return r.mixed }),
			cell("%.0f B (%.0f–%.0f)", func(r result) float64 { return r.memory }),
			cell("%.1f %% (%.1f–%.1f)", func(r result) float64 { return 100 * r.found }))
	}
	return nil
}
