package redisstore

import (
	"errors"
	"math"
	"time"

	"github.com/tolokacheck/tolokacheck/health/shared"
)

// errReply is the error about a reply that the scripts do not give. Replies are not shown: what
// another program has written may be a secret.
var errReply = errors.New("the server's reply is not one of this package's scripts")

// decode returns the view that the reply to look.lua says.
func decode(reply any) (shared.View, error) {
	fields, ok := reply.([]any)
	if !ok || len(fields) != 10 {
		return shared.View{}, errReply
	}
	d := decoder{fields: fields}
	view := shared.View{
		Verdict: shared.Entry{Fence: d.fence(), Age: d.duration(), Data: d.data()},
		Trouble: shared.Entry{
			Fence: d.fence(), Age: d.duration(), Pause: d.duration(), Data: d.data(),
		},
		Lease:    d.fence(),
		Busy:     d.duration(),
		Replicas: max(int(d.integer(math.MaxInt32)), 1),
	}
	for _, entry := range []*shared.Entry{&view.Verdict, &view.Trouble} {
		if entry.Fence == 0 {
			*entry = shared.Entry{}
		}
	}
	if d.failed || view.Lease != 0 && view.Busy != 0 {
		return shared.View{}, errReply
	}
	return view, nil
}

// decoder takes one field after the other. A field of another type or range sets failed.
type decoder struct {
	fields []any
	failed bool
}

func (d *decoder) next() any {
	field := d.fields[0]
	d.fields = d.fields[1:]
	return field
}

func (d *decoder) integer(most int64) int64 {
	n, ok := d.next().(int64)
	if !ok || n < 0 || n > most {
		d.failed = true
		return 0
	}
	return n
}

func (d *decoder) fence() uint64 { return uint64(d.integer(shared.MaxFence)) }

func (d *decoder) duration() time.Duration {
	return time.Duration(d.integer(maxMilliseconds)) * time.Millisecond
}

func (d *decoder) data() []byte {
	s, ok := d.next().(string)
	if !ok || len(s) > shared.MaxData {
		d.failed = true
		return nil
	}
	return []byte(s)
}
