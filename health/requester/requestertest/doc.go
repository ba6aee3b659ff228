// Package requestertest is a fake of the Toloka platform for tests and demonstrations:
// accounts and balances, tokens that are issued and deleted, every fault that a platform, a
// proxy or a network has, and a log of what was asked. It does for GET /api/v1/requester
// what net/http/httptest does for handlers.
//
//	platform := requestertest.NewPlatform()
//	token := platform.IssueToken("")
//	client, err := requester.New(requester.Sandbox, requester.WithHTTPClient(platform.Client()))
//
// In memory like this it works inside a testing/synctest bubble, where [Delay] and [Hang]
// cost no time. [NewServer] gives the same platform a port:
//
//	server := requestertest.NewServer()
//	defer server.Close()
//	client, err := requester.New(requester.Sandbox, requester.WithBaseURL(server.URL))
//
// Faults are values that combine, for all requests or for those of one token:
//
//	platform.SetFaults(requestertest.Times(3, requestertest.Status(503)))
//	platform.SetTokenFaults(token, requestertest.RateLimited(requestertest.AfterSeconds(30)))
//
// What it answers follows the platform's public documentation, down to the error object
// with its request_id.
package requestertest
