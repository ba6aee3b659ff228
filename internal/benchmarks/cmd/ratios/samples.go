package main

import (
	"io"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// samples are measurements, in the order of the runs.
type samples struct {
	rows   []*row
	values map[cell]map[string][]float64 // by unit
}

// row is one benchmark with its subjects, in the order of the input.
type row struct {
	name string
	by   []string
}

// cell identifies measurements. Its cpu is empty for GOMAXPROCS 1, as in the names of benchmarks.
type cell struct{ row, by, cpu string }

func (c cell) of(by string) cell {
	c.by = by
	return c
}

// read parses the output of `go test -bench` and of the command sockets.
func read(r io.Reader) (*samples, error) {
	s := &samples{values: map[cell]map[string][]float64{}}
	in := benchfmt.NewReader(r, "standard input")
	for in.Scan() {
		switch rec := in.Result().(type) {
		case *benchfmt.Result:
			s.add(rec)
		case *benchfmt.SyntaxError:
			return nil, rec
		}
	}
	return s, in.Err()
}

func (s *samples) add(r *benchfmt.Result) {
	name, parts := r.Name.Parts()
	c := cell{row: string(name)}
	for _, part := range parts {
		part := string(part)
		if by, ok := strings.CutPrefix(part, "/by="); ok {
			c.by = by
		} else if cpu, ok := strings.CutPrefix(part, "-"); ok {
			c.cpu = cpu
		} else {
			c.row += part
		}
	}
	if s.values[c] == nil {
		s.values[c] = map[string][]float64{}
	}
	for _, v := range r.Values {
		s.values[c][v.Unit] = append(s.values[c][v.Unit], v.Value)
	}
	s.note(c)
}

// note adds the cell's row and subject if they are new.
func (s *samples) note(c cell) {
	i := slices.IndexFunc(s.rows, func(r *row) bool { return r.name == c.row })
	if i < 0 {
		i = len(s.rows)
		s.rows = append(s.rows, &row{name: c.row})
	}
	if !slices.Contains(s.rows[i].by, c.by) {
		s.rows[i].by = append(s.rows[i].by, c.by)
	}
}

// has reports whether anything was measured in the unit.
func (s *samples) has(unit string) bool {
	for _, units := range s.values {
		if len(units[unit]) > 0 {
			return true
		}
	}
	return false
}
