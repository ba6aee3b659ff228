package health_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestARefusedLoanIsContentWithAnAnswerThatHasJustArrived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := started(t)
		time.Sleep(11 * time.Second)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://toloka.dev/api/v1/pools", nil)
		require.NoError(t, err)
		loan, err := w.checker.Lend(req)
		require.NoError(t, err)
		token, err := w.checker.Token()
		require.NoError(t, err)

		require.NoError(t, w.checker.Overhear(t.Context(), token))
		assert.Equal(t, 1, w.platform.count())
		assert.Nil(t, loan.Refused(t.Context()), "there is no better token")
		assert.Equal(t, 1, w.platform.count(), "and no second call to find that out")

		require.NoError(t, w.checker.Refresh(t.Context()))
		assert.Equal(t, 2, w.platform.count(), "while Refresh asks for a new answer")
	})
}
