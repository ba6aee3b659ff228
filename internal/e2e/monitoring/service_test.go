package monitoring

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tolokacheck/tolokacheck/credentials"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
	"github.com/tolokacheck/tolokacheck/internal/e2e/process"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		http.DefaultClient.CloseIdleConnections()
		os.Exit(code)
	}))
}

// build builds an example with the root module's versions of all dependencies.
func build(t *testing.T, name string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-race", "-o", binary, "./examples/"+name)
	cmd.Dir = filepath.Join("..", "..", "..")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return binary
}

// platform is the fake platform, which can stop and start listening.
type platform struct {
	*requestertest.Platform
	address string
	server  *http.Server
}

// setBalance sets the balance of the default account, in US dollars.
func (p *platform) setBalance(dollars string) {
	account := requestertest.DefaultAccount()
	account.Balance = dollars
	p.SetAccount(account)
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{Platform: requestertest.NewPlatform(), address: process.Reserve(t)}
	p.listen(t)
	t.Cleanup(p.refuse)
	return p
}

// refuse stops the platform: connections are refused until listen.
func (p *platform) refuse() { _ = p.server.Close() }

func (p *platform) listen(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", p.address)
	require.NoError(t, err)
	p.server = &http.Server{Handler: p.Platform}
	go func(server *http.Server) { _ = server.Serve(listener) }(p.server) // it always ends with an error
}

// replica is one process of the example service. It keeps its address over restarts.
type replica struct {
	binary, address, baseURL string
	token, fallback          tokenFile
	process                  *process.Process
}

func newReplica(t *testing.T, binary string, p *platform) *replica {
	t.Helper()
	dir := t.TempDir()
	return &replica{
		binary: binary, address: process.Reserve(t), baseURL: "http://" + p.address,
		token: tokenFile(filepath.Join(dir, "token")), fallback: tokenFile(filepath.Join(dir, "fallback")),
	}
}

func (r *replica) start(t *testing.T, env ...string) {
	t.Helper()
	r.process = process.Start(t, r.binary, append([]string{
		"LISTEN_ADDR=" + r.address, "TOLOKA_BASE_URL=" + r.baseURL, "TOLOKA_TOKEN_FILE=" + string(r.token),
		"CHECK_INTERVAL=2s", "MAX_STALE=15s", "BREAKER_OPEN=1s", "MIN_BALANCE=50",
	}, env...))
	process.Await(t, "the service to listen", func() error {
		response, err := http.Get("http://" + r.address + "/livez")
		if err != nil {
			return fmt.Errorf("%w\n%s", err, r.process.Output())
		}
		return response.Body.Close()
	})
}

func (r *replica) stop(t *testing.T) {
	t.Helper()
	r.process.Signal(t, syscall.SIGTERM)
	require.Zero(t, r.process.Wait(t), r.process.Output())
}

// tokenFile is the path of a file with a token.
type tokenFile string

// write replaces the file in one step.
func (f tokenFile) write(t *testing.T, token credentials.Token) {
	t.Helper()
	next := string(f) + ".next"
	write(t, next, token.Reveal()+"\n")
	require.NoError(t, os.Rename(next, string(f)))
}

// breaks makes every read of the file an input/output error, as on a disk that fails: the first
// page of a process's memory is not mapped.
func (f tokenFile) breaks(t *testing.T) {
	t.Helper()
	next := string(f) + ".next"
	require.NoError(t, os.Symlink("/proc/self/mem", next))
	require.NoError(t, os.Rename(next, string(f)))
}
