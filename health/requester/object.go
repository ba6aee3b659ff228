package requester

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// problem is what is wrong with a document, in words that have no part of it in them.
type problem string

const (
	problemEmpty    problem = "the body is empty"
	problemHTML     problem = "the body is HTML, not JSON"
	problemNotJSON  problem = "the body is not JSON"
	problemNoObject problem = "the body is not a JSON object"
	problemCut      problem = "the body is cut short"
	problemTrailing problem = "the body goes on after the JSON object"
	problemTooLong  problem = "the body is longer than 64 KiB"
)

// once collects the members of one name, to tell the one from the many.
type once struct {
	value json.RawMessage // the last one
	count int
}

func (o *once) add(value json.RawMessage) {
	o.value = value
	o.count++
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// eachMember calls f for each member of the JSON object that data consists of, in their
// order and duplicates included. encoding/json's own way into a struct would take a member
// "ID" for "id", and of two members the last. f may have been called when a problem is
// returned.
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

// stringOf returns the value of a JSON string; null is none.
func stringOf(raw json.RawMessage) (string, bool) {
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}
