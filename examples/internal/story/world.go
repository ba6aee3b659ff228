package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// world is what surrounds the service: the platform, and the file that somebody puts its token into.
type world struct {
	platform  *requestertest.Platform
	server    *httptest.Server
	dir       string
	tokenFile string

	mu     sync.Mutex
	issued []credentials.Token // the last one is in the file
}

// newWorld starts the platform on a loopback port and writes a token to a file of its own. Beside the platform's API the
// server has the routes of controls, which may be nil.
func newWorld(controls func(*world) http.Handler) (*world, error) {
	dir, err := os.MkdirTemp("", "tolokacheck-quickstart-")
	if err != nil {
		return nil, err
	}
	w := &world{platform: requestertest.NewPlatform(), dir: dir, tokenFile: filepath.Join(dir, "token")}
	mux := http.NewServeMux()
	mux.Handle("/", w.platform)
	if controls != nil {
		mux.Handle("/control/", controls(w))
	}
	w.server = httptest.NewServer(mux)
	if _, err := w.rotate(); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) close() {
	w.server.CloseClientConnections()
	w.server.Close()
	_ = os.RemoveAll(w.dir) // the tokens in it are good for nothing once the platform is gone
}

// rotate puts a new token into the file, as `mv` does, and returns the one that was there. Both are good until somebody
// deletes one.
func (w *world) rotate() (old credentials.Token, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.issued); n > 0 {
		old = w.issued[n-1]
	}
	token := w.platform.IssueToken("")
	if err := os.WriteFile(w.tokenFile+".new", []byte(token.Reveal()+"\n"), 0o600); err != nil {
		return old, fmt.Errorf("writing the token: %w", err)
	}
	if err := os.Rename(w.tokenFile+".new", w.tokenFile); err != nil {
		return old, fmt.Errorf("writing the token: %w", err)
	}
	w.issued = append(w.issued, token)
	return old, nil
}

// deleteToken deletes the token in the file on the platform, as somebody would on the account's Integrations page.
func (w *world) deleteToken() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.platform.DeleteToken(w.issued[len(w.issued)-1])
}

// tokens are all that there ever were.
func (w *world) tokens() []credentials.Token {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]credentials.Token(nil), w.issued...)
}
