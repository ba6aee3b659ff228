package faults_test

import (
	"testing"

	"github.com/tolokacheck/tolokacheck/health/requester"
)

// fault is one way in which the network fails, and what has to come of it.
type fault struct {
	name string
	// toxic is what is switched on; nil: the proxy is down.
	toxic *toxic
	class requester.Class
	// says is a part of the error, which has to tell an operator what happened.
	says string
	// arrives is whether the platform sees the request, whose answer is then lost.
	arrives bool
	// slow is whether the fault shows only when the client's timeout is over.
	slow bool
}

// faults end in the same way for the credential: nothing is learned about it.
var faults = []fault{
	{
		name: "the answers take longer than the timeout", slow: true, arrives: true,
		toxic: &toxic{"latency", downstream, map[string]int{"latency": 5000}},
		class: requester.Unavailable, says: "not within 1s",
	},
	{
		// Toxiproxy's own black hole ends when the platform closes its side, which it does after one answer.
		name: "the answers never come", slow: true, arrives: true,
		toxic: &toxic{"latency", downstream, map[string]int{"latency": 3_600_000}},
		class: requester.Unavailable, says: "not within 1s",
	},
	{
		name: "the requests disappear", slow: true,
		toxic: &toxic{"timeout", upstream, map[string]int{"timeout": 0}},
		class: requester.Unavailable, says: "not within 1s",
	},
	{
		name: "the headers drip", slow: true, arrives: true,
		toxic: &toxic{"slicer", downstream, map[string]int{"average_size": 1, "delay": 50_000}}, // 20 bytes a second
		class: requester.Unavailable, says: "not within 1s",
	},
	{
		name: "the body drips", slow: true, arrives: true,
		toxic: &toxic{"bandwidth", downstream, map[string]int{"rate": 1}}, // 1 KB a second, of which the headers are one fifth
		class: requester.Unavailable, says: "not within 1s",
	},
	{
		name: "connections are reset before an answer", arrives: true,
		toxic: &toxic{"reset_peer", downstream, map[string]int{"timeout": 0}},
		class: requester.Unavailable, says: "the connection was reset",
	},
	{
		name:  "connections are reset before the request has arrived",
		toxic: &toxic{"reset_peer", upstream, map[string]int{"timeout": 0}},
		class: requester.Unavailable, says: "the connection was reset",
	},
	{
		name: "connections are closed before an answer", arrives: true,
		toxic: &toxic{"limit_data", downstream, map[string]int{"bytes": 0}},
		class: requester.Unavailable, says: "the connection was closed before the answer was complete",
	},
	{
		name: "the answers are cut off in the value of a header", arrives: true,
		toxic: &toxic{"limit_data", downstream, map[string]int{"bytes": 60}},
		class: requester.Unavailable, says: "the connection was closed before the answer was complete",
	},
	{
		// net/http takes what is left of the line for a whole one, and has more to complain about than its end.
		name: "the answers are cut off in the name of a header", arrives: true,
		toxic: &toxic{"limit_data", downstream, map[string]int{"bytes": 41}},
		class: requester.Unavailable, says: "no answer from http://127.0.0.1:",
	},
	{
		name: "the answers are cut off in the body", arrives: true,
		toxic: &toxic{"limit_data", downstream, map[string]int{"bytes": 1000}},
		class: requester.Malformed, says: "cut",
	},
	{
		name:  "nobody listens",
		class: requester.Unavailable, says: "connection refused",
	},
}

func (f fault) begin(t *testing.T, p *proxy) {
	t.Helper()
	if f.toxic == nil {
		p.down(t)
		return
	}
	p.add(t, *f.toxic)
}

func (f fault) end(t *testing.T, p *proxy) {
	t.Helper()
	if f.toxic == nil {
		p.up(t)
		return
	}
	p.remove(t, *f.toxic)
}

// seen is how many of n calls the platform sees.
func (f fault) seen(n int) int {
	if !f.arrives {
		return 0
	}
	return n
}

// eachFault runs a test for each of the faults.
func eachFault(t *testing.T, test func(t *testing.T, f fault)) {
	t.Parallel()
	for _, f := range faults {
		t.Run("when "+f.name, func(t *testing.T) {
			t.Parallel()
			test(t, f)
		})
	}
}
