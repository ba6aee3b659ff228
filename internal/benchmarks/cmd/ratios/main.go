// Command ratios reads benchmark output on standard input and prints, as a Markdown table, how each subject compares with
// the bare handler. Where benchstat compares medians over all runs, this takes the ratio within each run and then the median:
// the two were measured within the same seconds, so a machine that is busy for a while does not show.
//
//	go run ./cmd/ratios <results.txt
package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/tolokacheck/tolokacheck/internal/benchmarks"
)

func main() {
	s, err := read(os.Stdin)
	if err == nil {
		err = s.print(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ratios:", err)
		os.Exit(1)
	}
}

// print writes one line per row and subject. A cell for which there are no measurements is empty.
func (s *samples) print(w io.Writer) error {
	if _, err := fmt.Fprint(w, "| | by | times bare | over bare | allocs/op | times bare, -cpu 2 | -cpu 2 over -cpu 1 |\n"+
		"| --- | --- | ---: | ---: | ---: | ---: | ---: |\n"); err != nil {
		return err
	}
	for _, row := range s.rows {
		one, two := cell{row: row.name, unit: row.unit}, cell{row: row.name, unit: row.unit, cpu: "2"}
		for _, by := range row.by {
			line := fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s |\n", row, by,
				withSpread(s.ratios(one.of(by), one.of(benchmarks.Bare)), "%.2f"),
				nanoseconds(row.unit, s.differences(one.of(by), one.of(benchmarks.Bare))),
				plain(s.values[cell{row: row.name, unit: "allocs/op", by: by}]),
				withSpread(s.ratios(two.of(by), two.of(benchmarks.Bare)), "%.2f"),
				withSpread(s.ratios(two.of(by), one.of(by)), "%.2f"))
			if _, err := io.WriteString(w, line); err != nil {
				return err
			}
		}
	}
	return nil
}

// ratios returns a/b of each run.
func (s *samples) ratios(a, b cell) []float64 {
	return s.pairs(a, b, func(a, b float64) float64 { return a / b })
}

// differences returns a-b of each run.
func (s *samples) differences(a, b cell) []float64 {
	return s.pairs(a, b, func(a, b float64) float64 { return a - b })
}

func (s *samples) pairs(a, b cell, f func(a, b float64) float64) []float64 {
	as, bs := s.values[a], s.values[b]
	if a == b || len(as) != len(bs) {
		return nil
	}
	var out []float64
	for i := range as {
		out = append(out, f(as[i], bs[i]))
	}
	return out
}

// quantile returns the value that a share q of the values does not exceed, by the nearest rank.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// withSpread shows the median, and between which values the middle half lies.
func withSpread(values []float64, format string) string {
	if len(values) == 0 {
		return ""
	}
	return fmt.Sprintf(format+" ("+format+"–"+format+")", quantile(values, 0.5), quantile(values, 0.25), quantile(values, 0.75))
}

func nanoseconds(unit string, seconds []float64) string {
	if unit != "sec/op" || len(seconds) == 0 {
		return ""
	}
	return fmt.Sprintf("%+.1f ns", quantile(seconds, 0.5)*1e9)
}

func plain(values []float64) string {
	if len(values) == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", quantile(values, 0.5))
}
