package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"median_of_ratios": {
			in: `
BenchmarkHealthz/state=pass/by=bare 100 10 ns/op 0 allocs/op
BenchmarkHealthz/state=pass/by=ours 100 20 ns/op 1 allocs/op
BenchmarkHealthz/state=pass/by=bare 100 1000 ns/op 0 allocs/op
BenchmarkHealthz/state=pass/by=ours 100 1000 ns/op 1 allocs/op
BenchmarkHealthz/state=pass/by=bare 100 10 ns/op 0 allocs/op
BenchmarkHealthz/state=pass/by=ours 100 40 ns/op 1 allocs/op
`,
			want: `|  | by | wall time, times bare | over bare | allocs/op |
| --- | --- | ---: | ---: | ---: |
| Healthz/state=pass | bare |  |  | 0 |
| Healthz/state=pass | ours | 2.00 (1.00–4.00) | +10.0 ns | 1 |
`,
		},
		"processor_time": {
			in: `
BenchmarkGate/by=bare 100 10 ns/op 4 cpu-ns/op
BenchmarkGate/by=bare-2 100 5 ns/op 6 cpu-ns/op
BenchmarkGate/by=ours 100 40 ns/op 8 cpu-ns/op
BenchmarkGate/by=ours-2 100 20 ns/op 8 cpu-ns/op
`,
			want: `|  | by | processor time, times bare | wall time, times bare | over bare | -cpu 2 over -cpu 1 |
| --- | --- | ---: | ---: | ---: | ---: |
| Gate | bare |  |  |  | 1.50 (1.50–1.50) |
| Gate | ours | 2.00 (2.00–2.00) | 4.00 (4.00–4.00) | +4.0 ns | 1.00 (1.00–1.00) |
`,
		},
		"no_input": {},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := read(strings.NewReader(c.in))
			require.NoError(t, err)
			assert.Equal(t, c.want, s.table())
		})
	}
	t.Run("invalid_input", func(t *testing.T) {
		_, err := read(strings.NewReader("BenchmarkGate/by=bare 100 ten ns/op\n"))
		assert.EqualError(t, err, "standard input:1: parsing measurement: invalid syntax")
	})
}
