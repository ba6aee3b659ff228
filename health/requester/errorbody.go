package requester

import (
	"bytes"
	"encoding/json"
)

// errorBody is the platform's error object, as far as it is used. Its message is not: it varies
// for one code, and may repeat the token.
type errorBody struct {
	ofPlatform bool // has what the platform's always has: a code and a request_id, once each
	code       string
	requestID  string
	interval   string // payload.interval of a 429
}

// parseErrorBody returns an empty errorBody for any other document.
func parseErrorBody(data []byte) errorBody {
	var b errorBody
	var code, id once
	p := eachMember(data, func(name string, value json.RawMessage) {
		switch name {
		case "code":
			code.add(value)
		case "request_id":
			id.add(value)
		case "payload":
			b.interval = intervalOf(value)
		}
	})
	if p != "" {
		return errorBody{}
	}
	var hasID bool
	b.code, _ = stringOf(code.value)
	b.requestID, hasID = stringOf(id.value)
	b.ofPlatform = code.count == 1 && b.code != "" && id.count == 1 && hasID
	return b
}

func intervalOf(payload json.RawMessage) string {
	var interval string
	eachMember(payload, func(name string, value json.RawMessage) {
		if name == "interval" {
			interval, _ = stringOf(value)
		}
	})
	return interval
}

func isBlank(body []byte) bool {
	return len(bytes.TrimSpace(bytes.TrimPrefix(body, byteOrderMark))) == 0
}
