package requestertest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Client returns a client whose requests go to the platform in memory, whatever host they
// name: no socket, no listener, nothing to close. It works inside a testing/synctest
// bubble, ends with the request's context, and shows faults of the connection as the errors
// that a real one gives.
func (p *Platform) Client() *http.Client {
	return &http.Client{Transport: memoryTransport{p}}
}

type memoryTransport struct{ handler http.Handler }

// RoundTrip runs the handler in a goroutine that ends with the answer's body, or with the
// request's context.
func (t memoryTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(req.Context())
	w := newMemoryResponse(req, cancel)
	served := req.Clone(ctx)
	served.RequestURI = req.URL.RequestURI()
	served.RemoteAddr = "192.0.2.1:1234" // the documentation network, as in httptest.NewRequest
	served.Proto, served.ProtoMajor, served.ProtoMinor = "HTTP/1.1", 1, 1
	if served.Host == "" {
		served.Host = req.URL.Host
	}
	if served.Body == nil {
		served.Body = http.NoBody
	}
	context.AfterFunc(ctx, func() { w.interrupt(ctx.Err()) })
	go func() {
		defer cancel()
		w.serve(t.handler, served)
	}()
	<-w.ready
	if w.err != nil {
		cancel()
		return nil, w.err
	}
	return w.resp, nil
}

// memoryResponse is the server's end of an exchange in memory.
type memoryResponse struct {
	req    *http.Request
	cancel context.CancelFunc
	header http.Header
	out    *io.PipeWriter
	in     *io.PipeReader

	once  sync.Once
	ready chan struct{} // closed when resp or err is set
	resp  *http.Response
	err   error

	// What follows is of the handler's goroutine alone.
	started bool // the headers are sent
	status  int
	length  int64 // announced, -1 where it is not
	written int64
}

func newMemoryResponse(req *http.Request, cancel context.CancelFunc) *memoryResponse {
	in, out := io.Pipe()
	return &memoryResponse{req: req, cancel: cancel, header: http.Header{}, in: in, out: out, ready: make(chan struct{}), length: -1}
}

// Header is what the answer's headers will be.
func (w *memoryResponse) Header() http.Header { return w.header }

// WriteHeader sends the headers.
func (w *memoryResponse) WriteHeader(status int) {
	if w.started || status >= 100 && status <= 199 {
		return
	}
	w.started, w.status = true, status
	header := http.Header{}
	for key, values := range w.header {
		if len(values) > 0 {
			header[key] = append([]string(nil), values...)
		}
	}
	if _, ok := w.header["Date"]; !ok {
		header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	if n, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64); err == nil {
		w.length = n
	}
	w.deliver(&http.Response{
		Status:        strconv.Itoa(status) + " " + http.StatusText(status),
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		ContentLength: w.length,
		Body:          &memoryBody{w},
		Request:       w.req,
	}, nil)
}

// Write sends a part of the body, and waits until the client has read it or is gone.
func (w *memoryResponse) Write(data []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if len(data) == 0 || !w.sendsBody() {
		return len(data), nil
	}
	n, err := w.out.Write(data)
	w.written += int64(n)
	return n, err
}

// Flush sends the headers; what is written is never kept back.
func (w *memoryResponse) Flush() { w.WriteHeader(http.StatusOK) }

// serve runs the handler and ends the answer in the way that it ended.
func (w *memoryResponse) serve(h http.Handler, r *http.Request) {
	finished := false
	defer func() {
		switch v := recover(); {
		case finished:
		case v == nil || v == http.ErrAbortHandler: // nil: runtime.Goexit, by a test that failed in here
			w.fail(io.EOF)
		default:
			w.fail(io.EOF)
			panic(v)
		}
	}()
	h.ServeHTTP(w, r)
	finished = true
	w.WriteHeader(http.StatusOK)
	if w.written < w.length && w.sendsBody() {
		w.fail(io.EOF)
	}
	_ = w.out.Close()
}

// fail breaks the connection: the client gets err in place of the headers, or of the rest
// of the body.
func (w *memoryResponse) fail(err error) {
	switch gone := w.req.Context().Err(); {
	case gone != nil:
		err = gone // the handler may notice before interrupt does
	case w.started && errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	w.deliver(nil, err)
	_ = w.out.CloseWithError(err)
	w.started = true
}

// interrupt breaks the connection from the client's side.
func (w *memoryResponse) interrupt(err error) {
	w.deliver(nil, err)
	_ = w.out.CloseWithError(err) // the writer's error is what the reader sees; its own would be ErrClosedPipe
}

// raw answers with bytes as they are, read as net/http would.
func (w *memoryResponse) raw(data string) {
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(data)), w.req)
	if errors.Is(err, io.ErrUnexpectedEOF) && data == "" {
		err = io.EOF
	}
	w.started = true
	w.deliver(resp, err)
}

func (w *memoryResponse) sendsBody() bool {
	return bodyAllowed(w.status) && w.req.Method != http.MethodHead
}

func (w *memoryResponse) deliver(resp *http.Response, err error) {
	w.once.Do(func() {
		w.resp, w.err = resp, err
		close(w.ready)
	})
}

// memoryBody is the client's end of the answer's body.
type memoryBody struct{ w *memoryResponse }

func (b *memoryBody) Read(p []byte) (int, error) { return b.w.in.Read(p) }

func (b *memoryBody) Close() error {
	err := b.w.in.Close()
	b.w.cancel()
	return err
}
