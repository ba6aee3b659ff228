package faults_test

import (
	"testing"

	"github.com/tolokacheck/tolokacheck/health/requester"
)

// fault is one kind of network failure and its expected result.
type fault struct {
	name string
	// toxic is the fault in toxiproxy. Nil: the proxy is down.
	toxic *toxic
	class requester.Class
	// says is a part of the error, which must name the cause.
	says string
	// arrives is true if the platform receives the request and its response is lost.
	arrives bool
	// slow is true if the call fails only by the client's timeout.
	slow bool
}

// faults say nothing about the credential.
var faults = []fault{
	{
		name: "slow_response", slow: true, arrives: true,
		toxic: &toxic{"latency", downstream, map[string]int{"latency": 5000}},
		class: requester.Unavailable, says: "not within 1s",
	},
	{
		// Toxiproxy's timeout toxic ends when the platform closes the connection after one
		// response.
		name: "no_response", slow: true, arrives: true,
		toxic: &toxic{"latency", downstream, map[string]int{"latency": 3_600_000}},
		class: requester.Unavailable, says: "not within 1s",
	},
	{
		name: "requests_lost", slow: true,
		toxic: &toxic{"timeout", upstream, map[string]int{"timeout": 0}},
		class: requester.Unavailable, says: "not within 1s",
	},
	{
		name: "headers_drip", slow: true, arrives: true,
		// 20 bytes a second.
		toxic: &toxic{"slicer", downstream, map[string]int{"average_size": 1, "delay": 50_000}},
		class: requester.Unavailable, says: "not within 1s",
	},
	{
		name: "body_drips", slow: true, arrives: true,
		// 1 KB a second; the headers are a fifth of that.
		toxic: &toxic{"bandwidth", downstream, map[string]int{"rate": 1}},
		class: requester.Unavailable, says: "not within 1s",
	},
	{
		name: "reset_before_the_response", arrives: true,
		toxic: &toxic{"reset_peer", downstream, map[string]int{"timeout": 0}},
		class: requester.Unavailable, says: "the connection was reset",
	},
	{
		name:  "reset_before_the_request_arrives",
		toxic: &toxic{"reset_peer", upstream, map[string]int{"timeout": 0}},
		class: requester.Unavailable, says: "the connection was reset",
	},
	{
		name: "closed_before_the_response", arrives: true,
		toxic: &toxic{"limit_data", downstream, map[string]int{"bytes": 0}},
		class: requester.Unavailable, says: "the connection was closed before the answer was complete",
	},
	{
		name: "cut_in_a_header_value", arrives: true,
		toxic: &toxic{"limit_data", downstream, map[string]int{"bytes": 60}},
		class: requester.Unavailable, says: "the connection was closed before the answer was complete",
	},
	{
		// net/http parses the incomplete line and reports an invalid header.
		name: "cut_in_a_header_name", arrives: true,
		toxic: &toxic{"limit_data", downstream, map[string]int{"bytes": 41}},
		class: requester.Unavailable, says: "no answer from http://127.0.0.1:",
	},
	{
		name: "cut_in_the_body", arrives: true,
		toxic: &toxic{"limit_data", downstream, map[string]int{"bytes": 1000}},
		class: requester.Malformed, says: "cut",
	},
	{
		name:  "connection_refused",
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

// seen returns how many of n calls the platform receives.
func (f fault) seen(n int) int {
	if !f.arrives {
		return 0
	}
	return n
}

// eachFault runs a test for each fault.
func eachFault(t *testing.T, test func(t *testing.T, f fault)) {
	t.Parallel()
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			test(t, f)
		})
	}
}
