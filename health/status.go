package health

import "fmt"

// Status is the verdict on a credential, as defined by the health+json draft
// (draft-inadarei-api-health-check, section 3.1).
//
// The zero value is StatusFail: an unverified credential is not usable.
type Status uint8

const (
	// StatusFail: the credential cannot be used. Health endpoints answer 503, the gate is closed.
	StatusFail Status = iota
	// StatusWarn: the credential works, but needs attention. Health endpoints answer 200, the gate
	// is open.
	StatusWarn
	// StatusPass: the platform accepts the credential. Health endpoints answer 200, the gate is
	// open.
	StatusPass
)

var statusNames = [...]string{StatusFail: "fail", StatusWarn: "warn", StatusPass: "pass"}

// String returns "fail", "warn" or "pass".
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("Status(%d)", uint8(s))
}

// MarshalText returns the result of String, so that JSON and logs have the same text.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
