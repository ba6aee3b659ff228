//go:build linux

package readme

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// TestProgram runs the README's program against a fake of https://toloka.dev, and compares what it
// prints with the README. It is for Linux, where SSL_CERT_FILE makes the program trust the fake.
func TestProgram(t *testing.T) {
	text := read(t, "README.md")
	source := goBlock.FindStringSubmatch(text)
	require.NotNil(t, source)
	session := regexp.MustCompile("(?ms)^```console\n(.*?)^```$").FindStringSubmatch(text)
	require.NotNil(t, session)

	address := freeAddress(t)
	program := compile(t, strings.NewReplacer(
		`":8080"`, `"`+address+`"`, "5 * time.Second", "10*time.Millisecond",
	).Replace(source[1]))
	platform := requestertest.NewPlatform()
	env := append(fakeOf(t, "toloka.dev", platform), "TOLOKA_TOKEN="+platform.IssueToken("").Reveal())

	t.Run("does_what_the_README_shows", func(t *testing.T) {
		p := start(t, program, env)
		var printed []string
		for line := range strings.Lines(session[1]) {
			line = strings.TrimSuffix(line, "\n")
			url, isRequest := strings.CutPrefix(line, "$ curl ")
			switch {
			case isRequest:
				url = strings.Replace(url, "localhost:8080", address, 1)
				printed = []string{get(t, "http://"+url)}
			case strings.HasPrefix(line, "$ "):
			case len(printed) > 0:
				assert.Equal(t, line, printed[0])
				printed = nil
			default:
				assert.Equal(t, constant(line), constant(p.line(t)))
			}
		}
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
		assert.Contains(t, p.line(t), "toloka credential checker draining")
		assert.Contains(t, p.line(t), "toloka credential checker closed")
		assert.NoError(t, p.cmd.Wait(), "the exit code")
	})
	t.Run("port_in_use", func(t *testing.T) {
		listener, err := net.Listen("tcp", address)
		require.NoError(t, err)
		defer listener.Close()
		output, err := start(t, program, env).rest()
		assert.Error(t, err, "the exit code")
		assert.Contains(t, output, "address already in use")
	})
	t.Run("no_token", func(t *testing.T) {
		output, err := start(t, program, nil).rest()
		assert.Error(t, err, "the exit code")
		assert.Contains(t, output, "health: no_credential")
	})
}

// constant replaces what differs between two runs of the program.
func constant(line string) string {
	for pattern, value := range map[string]string{
		`^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d`: "TIME",
		`latency_ms=\S+`:                  "latency_ms=LATENCY",
		`token.fingerprint=\S{4}…#\S{8}`:  "token.fingerprint=FINGERPRINT",
	} {
		line = regexp.MustCompile(pattern).ReplaceAllString(line, value)
	}
	return line
}

func compile(t *testing.T, source string) (path string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(file, []byte(source), 0o600))
	path = filepath.Join(dir, "program")
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, file).CombinedOutput()
	require.NoError(t, err, string(output))
	return path
}

type process struct {
	cmd    *exec.Cmd
	stderr *bufio.Reader
}

func start(t *testing.T, path string, env []string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path)
	cmd.Env = append([]string{"TMPDIR=" + t.TempDir()}, env...)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return &process{cmd, bufio.NewReader(stderr)}
}

// line returns the next line that the program prints.
func (p *process) line(t *testing.T) string {
	t.Helper()
	line, err := p.stderr.ReadString('\n')
	require.NoError(t, err, line)
	return strings.TrimSuffix(line, "\n")
}

// rest returns what the program prints until it exits, and its exit code as an error.
func (p *process) rest() (string, error) {
	output, _ := io.ReadAll(p.stderr)
	return string(output), p.cmd.Wait()
}

// get returns the body of a response, without the line end. The server may not listen yet.
func get(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		resp, err := client.Get(url)
		if assert.NoError(c, err) {
			_ = resp.Body.Close()
		}
	}, 10*time.Second, 10*time.Millisecond)
	resp, err := client.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return strings.TrimSuffix(string(body), "\n")
}

// freeAddress returns a loopback address on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// fakeOf serves https://host by the handler, and returns the environment in which programs reach
// it: a proxy that connects everything to the fake, and its certificate.
func fakeOf(t *testing.T, host string, handler http.Handler) []string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		DNSNames:              []string{host},
		NotAfter:              time.Now().Add(time.Hour),
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificates := filepath.Join(t.TempDir(), "certificates.pem")
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	require.NoError(t, os.WriteFile(certificates, encoded, 0o600))

	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	proxy := httptest.NewServer(connectTo(server.Listener.Addr().String()))
	t.Cleanup(proxy.Close)
	return []string{"HTTPS_PROXY=" + proxy.URL, "SSL_CERT_FILE=" + certificates}
}

// connectTo is a proxy that connects every client to address.
func connectTo(address string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
			return
		}
		upstream, err := net.Dial("tcp", address)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer upstream.Close()
		client, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer client.Close()
		_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() {
			_, _ = io.Copy(upstream, buffered)
			_ = upstream.Close()
		}()
		_, _ = io.Copy(client, upstream)
	})
}
