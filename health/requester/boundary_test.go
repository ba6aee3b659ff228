package requester_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

func TestA401IsReadUpTo64KiB(t *testing.T) {
	const most = 64 << 10
	object := func(size int) string {
		begin, end := `{"request_id":"r","code":"AUTHENTICATION_ERROR","padding":"`, `"}`
		return begin + strings.Repeat("x", size-len(begin)-len(end)) + end
	}
	for name, tt := range map[string]struct {
		body string
		want requester.Class
	}{
		"the platform's object of 64 KiB":               {object(most), requester.Rejected},
		"a byte more could be anybody's":                {object(most + 1), requester.Misdirected},
		"blanks of 64 KiB are no body":                  {strings.Repeat(" ", most), requester.Rejected},
		"a byte more than that could go on as anything": {strings.Repeat(" ", most+1), requester.Misdirected},
	} {
		t.Run(name, func(t *testing.T) {
			p := requestertest.NewPlatform()
			p.SetFaults(requestertest.Body(401, "application/json", tt.body))
			client, err := requester.New(requester.Production, requester.WithHTTPClient(&http.Client{Transport: p.Client().Transport}))
			require.NoError(t, err)
			token, err := credentials.ParseToken("AQVNabcdefghijklmnop")
			require.NoError(t, err)
			_, err = client.Requester(t.Context(), token)
			assert.Equal(t, tt.want, requester.ClassOf(err))
		})
	}
}

func TestPrintableASCIIIsTakenToItsLastCharacter(t *testing.T) {
	_, err := requester.New(requester.Production, requester.WithActUnderAccount("!~"), requester.WithUserAgent("!~ ~"))
	assert.NoError(t, err)
}
