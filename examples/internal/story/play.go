package main

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

// Times for somebody who types.
const (
	playInterval     = time.Second
	playPollInterval = 500 * time.Millisecond
	playMaxStale     = 30 * time.Second
	playBreakerOpen  = 2 * time.Second
	playMinBalance   = 50 // US dollars
)

// play keeps service and platform up until SIGINT or SIGTERM, and says what there is to try.
func play(addr string, out io.Writer) error {
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
	a, err := newApp(w.server.URL, w.tokenFile, logger,
		health.WithInterval(playInterval),
		health.WithPollInterval(playPollInterval),
		health.WithMaxStale(playMaxStale),
		health.WithBreakerOpen(playBreakerOpen),
		health.WithMinBalance(decimal.MustNew(playMinBalance, 0)),
	)
	if err != nil {
		return err
	}
	defer a.close()
	fmt.Fprintf(out, guide, urlOf(listener.Addr()), w.server.URL, w.tokenFile, playMaxStale, playMinBalance)
	return service.Serve(listener, 0, a.checker, a.handler, logger)
}

const guide = `The service is on %[1]s, its token in %[3]s,
and a fake of the Toloka platform on %[2]s.

Look:
  curl -i %[1]s/healthz
  curl -s '%[1]s/healthz?verbose'
  curl -i %[1]s/account
  curl -i %[1]s/balance

Break something, and look again:
  curl -X POST %[2]s/control/down           # the platform goes away: warn, and fail after %[4]s
  curl -X POST %[2]s/control/up             # it comes back
  curl -X POST %[2]s/control/rotate         # a new token in the file; the old one is deleted a second later
  curl -X POST %[2]s/control/delete         # the token in the file is deleted: fail, until the next rotate
  curl -X POST %[2]s/control/balance -d usd=3   # less than the %[5]d USD that the service asks for: warn
  echo nonsense > %[3]s   # a bad rotation: warn, the good token stays in use

Run the other examples on the same platform and token:
  TOLOKA_BASE_URL=%[2]s TOLOKA_TOKEN_FILE=%[3]s go run ./examples/verify
  TOLOKA_BASE_URL=%[2]s TOLOKA_TOKEN_FILE=%[3]s LISTEN_ADDR=:8081 go run ./examples/nethttp

Ctrl-C ends it. The log:
`

// urlOf returns where a browser on this machine finds a listener.
func urlOf(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", tcp.Port)
	}
	return "http://" + addr.String()
}

// deleteAfter is how long both tokens are good when one replaces the other. Somebody who rotates by hand takes longer.
const deleteAfter = time.Second

// controls are the ways to break the platform. Who can reach it can use them: it is on loopback, and holds nothing of value.
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
		return "the token in " + w.tokenFile + " is good for nothing", nil
	})
	control("balance", func(r *http.Request) (string, error) {
		usd, err := decimal.Parse(r.FormValue("usd"))
		if err != nil {
			return "", errors.New("say how much: -d usd=3")
		}
		w.platform.SetBalance("", usd.String())
		return "the balance is " + usd.String() + " USD", nil
	})
	return mux
}
