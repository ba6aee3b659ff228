package requester

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// problem says what is wrong with a body, without any part of it.
type problem string

const (
	problemEmpty    problem = "the body is empty"
	problemHTML     problem = "the body is HTML, not JSON"
	problemNotJSON  problem = "the body is not JSON"
	problemNoObject problem = "the body is not a JSON object"
	problemCut      problem = "the body is cut short"
	problemTrailing problem = "the body goes on after the JSON object"
	problemTooLong  problem = "the body is longer than 64 KiB"
	problemNotGzip  problem = "the body is not gzip, although its content encoding says so"
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// once collects the members of one name, to detect duplicates.
type once struct {
	value json.RawMessage // the last one
	count int
}

func (o *once) add(value json.RawMessage) {
	o.value = value
	o.count++
}

// eachMember calls f for each member of the JSON object in data, in order, including
// duplicates. Decoding into a struct would accept a member "ID" as "id", and would use the last
// of two members. f may have been called before a problem is returned.
func eachMember(data []byte, f func(name string, value json.RawMessage)) problem {
	data = bytes.TrimPrefix(data, byteOrderMark)
	text := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case len(text) == 0:
		return problemEmpty
	case text[0] == '<':
		return problemHTML
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	first, err := dec.Token()
	if err != nil {
		return problemOf(err)
	}
	if first != json.Delim('{') {
		return problemNoObject
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return problemOf(err)
		}
		key, ok := name.(string)
		if !ok {
			return problemNotJSON
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return problemOf(err)
		}
		f(key, value)
	}
	if _, err := dec.Token(); err != nil {
		return problemOf(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return problemTrailing
	}
	return ""
}

func problemOf(err error) problem {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return problemCut
	}
	return problemNotJSON
}

// stringOf returns the value of a JSON string, and false for anything else, including null.
func stringOf(raw json.RawMessage) (string, bool) {
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}
