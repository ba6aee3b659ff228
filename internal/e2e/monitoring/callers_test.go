package monitoring

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// callers breaks the tokens of callers, while the service's own token works.
func (s *story) callers(t *testing.T) {
	one := s.platform.IssueToken("")
	s.platform.DeleteToken(one)
	ended := s.a.called(t, func() credentials.Token { return one })
	s.fires(t, "TolokaCallersRefused")
	assert.Equal(t, []int{401}, ended())
	s.fires(t)

	// Good callers, more than the budget allows: refused ones would be another alert.
	ended = s.a.called(t, func() credentials.Token { return s.platform.IssueToken("") })
	s.fires(t, "TolokaCallersBudgetSpent")
	assert.Equal(t, []int{200, 503}, ended())
	s.fires(t)

	// One replica is enough. Its own credential is verified all the time.
	silent := s.platform.IssueToken("")
	s.platform.SetTokenFaults(silent, requestertest.Status(http.StatusBadGateway))
	ended = s.b.called(t, func() credentials.Token { return silent })
	s.fires(t, "TolokaCallersUnavailable")
	s.platform.SetTokenFaults(silent)
	s.fires(t)
	assert.Equal(t, []int{200, 503}, ended())
}

// called sends 40 requests a second with callers' tokens, until ended is called or the test ends.
// ended returns the statuses that they got, sorted.
func (r *replica) called(t *testing.T, token func() credentials.Token) (ended func() []int) {
	t.Helper()
	statuses := map[int]bool{}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		again := time.NewTicker(time.Second / 40)
		defer again.Stop()
		for {
			select {
			case <-stop:
				return
			case <-again.C:
			}
			status, err := r.call(token())
			assert.NoError(t, err)
			statuses[status] = true
		}
	}()
	ended = sync.OnceValue(func() []int {
		close(stop)
		<-done
		return slices.Sorted(maps.Keys(statuses))
	})
	t.Cleanup(func() { ended() })
	return ended
}

// call sends the request of a caller.
func (r *replica) call(token credentials.Token) (status int, err error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+r.address+"/caller", nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", fmt.Sprintf("%s %s", credentials.SchemeAPIKey, token.Reveal()))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}
