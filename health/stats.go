package health

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/shared"
	"github.com/tolokacheck/tolokacheck/internal/platform"
)

// Stats counts what a checker has done since [New].
type Stats struct {
	// Calls is the number of calls to the platform by what the answer means. It has an element
	// for every class of a call that was made, also if it is 0.
	Calls map[requester.Class]uint64
	// Durations is how long these calls took.
	Durations Durations
	// SourceReads is the number of reads of the token's source that succeeded, and
	// SourceReadErrors of those that failed or took too long. Polls between reads are counted
	// only if they take too long.
	SourceReads, SourceReadErrors uint64
	// Rotations is how often a new token has replaced a verified one, and RefusedRotations how
	// often a new token was turned down while the one in use worked.
	Rotations, RefusedRotations uint64
	// DroppedLogLines is the number of log lines that were lost because the logger's handler
	// was too slow or panicked.
	DroppedLogLines uint64
	// Shared is about the store of [WithShared].
	Shared shared.Stats
}

// Durations is a histogram with 8 buckets for every doubling of the duration, as in the native
// histograms of Prometheus with schema 3 and the exponential ones of OpenTelemetry with scale 3.
type Durations struct {
	// Buckets has the number of durations by bucket. Bucket i holds durations over 2^((i-1)/8)
	// and up to 2^(i/8) seconds. All up to 2^-10 seconds are in bucket -80, and all over 1024
	// seconds in bucket 80.
	Buckets map[int]uint64
	// Sum is the sum of all durations.
	Sum time.Duration
}

const (
	bucketsPerDoubling = 8
	leastBucket        = -10 * bucketsPerDoubling
	lastBucket         = 10 * bucketsPerDoubling
)

// bucketOf returns the number of the bucket that holds d.
func bucketOf(d time.Duration) int {
	if d <= time.Second>>10 {
		return leastBucket
	}
	return min(int(math.Ceil(bucketsPerDoubling*math.Log2(d.Seconds()))), lastBucket)
}

// stats are the counters behind Stats. Only the checker's own work writes them, never a reader
// of snapshots.
type stats struct {
	calls            [requester.Cancelled + 1]atomic.Uint64
	durations        [lastBucket - leastBucket + 1]atomic.Uint64
	durationSum      atomic.Int64
	sourceReads      atomic.Uint64
	sourceReadErrors atomic.Uint64
	rotations        atomic.Uint64
	refusedRotations atomic.Uint64
}

// called counts a call, if one was made.
func (s *stats) called(a platform.Answer) {
	if a.SentAt.IsZero() {
		return
	}
	s.calls[a.Class].Add(1)
	s.durations[bucketOf(a.Latency)-leastBucket].Add(1)
	s.durationSum.Add(int64(a.Latency))
}

// read counts a read of the source that has ended or was given up.
func (s *stats) read(err error) {
	if err != nil {
		s.sourceReadErrors.Add(1)
		return
	}
	s.sourceReads.Add(1)
}

// rotated counts a rotation or one that was refused.
func (s *stats) rotated(n note) {
	if !n.rotatedFrom.IsZero() {
		s.rotations.Add(1)
	}
	if !n.passedOver.IsZero() {
		s.refusedRotations.Add(1)
	}
}

// Stats returns the current counters. It takes no lock. Counters that change together may be
// read before and after the change.
func (c *Checker) Stats() Stats {
	s := &c.stats
	out := Stats{
		Calls:            make(map[requester.Class]uint64, len(s.calls)),
		Durations:        Durations{Buckets: make(map[int]uint64)},
		SourceReads:      s.sourceReads.Load(),
		SourceReadErrors: s.sourceReadErrors.Load(),
		Rotations:        s.rotations.Load(),
		RefusedRotations: s.refusedRotations.Load(),
		DroppedLogLines:  c.log.lost.Load(),
	}
	for class := requester.Verified; class <= requester.Cancelled; class++ {
		if class != requester.NotAsked {
			out.Calls[class] = s.calls[class].Load()
		}
	}
	for i := range s.durations {
		if n := s.durations[i].Load(); n > 0 {
			out.Durations.Buckets[i+leastBucket] = n
		}
	}
	if c.member != nil {
		out.Shared = c.member.Stats().Snapshot()
	}
	out.Durations.Sum = time.Duration(s.durationSum.Load())
	return out
}
