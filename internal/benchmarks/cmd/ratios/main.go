// Command ratios reads benchmark output on standard input and prints a Markdown table that compares
// each subject with the bare handler. benchstat compares medians over all runs. This command takes
// the ratio within each run and then the median: both values of a ratio were measured within
// seconds, so other work of the machine has little effect on it.
//
//	go run ./cmd/ratios <results.txt
package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/tolokacheck/tolokacheck/internal/benchmarks"
)

// columns are the units that are compared, the most reliable one first.
var columns = []struct{ unit, title string }{
	{"cpu-sec/op", "processor time"},
	{"sec/op", "wall time"},
	{"p50-sec", "p50"},
	{"p99-sec", "p99"},
	{"req/s", "requests per second"},
}

func main() {
	s, err := read(os.Stdin)
	if err == nil {
		_, err = io.WriteString(os.Stdout, s.table())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ratios:", err)
		os.Exit(1)
	}
}

// table returns a line per row and subject, and a column per unit that was measured. A number is
// followed by the first and the third quartile of the runs.
func (s *samples) table() string {
	head := []string{"", "by"}
	var units []string
	for _, c := range columns {
		if s.has(c.unit) {
			units = append(units, c.unit)
			head = append(head, c.title+", times bare")
		}
	}
	if len(units) == 0 {
		return ""
	}
	// Differences and scaling are in the most reliable unit.
	head = append(head, "over bare", "allocs/op", "-cpu 2 over -cpu 1")
	lines := [][]string{head}
	for _, row := range s.rows {
		for _, by := range row.by {
			one := cell{row: row.name, by: by}
			two := one
			two.cpu = "2"
			cells := []string{row.name, by}
			for _, unit := range units {
				cells = append(cells,
					withSpread(s.pairs(one, one.of(benchmarks.Bare), unit, ratio)))
			}
			cells = append(cells,
				nanoseconds(s.pairs(one, one.of(benchmarks.Bare), units[0], difference)),
				whole(s.values[one]["allocs/op"]),
				withSpread(s.pairs(two, one, units[0], ratio)))
			lines = append(lines, cells)
		}
	}
	return markdown(lines)
}

// markdown leaves out columns without values.
func markdown(lines [][]string) string {
	var columns []int
	for i := range lines[0] {
		if slices.ContainsFunc(lines[1:], func(cells []string) bool { return cells[i] != "" }) {
			columns = append(columns, i)
		}
	}
	var b strings.Builder
	for n, cells := range lines {
		for _, i := range columns {
			b.WriteString("| " + cells[i] + " ")
		}
		b.WriteString("|\n")
		if n == 0 {
			b.WriteString("| --- | --- " + strings.Repeat("| ---: ", len(columns)-2) + "|\n")
		}
	}
	return b.String()
}

func ratio(a, b float64) float64 { return a / b }

func difference(a, b float64) float64 { return a - b }

// pairs returns f of the two measurements of each run. It returns nothing for a cell and itself.
func (s *samples) pairs(a, b cell, unit string, f func(a, b float64) float64) []float64 {
	as, bs := s.values[a][unit], s.values[b][unit]
	if a == b || len(as) != len(bs) {
		return nil
	}
	var out []float64
	for i := range as {
		out = append(out, f(as[i], bs[i]))
	}
	return out
}

// quantile returns the q-quantile of the values, by the nearest rank.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func withSpread(values []float64) string {
	if len(values) == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)",
		quantile(values, 0.5), quantile(values, 0.25), quantile(values, 0.75))
}

func nanoseconds(seconds []float64) string {
	if len(seconds) == 0 {
		return ""
	}
	return fmt.Sprintf("%+.1f ns", quantile(seconds, 0.5)*1e9)
}

func whole(values []float64) string {
	if len(values) == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", quantile(values, 0.5))
}
