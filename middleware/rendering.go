package middleware

import (
	"net/http"
	"time"

	"github.com/tolokacheck/tolokacheck/health"
)

// rendering is what an endpoint answers as long as the snapshots of its checkers stay the same.
type rendering struct {
	of      []*health.Snapshot // in the order of the checkers, compared by identity, may be nil
	plain   *answer
	details *answer // nil where nobody may see it
}

// judgement is what several snapshots mean together for an endpoint.
type judgement struct {
	status health.Status
	// worst is the first snapshot with that status, nil where there are no checkers.
	worst *health.Snapshot
	// retryAfter is the longest wait among the snapshots that fail: until then the answer cannot get better.
	retryAfter time.Duration
	draining   bool
}

// render renders this moment's snapshots and remembers the result.
func (e *Endpoint) render() *rendering {
	now := &rendering{of: make([]*health.Snapshot, len(e.checkers))}
	snapshots := make([]*health.Snapshot, len(e.checkers))
	for i, c := range e.checkers {
		now.of[i] = c.Snapshot()
		snapshots[i] = now.of[i]
		if snapshots[i] == nil {
			snapshots[i] = unjudged
		}
	}
	j := e.judge(snapshots)
	now.plain = e.answer(j, plainDocument{j.status})
	if e.details != nil {
		now.details = e.answer(j, newDetailsDocument(j, snapshots))
	}
	e.last.Store(now)
	return now
}

// judge takes the worst verdict; without checkers it is pass.
func (e *Endpoint) judge(snapshots []*health.Snapshot) judgement {
	j := judgement{status: health.StatusPass}
	for _, s := range snapshots {
		verdict := e.verdict(s)
		// The constants go from fail to pass.
		if j.worst == nil || verdict < j.status {
			j.status, j.worst = verdict, s
		}
		if verdict == health.StatusFail {
			j.retryAfter = max(j.retryAfter, s.RetryAfter())
		}
		j.draining = j.draining || s.Draining()
	}
	return j
}

func (e *Endpoint) answer(j judgement, document any) *answer {
	body := marshal(document)
	if j.status != health.StatusFail {
		return newAnswer(http.StatusOK, ContentType, body)
	}
	header := []field{{keyRetryAfter, retryAfter(j.retryAfter)}}
	if e.tellsEnvoy && j.draining {
		header = append(header, field{keyEnvoyImmediateFail, []string{"true"}})
	}
	return newAnswer(http.StatusServiceUnavailable, ContentType, body, header...)
}
