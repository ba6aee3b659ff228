package story

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

// world is the environment of the service: the platform and the token's file.
type world struct {
	platform  *requestertest.Platform
	server    *httptest.Server
	dir       string
	tokenFile string

	mu     sync.Mutex
	issued []credentials.Token // the last one is in the file
	// callers are the tokens of the service's callers.
	callers []credentials.Token
}

// newWorld starts the platform on a loopback port and writes a token to a temporary file. The
// server also has the routes of controls, which may be nil.
func newWorld(controls func(*world) http.Handler) (*world, error) {
	dir, err := os.MkdirTemp("", "tolokacheck-quickstart-")
	if err != nil {
		return nil, err
	}
	w := &world{
		platform:  requestertest.NewPlatform(),
		dir:       dir,
		tokenFile: filepath.Join(dir, "token"),
	}
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
	_ = os.RemoveAll(w.dir) // an error leaves a file with a token of a fake platform
}

// rotate replaces the token in the file in one step and returns the old one. Both are valid until
// one is deleted.
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

// setBalance sets the balance of the account, in US dollars.
func (w *world) setBalance(dollars string) {
	account := requestertest.DefaultAccount()
	account.Balance = dollars
	w.platform.SetAccount(account)
}

// deleteToken deletes the token in the file on the platform, like the account's Integrations page.
func (w *world) deleteToken() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.platform.DeleteToken(w.issued[len(w.issued)-1])
}

// tokens returns all tokens that were issued, to the service and to its callers.
func (w *world) tokens() []credentials.Token {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append(append([]credentials.Token(nil), w.issued...), w.callers...)
}
