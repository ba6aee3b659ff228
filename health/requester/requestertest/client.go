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

// Client returns a client that calls the platform in memory, for any host. It uses no socket and
// need not be closed. It works inside a testing/synctest bubble, respects the request's context,
// and returns the errors of a real connection for faults of the connection.
func (p *Platform) Client() *http.Client {
	return &http.Client{Transport: memoryTransport{p}}
}

type memoryTransport struct{ handler http.Handler }

// RoundTrip runs the handler in a goroutine that ends when the answer's body is closed or the
// request's context ends.
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

	// The following fields belong to the handler's goroutine.
	started bool // the headers are sent
	status  int
	length  int64 // Content-Length, or -1
	written int64
}

func newMemoryResponse(req *http.Request, cancel context.CancelFunc) *memoryResponse {
	in, out := io.Pipe()
	return &memoryResponse{
		req: req, cancel: cancel, header: http.Header{}, in: in, out: out,
		ready: make(chan struct{}), length: -1,
	}
}

// Header returns the headers to send.
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

// Write sends a part of the body. It waits until the client has read it or is gone.
func (w *memoryResponse) Write(data []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if len(data) == 0 || !w.sendsBody() {
		return len(data), nil
	}
	n, err := w.out.Write(data)
	w.written += int64(n)
	return n, err
}

// Flush sends the headers. Written data is not buffered.
func (w *memoryResponse) Flush() { w.WriteHeader(http.StatusOK) }

// serve runs the handler and completes or breaks the answer.
func (w *memoryResponse) serve(h http.Handler, r *http.Request) {
	finished := false
	defer func() {
		switch v := recover(); {
		case finished:
		case v == nil || v == http.ErrAbortHandler: // nil: runtime.Goexit, as in t.FailNow
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

// fail breaks the connection: the client gets err instead of the headers, or of the rest of the
// body.
func (w *memoryResponse) fail(err error) {
	switch gone := w.req.Context().Err(); {
	case gone != nil:
		err = gone // the handler can notice it before interrupt does
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
	// The reader sees the writer's error. Its own would be ErrClosedPipe.
	_ = w.out.CloseWithError(err)
}

// raw answers with these bytes, parsed as net/http does.
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
