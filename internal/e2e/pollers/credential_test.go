package pollers_test

import (
	"net/http"
	"testing"
)

func TestDeletedTokenAndRecovery(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, name string) {
		w := watch(t, name)

		w.platform.DeleteToken(w.tokens.held[0])
		t.Logf("out: %v", w.await(t, false))
		w.assertLive(t)
		if err := get(w.url("/account"), http.StatusServiceUnavailable, ""); err != nil {
			t.Error(err)
		}

		w.tokens.write(t, w.platform.IssueToken(""))
		t.Logf("in again: %v", w.await(t, true))
		w.assertOuts(t, 1)
	})
}
