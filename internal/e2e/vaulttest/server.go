// Package vaulttest runs a real HashiCorp Vault for tests: initialized and unsealed, on a
// loopback port, with its storage on disk, so that it can be sealed, killed and restarted.
//
// The environment variable TOLOKACHECK_VAULT_BIN names the binary, which build-vault.sh
// builds. Without it a test fails.
package vaulttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

// binaryEnv is the environment variable with the path of Vault's binary.
const binaryEnv = "TOLOKACHECK_VAULT_BIN"

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 10 * time.Second
	pollInterval = 20 * time.Millisecond
)

// Server is a Vault of one node. Its methods fail the test on errors. It is not safe for
// concurrent use.
type Server struct {
	// Address is its URL, such as "http://127.0.0.1:8200".
	Address string
	// RootToken may do everything.
	RootToken string

	tb        testing.TB
	dir       string
	cluster   string // the port for other nodes, which raft storage requires
	unsealKey string
	process   *exec.Cmd
	exited    chan struct{}
	output    *log
}

// Start starts a Vault and stops it at the end of the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, dir: tb.TempDir(), output: &log{}}
	address, cluster := process.Reserve(tb), process.Reserve(tb)
	s.Address, s.cluster = "http://"+address, "https://"+cluster
	// The minimal build has no file storage. Raft is on disk too.
	config := fmt.Sprintf(`
storage "raft" {
  path                   = %q
  node_id                = "node"
  performance_multiplier = 1
}
listener "tcp" {
  address         = %q
  cluster_address = %q
  tls_disable     = true
}
api_addr      = %q
cluster_addr  = %q
disable_mlock = true
`, s.path("data"), address, cluster, s.Address, s.cluster)
	for _, err := range []error{os.Mkdir(s.path("data"), 0o700),
		os.WriteFile(s.path("vault.hcl"), []byte(config), 0o600)} {
		if err != nil {
			tb.Fatal(err)
		}
	}
	s.launch()
	tb.Cleanup(s.stop)
	answer, err := s.anonymous().Sys().Init(&api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	if err != nil {
		s.fatalf("initializing Vault: %v", err)
	}
	s.RootToken, s.unsealKey = answer.RootToken, answer.KeysB64[0]
	s.Unseal()
	return s
}

// Binary returns the path of Vault's binary.
func Binary(tb testing.TB) string {
	tb.Helper()
	binary := os.Getenv(binaryEnv)
	if binary == "" {
		tb.Fatalf(
			"%s is not set: these tests need a real Vault. Build it, which takes minutes, and "+
				"set the variable:\n\n\t"+
				"export %[1]s=$(internal/e2e/build-vault.sh)", binaryEnv)
	}
	return binary
}

// Client returns a client that sends token. Its connections are closed at the end of the test.
func (s *Server) Client(token string) *api.Client { return NewClient(s.tb, s.Address, token) }

// Root returns a client that may do everything.
func (s *Server) Root() *api.Client { return s.Client(s.RootToken) }

// Write writes data to an API path as root.
func (s *Server) Write(path string, data map[string]any) *api.Secret {
	s.tb.Helper()
	answer, err := s.Root().Logical().Write(path, data)
	if err != nil {
		s.fatalf("writing %s: %v", path, err)
	}
	return answer
}

// Delete deletes an API path as root.
func (s *Server) Delete(path string) {
	s.tb.Helper()
	if _, err := s.Root().Logical().Delete(path); err != nil {
		s.fatalf("deleting %s: %v", path, err)
	}
}

// Seal seals the Vault.
func (s *Server) Seal() {
	s.tb.Helper()
	if err := s.Root().Sys().Seal(); err != nil {
		s.fatalf("sealing: %v", err)
	}
}

// Unseal unseals the Vault and waits until it is active.
func (s *Server) Unseal() {
	s.tb.Helper()
	if _, err := s.anonymous().Sys().Unseal(s.unsealKey); err != nil {
		s.fatalf("unsealing: %v", err)
	}
	s.await("/v1/sys/health", "become active")
}

// Kill kills the process, as a crash does. [Server.Restart] starts it again.
func (s *Server) Kill() {
	s.tb.Helper()
	if err := s.process.Process.Kill(); err != nil {
		s.fatalf("killing Vault: %v", err)
	}
	<-s.exited
}

// Restart starts Vault after [Server.Kill], at the same address and with the same data. It is
// sealed.
func (s *Server) Restart() {
	s.tb.Helper()
	s.launch()
}

// NewClient returns a Vault client for address, such as that of a [Recorder], that sends token. It
// ignores the environment and does not retry.
func NewClient(tb testing.TB, address, token string) *api.Client {
	tb.Helper()
	transport := &http.Transport{}
	tb.Cleanup(transport.CloseIdleConnections)
	client, err := api.NewClient(&api.Config{Address: address,
		HttpClient: &http.Client{Transport: transport}, Timeout: startTimeout})
	if err != nil {
		tb.Fatal(err)
	}
	client.SetHeaders(http.Header{"X-Vault-Request": {"true"}})
	client.SetToken(token)
	return client
}

// anonymous returns a client without a token.
func (s *Server) anonymous() *api.Client { return s.Client("") }

// launch starts the process and waits until it answers.
func (s *Server) launch() {
	s.tb.Helper()
	binary := Binary(s.tb)
	s.process = exec.Command(binary, "server", "-config="+s.path("vault.hcl"))
	s.process.Env = []string{"HOME=" + s.dir}
	s.process.Stdout, s.process.Stderr = s.output, s.output
	if err := s.process.Start(); err != nil {
		s.tb.Fatalf("%s=%s: %v: build it with internal/e2e/build-vault.sh", binaryEnv, binary, err)
	}
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		defer close(exited)
		_ = cmd.Wait()
	}(s.process, s.exited)
	s.await("/v1/sys/seal-status", "answer")
}

// await waits until a GET of path is answered with 200.
func (s *Server) await(path, what string) {
	s.tb.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: startTimeout}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		resp, err := client.Get(s.Address + path)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-tick.C:
		case <-s.exited:
			s.fatalf("Vault has exited before it could %s", what)
		case <-ctx.Done():
			s.fatalf("Vault did not %s within %s: %v", what, startTimeout, err)
		}
	}
}

// stop ends the process, and kills it if it does not end in time.
func (s *Server) stop() {
	err := s.process.Process.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		return
	}
	select {
	case <-s.exited:
	case <-time.After(stopTimeout):
		_ = s.process.Process.Kill()
		<-s.exited
	}
}

func (s *Server) fatalf(format string, args ...any) {
	s.tb.Helper()
	s.tb.Fatalf(format+"\nOutput of Vault:\n%s", append(args, s.output)...)
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

// log keeps the output of a process.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
