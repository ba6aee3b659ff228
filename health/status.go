package health

import "fmt"

// Status is the verdict on a credential, in the words of the health+json draft
// (draft-inadarei-api-health-check, section 3.1).
//
// The zero value is StatusFail: what nobody has judged is not good.
type Status uint8

const (
	// StatusFail: the credential must not be relied upon. Health endpoints answer 503, the gate is closed.
	StatusFail Status = iota
	// StatusWarn: the credential works, and somebody should look. Health endpoints answer 200, the gate is open.
	StatusWarn
	// StatusPass: the platform has accepted the credential. Health endpoints answer 200, the gate is open.
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

// MarshalText returns what String does, so that a Status reads the same in JSON and in logs.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
