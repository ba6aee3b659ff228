package requester

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
)

// maxBody bounds what is read of an answer, before and after decoding. The platform's answers
// have a few hundred bytes.
const maxBody = 64 << 10

// readBody reads and decodes the body of resp. The error is one of the connection; a problem
// means that the body arrived and cannot be used.
func (x *exchange) readBody(resp *http.Response) ([]byte, problem, error) {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, "", err
	case len(raw) > maxBody:
		return nil, problemTooLong, nil
	}
	body, p := x.decode(resp.Header, raw)
	return body, p, nil
}

// decode undoes the content coding. The request asks for none, but proxies and servers that
// compress all the same use gzip.
func (x *exchange) decode(h http.Header, raw []byte) ([]byte, problem) {
	var codings []string
	for coding := range strings.SplitSeq(strings.Join(h.Values("Content-Encoding"), ","), ",") {
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != "" && coding != "identity" {
			codings = append(codings, coding)
		}
	}
	switch {
	case len(codings) == 0 || len(raw) == 0:
		return raw, ""
	case len(codings) > 1:
		return nil, "the body has several content encodings, which were not asked for"
	case codings[0] == "gzip" || codings[0] == "x-gzip":
		return gunzip(raw)
	}
	name := x.redact.identifier(codings[0])
	if name == "" {
		return nil, "the body has an unknown content encoding, which was not asked for"
	}
	return nil, problem("the body has the content encoding " + name + ", which was not asked for")
}

// gunzip ignores what follows the last complete member, as browsers do.
func gunzip(raw []byte) ([]byte, problem) {
	in := bytes.NewReader(raw)
	member, err := gzip.NewReader(in)
	if err != nil {
		return nil, gzipProblem(err)
	}
	var out bytes.Buffer
	for {
		member.Multistream(false)
		_, err := io.Copy(&out, io.LimitReader(member, int64(maxBody+1-out.Len())))
		switch {
		case err != nil:
			return nil, gzipProblem(err)
		case out.Len() > maxBody:
			return nil, problemTooLong
		}
		if member.Reset(in) != nil {
			return out.Bytes(), ""
		}
	}
}

func gzipProblem(err error) problem {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return problemCut
	}
	return problemNotGzip
}
