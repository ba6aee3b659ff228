package main

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestListen_unix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	t.Setenv("LISTEN_ADDR", "unix:"+path)
	listener, err := listen()
	require.NoError(t, err)
	server := &http.Server{Handler: http.NotFoundHandler()}
	defer server.Close()
	go func() { _ = serve(server, listener) }()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}
	res, err := client.Get("http://socket/")
	require.NoError(t, err)
	defer res.Body.Close()
	assert.Equal(t, http.StatusNotFound, res.StatusCode)
}

func TestRun_errors(t *testing.T) {
	for name, want := range map[string]string{
		"CHECK_INTERVAL": "CHECK_INTERVAL: not a duration; write it like 500ms, 30s or 15m",
		"TLS_KEY_FILE":   "open : no such file or directory",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("LISTEN_ADDR", "127.0.0.1:0")
			t.Setenv(name, "x")
			assert.EqualError(t, run(), want)
		})
	}
}
