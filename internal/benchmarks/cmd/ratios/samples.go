package main

import (
	"io"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// samples are the measurements in the order of the runs.
type samples struct {
	rows   []*row
	values map[cell][]float64
}

// row is one benchmark and unit, with its subjects in the order in which they came.
type row struct {
	name, unit string
	by         []string
}

func (r *row) String() string {
	if r.unit == "sec/op" {
		return r.name
	}
	return r.name + " " + strings.TrimSuffix(r.unit, "-sec")
}

// cell is where one measurement belongs. The cpu of GOMAXPROCS 1 is empty, as in the names of benchmarks.
type cell struct{ row, unit, cpu, by string }

func (c cell) of(by string) cell {
	c.by = by
	return c
}

// read takes in what `go test -bench` and the command sockets print.
func read(r io.Reader) (*samples, error) {
	s := &samples{values: map[cell][]float64{}}
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
	for _, v := range r.Values {
		c.unit = v.Unit
		s.values[c] = append(s.values[c], v.Value)
		if v.Unit != "B/op" && v.Unit != "allocs/op" {
			s.note(c)
		}
	}
}

// note adds the cell's row and subject if they are new.
func (s *samples) note(c cell) {
	i := slices.IndexFunc(s.rows, func(r *row) bool { return r.name == c.row && r.unit == c.unit })
	if i < 0 {
		i = len(s.rows)
		s.rows = append(s.rows, &row{name: c.row, unit: c.unit})
	}
	if !slices.Contains(s.rows[i].by, c.by) {
		s.rows[i].by = append(s.rows[i].by, c.by)
	}
}
