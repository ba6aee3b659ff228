package story

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/govalues/decimal"

	"github.com/tolokacheck/tolokacheck/examples/internal/service"
	"github.com/tolokacheck/tolokacheck/health"
	"github.com/tolokacheck/tolokacheck/health/requester/requestertest"
)

// Settings for a person who types commands.
const (
	playInterval     = time.Second
	playPollInterval = 500 * time.Millisecond
	playMaxStale     = 30 * time.Second
	playBreakerOpen  = 2 * time.Second
	playMinBalance   = 50 // US dollars
)

// Play runs the service on addr and a platform until SIGINT or SIGTERM, and prints what to try.
func Play(addr string, out io.Writer) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("-serve %s: %w", addr, err)
	}
	defer listener.Close()
	w, err := newWorld(controls)
	if err != nil {
		return err
	}
	defer w.close()
	logger := slog.New(slog.NewTextHandler(out, nil))
	a, err := newApp(w.server.URL, w.tokenFile, logger, playInterval,
		health.WithPollInterval(playPollInterval),
		health.WithMaxStale(playMaxStale),
		health.WithBreakerOpen(playBreakerOpen),
		health.WithMinBalance(decimal.MustNew(playMinBalance, 0)),
	)
	if err != nil {
		return err
	}
	defer a.close()
	url := urlOf(listener.Addr())
	fmt.Fprintf(out, guide, url, w.server.URL, w.tokenFile, playMaxStale, playMinBalance)
	return service.Serve(listener, 0, a.checker, a.handler, logger)
}

const guide = `The service is on %[1]s, its token is in %[3]s,
and a fake Toloka platform is on %[2]s.

Look:
  curl -i %[1]s/healthz
  curl -s '%[1]s/healthz?verbose'
  curl -i %[1]s/account
  curl -i %[1]s/balance
  curl -i -H "Authorization: ApiKey $(cat %[3]s)" %[1]s/mine   # as a caller with a token of its own

Break something and look again:
  curl -X POST %[2]s/control/down      # no connections: warn, then fail after %[4]s
  curl -X POST %[2]s/control/up        # the platform answers again
  curl -X POST %[2]s/control/rotate    # a new token; deletes the old one a second later
  curl -X POST %[2]s/control/delete    # deletes the token in the file: fail until the next rotate
  curl -X POST %[2]s/control/balance -d usd=3   # under the minimum of %[5]d USD: warn
  echo nonsense > %[3]s   # an invalid token: warn, the valid one stays in use

Run the other examples with the same platform and token:
  TOLOKA_BASE_URL=%[2]s TOLOKA_TOKEN_FILE=%[3]s go run ./examples/verify
  TOLOKA_BASE_URL=%[2]s TOLOKA_TOKEN_FILE=%[3]s LISTEN_ADDR=:8081 go run ./examples/nethttp

Press Ctrl-C to stop. The log:
`

// urlOf returns the URL of a listener for clients on this machine.
func urlOf(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", tcp.Port)
	}
	return "http://" + addr.String()
}

// deleteAfter is how long both tokens are valid in a rotation. By hand it takes longer.
const deleteAfter = time.Second

// controls are routes that break the platform. They need no protection: the platform is on loopback
// and holds nothing of value.
func controls(w *world) http.Handler {
	mux := http.NewServeMux()
	control := func(name string, f func(*http.Request) (string, error)) {
		mux.HandleFunc("POST /control/"+name, func(rw http.ResponseWriter, r *http.Request) {
			text, err := f(r)
			if err != nil {
				http.Error(rw, err.Error(), http.StatusBadRequest)
				return
			}
			fmt.Fprintln(rw, text)
		})
	}
	control("down", func(*http.Request) (string, error) {
		w.platform.SetFaults(requestertest.Reset())
		return "the platform resets every connection", nil
	})
	control("up", func(*http.Request) (string, error) {
		w.platform.ClearFaults()
		return "the platform answers", nil
	})
	control("rotate", func(*http.Request) (string, error) {
		old, err := w.rotate()
		if err != nil {
			return "", err
		}
		time.AfterFunc(deleteAfter, func() { w.platform.DeleteToken(old) })
		return "there is a new token in " + w.tokenFile, nil
	})
	control("delete", func(*http.Request) (string, error) {
		w.deleteToken()
		return "the token in " + w.tokenFile + " is deleted on the platform", nil
	})
	control("balance", func(r *http.Request) (string, error) {
		usd, err := decimal.Parse(r.FormValue("usd"))
		if err != nil {
			return "", errors.New("usd is not a number; use -d usd=3")
		}
		w.setBalance(usd.String())
		return "the balance is " + usd.String() + " USD", nil
	})
	return mux
}
