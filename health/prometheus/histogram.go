package prometheus

import (
	"math"
	"time"

	prom "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/tolokacheck/tolokacheck/health"
)

const (
	// schema of the native histogram: bucket i ends at 2^(i/8).
	schema             = 3
	bucketsPerDoubling = 1 << schema

	// The classic histogram has one bucket for every doubling, so that both are exact.
	firstDoubling = -6 // 1/64 s
	lastDoubling  = 4  // 16 s

	// The durations up to here are in one bucket, [health.Durations]; it becomes the zero bucket.
	zeroBucket = -10 * bucketsPerDoubling
)

// histogram is a native and a classic histogram in one.
type histogram struct {
	prom.Metric             // native
	classic     prom.Metric // adds its buckets
}

func newHistogram(d *prom.Desc, durations health.Durations, labels ...string) prom.Metric {
	var count, zeros uint64
	native := map[int]int64{}
	classic := map[float64]uint64{}
	for doubling := firstDoubling; doubling <= lastDoubling; doubling++ {
		classic[math.Ldexp(1, doubling)] = 0
	}
	for i, n := range durations.Buckets {
		count += n
		if i <= zeroBucket {
			zeros += n
		} else {
			native[i] = int64(n)
		}
		for doubling := firstDoubling; doubling <= lastDoubling; doubling++ {
			if i <= doubling*bucketsPerDoubling {
				classic[math.Ldexp(1, doubling)] += n
			}
		}
	}
	sum := durations.Sum.Seconds()
	n, err := prom.NewConstNativeHistogram(d, count, sum, native, nil, zeros, schema,
		math.Ldexp(1, zeroBucket/bucketsPerDoubling), time.Time{}, labels...)
	if err != nil {
		return prom.NewInvalidMetric(d, err)
	}
	return histogram{n, prom.MustNewConstHistogram(d, count, sum, classic, labels...)}
}

// Write implements [prom.Metric].
func (h histogram) Write(out *dto.Metric) error {
	var classic dto.Metric
	if err := h.classic.Write(&classic); err != nil {
		return err
	}
	if err := h.Metric.Write(out); err != nil {
		return err
	}
	out.Histogram.Bucket = classic.Histogram.Bucket
	return nil
}
