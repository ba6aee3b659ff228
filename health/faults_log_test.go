//go:build !mutation

package health_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester"
)

// net/http logs what a server sends after its answer to the standard logger. It may echo the token.
func TestUnsolicitedAnswer(t *testing.T) {
	var standard bytes.Buffer
	log.SetOutput(&standard)
	defer log.SetOutput(io.Discard)
	server := newFaultServer(t, afterRequest(func(conn net.Conn, gone <-chan struct{}) {
		answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s",
			len(goodAccount), goodAccount)
		echo := "HTTP/1.1 400 Bad Request\r\nX-Echo: ApiKey " + tokenA + "\r\n\r\n"
		_, _ = io.WriteString(conn, answer+echo)
		silence(conn, gone)
	}), nil)
	client, err := requester.New(requester.Production, requester.WithBaseURL("http://"+server.addr()))
	require.NoError(t, err)
	lines := &logBuffer{}
	c, err := health.New(credentials.Static(tokenA),
		health.WithClient(client), health.WithLogger(lines.logger()))
	require.NoError(t, err)
	assert.NoError(t, c.Start(t.Context()))
	time.Sleep(50 * time.Millisecond) // the transport's own goroutine reads the rest
	assert.NoError(t, c.Close())
	assert.NotContains(t, standard.String(), tokenA)
	assert.NotContains(t, strings.Join(lines.take(), "\n"), tokenA)
}
